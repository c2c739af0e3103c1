"""Two root folders hold the same numbers, to the bit: what a change that moves none must show.

    python -m tests.same_numbers BEFORE AFTER [STUDY ...]

Compares the table of results and every hash in the records, trial by trial. Trials are found by
what was asked of them, not by their keys, and columns of the table that only one of them has are
left out: the two may have been written by different versions.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

NAMES = ("study", "trial")
"""Columns that say where a row stands, not what was measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="default: those of BEFORE")
    asked = parser.parse_args(arguments)
    names = asked.studies or sorted(p.name for p in (asked.before / "studies").iterdir())
    differences = 0
    for name in names:
        for line in differences_of(asked.before / "studies" / name, asked.after / "studies" / name):
            print(f"{name}: {line}")
            differences += 1
        print(f"{name}: {said(asked.before / 'studies' / name)}")
    print("different" if differences else "the same, to the bit")
    return 1 if differences else 0


def differences_of(before: Path, after: Path) -> Iterator[str]:
    """What of a study is not the same in both folders."""
    one, other = table(before), table(after)
    shared = [name for name in one.columns if name in other.columns and name not in NAMES]
    one, other = (sorted_rows(found[shared]) for found in (one, other))
    if len(one) != len(other):
        yield f"{len(one)} rows in the table before, {len(other)} after"
    elif not one.equals(other):
        moved = (one != other) & ~(one.isna() & other.isna())
        rows = moved.any(axis=1)
        yield f"{rows.sum()} of {len(one)} rows differ, the first: {one[rows].iloc[0].to_dict()}"
    mine, theirs = hashes(before), hashes(after)
    for trial in sorted(mine.keys() | theirs.keys()):
        if trial not in mine or trial not in theirs:
            yield f"only {'before' if trial in mine else 'after'}: {trial}"
        elif mine[trial] != theirs[trial]:
            kinds = sorted(dict(set(mine[trial].items()) ^ set(theirs[trial].items())))
            yield f"{len(kinds)} hashes differ, e.g. of {kinds[0]}: {trial}"


def said(study: Path) -> str:
    """How much there was to compare."""
    found = hashes(study)
    count = sum(map(len, found.values()))
    return f"{len(found)} trials, {len(table(study))} rows, {count} hashes compared"


def table(study: Path) -> pd.DataFrame:
    return pd.read_parquet(study / "results.parquet")


def sorted_rows(rows: pd.DataFrame) -> pd.DataFrame:
    names = [name for name in rows.columns if name != "value"]
    return rows.sort_values(names).reset_index(drop=True)


def hashes(study: Path) -> dict[str, dict[str, str]]:
    """By what was asked of a trial, SHA-256 of all that it trained and scored."""
    records = [json.loads(path.read_text()) for path in sorted(study.glob("trials/*.json"))]
    return {_asked(record): record["hashes"] for record in records}


def _asked(record: dict[str, Any]) -> str:
    axes = {name: value for name, value in record["axes"].items() if name != "task0"}
    return json.dumps({"sequence": record["sequence"], "seed": record["seed"], **axes})


if __name__ == "__main__":
    sys.exit(main())
