"""Whether the GPUs of a machine compute what its processor does.

Judged in `orchestration.doctor.checks`. Imports no torch: they are asked in a process of its own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, final

from pydantic import AllowInfNan, TypeAdapter

from moleflow.errors import DeviceError
from moleflow.settings import Settings
from orchestration.cluster.asking import ask

if TYPE_CHECKING:  # it imports torch
    from moleflow.data.sequences import Task
    from moleflow.training.agreement import Step

NUMBERS_PATIENCE = 300.0
"""Seconds in which a machine's GPUs must have computed: their kernels are compiled first."""


Share = Annotated[float, AllowInfNan(True)]
"""A GPU that is wrong may compute what is no number."""


@final
class Steps(Settings):
    """A few training steps on a GPU, beside the same on the processor in float32."""

    precision: str
    log_p: Share
    gradient: Share
    moves: Share
    """Deviations, each a share (`moleflow.training.agreement.Deviation`)."""
    sound: bool
    """Whether they are as small as they must be."""
    repeated: bool
    """Whether the same steps once more give the same bits."""


@final
class GpuNumbers(Settings):
    """What a GPU computes."""

    gpu: str
    steps: tuple[Steps, ...] = ()
    """By precision."""
    trouble: str = ""
    """Why it computes nothing, or not to the end."""
    note: str = ""
    """Why steps are not captured as graphs; empty where they are."""


MANY = TypeAdapter(tuple[GpuNumbers, ...])


def ask_numbers() -> tuple[GpuNumbers, ...]:
    """`look_at_numbers` of all GPUs, in a process of its own."""
    try:
        return MANY.validate_json(ask(look_at_numbers, patience=NUMBERS_PATIENCE))
    except DeviceError as error:
        return (GpuNumbers(gpu="GPUs", trouble=str(error)),)


def look_at_numbers(devices: Sequence[str] | None = None) -> list[GpuNumbers]:
    """Imports torch.

    Args:
        devices: by torch's names; none: all GPUs.
    """
    import torch

    from moleflow.device import prepare
    from moleflow.training.agreement import computed

    names = [f"cuda:{k}" for k in range(torch.cuda.device_count())] if devices is None else devices
    wanted = computed(prepare(torch.device("cpu"), torch.get_num_threads()), "float32")
    return [_look_at(name, wanted) for name in names]


def _look_at(name: str, wanted: "dict[Task, Step]") -> GpuNumbers:
    import torch

    from moleflow.device import prepare
    from moleflow.training.agreement import LIMITS, computed, deviation, possible, same_bits

    device, found, notes = torch.device(name), list[Steps](), list[str]()
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
            name = f"{torch.cuda.get_device_name(device)} ({name})"
        prepare(device, torch.get_num_threads())
        for precision in possible(device):
            steps = computed(device, precision, notes.append)
            off = deviation(steps, wanted)
            found.append(
                Steps(
                    precision=precision,
                    log_p=off.log_p,
                    gradient=off.gradient,
                    moves=off.moves,
                    sound=off.within(LIMITS[precision]),
                    repeated=same_bits(steps, computed(device, precision)),
                )
            )
    except RuntimeError as error:
        trouble = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return GpuNumbers(gpu=name, steps=tuple(found), trouble=trouble)
    return GpuNumbers(gpu=name, steps=tuple(found), note=notes[0] if notes else "")
