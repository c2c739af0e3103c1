"""One run on a GPU: correctness first, then what it costs. `make gpu`, or on any machine

    python -m tests.gpu [--device cuda|cpu] [--size full|tiny] [--out FOLDER] [--only PART,PART]

Needs torch, timm, FrEIA, adamp, pydantic, safetensors, jaxtyping, numpy, scipy, scikit-learn and
pillow; no Ray, no MLflow, no network. A part that fails, or takes longer than its time box, does
not end the others. The exit code is 1 when a check fails or a part does not come to its end.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from moleflow.device import prepare
from orchestration.cluster.environment import DETERMINISTIC
from tests.gpu import correctness, determinism, evaluation, memory, speed, together
from tests.gpu.findings import Check, Figure, Finding, Skipped
from tests.gpu.place import Place

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Part:
    """Something to find out."""

    name: str
    box: float
    """Seconds: after them the part is not asked for more; after twice as many it is broken off."""
    find: Callable[[Place], Iterator[Finding]]


PARTS = (
    Part("values", 60, correctness.values_and_gradients),
    Part("agreement", 40, correctness.agreement),
    Part("adamp", 20, correctness.adamp),
    Part("trained", 20, correctness.trained_task),
    Part("captured", 40, determinism.captured),
    Part("certificate", 30, determinism.certificate),
    Part("again", 30, determinism.again),
    Part("streamed", 20, determinism.streamed),
    Part("divergence", 15, determinism.divergence),
    Part("out_of_memory", 15, memory.out_of_memory),
    Part("evaluation", 60, evaluation.evaluation),
    Part("together", 60, together.side_by_side),
    Part("ceilings", 10, speed.ceilings),
    Part("steps", 60, speed.steps),
    Part("kernels", 20, speed.kernels),
    Part("memory", 30, memory.peaks),
    Part("processes", 60, speed.processes),
    Part("sequence", 150, speed.sequence),
)
"""In this order. A part is a function of a place that yields findings: add others here."""


@dataclass
class Outcome:
    """What became of a part."""

    name: str
    seconds: float = 0.0
    trouble: str = ""
    """Why it did not come to its end; empty if it did."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.trouble and all(f.holds for f in self.findings if isinstance(f, Check))


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; returns the exit code."""
    asked = _parser().parse_args(arguments)
    names = [part.name for part in PARTS]
    only = asked.only.split(",") if asked.only else names
    if unknown := set(only) - set(names):
        raise SystemExit(
            f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(names)}"
        )
    os.environ.update(DETERMINISTIC)
    device = prepare(torch.device(asked.device), torch.get_num_threads())
    asked.out.mkdir(parents=True, exist_ok=True)
    place = Place(device, asked.size == "tiny", asked.out)
    about = describe(device)
    print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    outcomes = list[Outcome]()
    for part in PARTS:
        if part.name in only:
            outcomes.append(carry_out(part, place))
            write(place.out / "gpu.json", about, outcomes)
    print("\n" + table(outcomes), flush=True)
    return 0 if all(outcome.sound for outcome in outcomes) else 1


def carry_out(part: Part, place: Place) -> Outcome:
    """One part, to its end or the end of its time."""
    outcome, start = Outcome(part.name), time.perf_counter()
    print(f"== {part.name}", flush=True)
    try:
        # A tiny run shows that parts work; on a busy processor it may take its time.
        box = 20 * part.box if place.tiny else part.box
        with broken_off(2 * box):
            for finding in part.find(place):
                outcome.findings.append(finding)
                print(finding.line(), flush=True)
                if time.perf_counter() - start > box:
                    outcome.trouble = f"not ended within its {box:.0f} s"
                    break
            place.wait()
    except Exception as error:
        traceback.print_exc()
        outcome.trouble = (
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
    if place.cuda:
        torch.cuda.empty_cache()
    outcome.seconds = time.perf_counter() - start
    print(f"== {part.name}: {outcome.seconds:.1f} s {outcome.trouble}", flush=True)
    return outcome


@contextmanager
def broken_off(seconds: float) -> Iterator[None]:
    """Raises TimeoutError within this block after so many seconds."""

    def end(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"broken off after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def describe(device: torch.device) -> dict[str, str]:
    """What ran where."""
    cuda = device.type == "cuda"
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu ({platform.machine()})",
        "capability": ".".join(map(str, torch.cuda.get_device_capability())) if cuda else "none",
    }


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return asked.stdout.strip() or "unknown"


def write(path: Path, about: dict[str, str], outcomes: list[Outcome]) -> None:
    """All that was found so far."""
    parts = [
        asdict(outcome)
        | {"sound": outcome.sound}
        | {"findings": [{"kind": type(f).__name__, **asdict(f)} for f in outcome.findings]}
        for outcome in outcomes
    ]
    found: dict[str, Any] = {"about": about, "parts": parts}
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def table(outcomes: list[Outcome]) -> str:
    """A line per part, then all figures, then all that is wrong."""
    lines = ["part            seconds  checks  skipped"]
    for one in outcomes:
        checks = [f for f in one.findings if isinstance(f, Check)]
        skipped = sum(isinstance(f, Skipped) for f in one.findings)
        held = f"{sum(c.holds for c in checks)}/{len(checks)}"
        lines.append(f"{one.name:15} {one.seconds:7.1f}  {held:>6}  {skipped or '':>7}")
    lines += [f.line() for one in outcomes for f in one.findings if isinstance(f, Figure)]
    wrong = [f for one in outcomes for f in one.findings if isinstance(f, Check) and not f.holds]
    lines += [check.line() for check in wrong]
    lines += [f"FAIL {one.name}: {one.trouble}" for one in outcomes if one.trouble]
    total = sum(one.seconds for one in outcomes)
    sound = all(one.sound for one in outcomes)
    return "\n".join([*lines, f"{'all sound' if sound else 'NOT SOUND'} in {total:.0f} s"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--out", type=Path, default=Path("gpu_run"))
    parser.add_argument("--only", help="names of parts, with commas")
    return parser


if __name__ == "__main__":
    sys.exit(main())
