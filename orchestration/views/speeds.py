"""How fast processors and GPUs are, where nothing was measured yet. Good to a factor of two or
three.

GPUs: what a step at `main` sizes takes on an H200 (docs/gpu.md), scaled by makers' peak speeds.
Processors: a thread of an EPYC with AVX2.
"""

from dataclasses import dataclass

from moleflow.errors import StudyError, nearest
from orchestration.studies.terms import Resources
from orchestration.views.rates import Rates

PRECISIONS = ("float32", "tf32", "bfloat16")
PEAKS = {
    "H200": (67, 495, 989),
    "H100": (67, 495, 989),
    "B200": (80, 1100, 2250),
    "A100": (19.5, 156, 312),
    "L40S": (91.6, 183, 362),
    "L4": (30, 60, 121),
    "A10": (31, 62, 125),
    "RTX4090": (82.6, 82.6, 165),
    "RTX3090": (35.6, 35.6, 71),
    "V100": (15.7, 15.7, 15.7),
    "T4": (8.1, 8.1, 8.1),
}
"""Dense products in TFLOP/s by precision, as their makers state them."""
REACHED = (0.51, 0.19, 0.136)
"""Shares of these that training reached on an H200."""
STEP = 0.002
"""Seconds of a step on a GPU, however small."""
THREAD = 1.2e10
"""Multiplications a second of a thread of a processor."""
GPU_FEATURES, GPU_MAP = 5e12, 2e-8
"""Multiplications a second of a backbone; seconds per pixel of a map that is measured."""
CPU_MAP = 1.2e-6
USUAL = "H100"


@dataclass(frozen=True)
class Machine:
    """What a trial is given, of what kind."""

    gpu: str
    """A name of the table; empty: processors alone."""
    share: float
    """Of a GPU, or number of threads."""


def machine(resources: Resources, seen: str = "") -> Machine:
    """What trials run on.

    Args:
        seen: name of a GPU of this machine.

    Raises:
        StudyError: a GPU is asked for that the table does not know.
    """
    if not resources.gpus_per_trial or resources.device == "cpu":
        return Machine("", float(resources.threads))
    asked = resources.accelerator or seen or USUAL
    plain = asked.upper().replace(" ", "").replace("-", "").replace("_", "")
    found = sorted((name for name in PEAKS if name in plain), key=len)
    if not found:
        raise StudyError(
            f"--accelerator {asked}: how fast it is is not known{nearest(asked, PEAKS)}; known are "
            f"{', '.join(PEAKS)}, or run a trial first and plan the others by it"
        )
    return Machine(found[-1], min(1.0, resources.gpus_per_trial))


def table_rates(found: Machine, precision: str) -> Rates:
    """What the table says of a machine."""
    if not found.gpu:
        threads = "1 thread" if found.share == 1 else f"{found.share:g} threads"
        basis = f"a table, for a processor with {threads} a trial: good to a factor of two or three"
        return _rates(THREAD * found.share, THREAD * found.share, CPU_MAP, 0.0, basis)
    place = PRECISIONS.index(precision)
    speed = PEAKS[found.gpu][place] * 1e12 / 2 * REACHED[place] * found.share
    scale = PEAKS[found.gpu][0] / PEAKS["H200"][0] * found.share
    share = "" if found.share == 1 else f"{found.share:g} of "
    basis = f"a table, for {share}an NVIDIA {found.gpu} a trial: good to a factor of two or three"
    return _rates(speed, GPU_FEATURES * scale, GPU_MAP / found.share, STEP / found.share, basis)


def _rates(training: float, backbone: float, pixel: float, step: float, basis: str) -> Rates:
    """Args: multiplications a second; seconds per pixel of a map, and of a step at least."""
    return Rates(
        by_setting={},
        by_kind={
            "base": 1 / training,
            "adapter": 1 / training,
            "features": 1 / backbone,
            "evaluation": pixel,
            "taken": 0.5 * pixel,
        },
        basis=basis,
        start=2.0,
        measured=False,
        step=step,
    )
