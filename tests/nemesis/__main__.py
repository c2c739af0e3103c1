"""Faults by lot.

python -m tests.nemesis --seeds 7                       schedules of a seed, in every setting
python -m tests.nemesis --setting inline --seeds 7 --first 1
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.nemesis.aftermath import Report
from tests.nemesis.faults import SETTINGS, draw
from tests.nemesis.nemesis import Nemesis
from tests.nemesis.table import keep, kept, page, tries


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seeds", default="0", help="N, FIRST:END, or several of these, with commas"
    )
    parser.add_argument("--setting", choices=[*SETTINGS], action="append")
    parser.add_argument("--first", type=int, help="only so many faults of each schedule")
    parser.add_argument("--said", type=Path, help="folder for what failing schedules printed")
    parser.add_argument("--kept", type=Path, help="file to which what was measured is added")
    parser.add_argument("--write", type=Path, help="document to be made of that file, at the end")
    parser.add_argument("--machine", default=f"{os.cpu_count()} cores", help="as the document says")
    parser.add_argument("--once", action="store_true", help="do not look for the shortest one")
    asked = parser.parse_args()
    # A shell has SIGINT ignored by what it starts in the background, and so would all started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seeds = [seed for part in asked.seeds.split(",") for seed in seeds_of(part)]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="nemesis-") as place, Nemesis(Path(place)) as nemesis:
        for seed in seeds:
            for setting in asked.setting or [*SETTINGS]:
                faults = draw(setting, seed)[: asked.first]
                report = nemesis.run(setting, faults)
                tell(setting, seed, report)
                if asked.kept and asked.first is None:
                    keep(asked.kept, tries(setting, seed, report))
                if report.wrong:
                    failed += 1
                    if asked.said:
                        asked.said.mkdir(parents=True, exist_ok=True)
                        (asked.said / f"{setting} {seed}.txt").write_text(report.said)
                    if asked.once:
                        continue
                    count = nemesis.shortest(setting, faults)
                    print(
                        f"REPLAY: python -m tests.nemesis --setting {setting} --seeds {seed} "
                        f"--first {count}"
                    )
    if asked.write:
        asked.write.write_text(page(kept(asked.kept), asked.machine), encoding="utf-8")
    return 1 if failed else 0


def seeds_of(text: str) -> range:
    begin, _, end = text.partition(":")
    return range(int(begin), int(end) if end else int(begin) + 1)


def tell(setting: str, seed: int, report: Report) -> None:
    print(f"{setting} {seed}: {report.seconds:.0f} s, codes {[*report.codes]}", flush=True)
    fired = {one.number for one in report.fired}
    for number, fault in enumerate(report.faults):
        print(f"  {'' if number in fired else '(did not come) '}{fault}")
    for problem in report.wrong:
        print(f"  WRONG: {problem}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
