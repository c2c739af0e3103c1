"""What the analyses see, and what they give."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from matplotlib.figure import Figure

from moleflow.data.catalog import ClassData
from moleflow.data.sequences import Task, task_name
from moleflow.evaluation import SequenceEvaluation
from moleflow.features.cache import ClassFeatures
from moleflow.model import MoLEFlow
from moleflow.router import Prototype
from moleflow.types import Float, Patches, Tensor

CHUNK = 16
"""Pictures that go through the flow at once."""


@dataclass(frozen=True)
class Subject:
    """A finished sequence as the analyses see it."""

    model: MoLEFlow
    sequence: tuple[Task, ...]
    features: Mapping[str, ClassFeatures]
    data: Mapping[str, ClassData]
    prototypes: tuple[Prototype, ...]
    """One per task, in the order of the sequence."""
    seconds: Mapping[tuple[str, str], float]
    """Wall time by stage, e.g. `("adapter", "hazelnut")`; one that is not there was not
    measured."""
    peak_memory: int
    """Largest resident memory of the trial's process, bytes; 0 if it was not measured."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return tuple(task_name(task) for task in self.sequence)

    @property
    def classes(self) -> tuple[tuple[str, int], ...]:
        """Every class and the index of its task, in task order."""
        return tuple((name, t) for t, task in enumerate(self.sequence) for name in task)

    @cached_property
    def evaluation(self) -> SequenceEvaluation:
        """All test pictures after the last task, under the true and the routed task; done once."""
        tests = {name: self.features[name].test for name, _ in self.classes}
        evaluation = SequenceEvaluation(self.model, self.sequence, self.data, tests)
        for prototype in self.prototypes:
            evaluation.learn(prototype)
        evaluation.measure()
        return evaluation

    def metric(self, class_name: str, metric: str, routing: str) -> float:
        """One number of the evaluation; NaN where the class does not have it."""
        found = [
            row.value
            for row in self.evaluation.measurements
            if (row.class_name, row.metric, row.routing) == (class_name, metric, routing)
        ]
        return found[0] if found else math.nan

    @property
    def dim(self) -> int:
        """Channels D of a patch vector; what is stored beyond them belongs to other parts."""
        return self.model.config.patches.dim


@dataclass(frozen=True)
class Analysis:
    """Tables and a figure, with what a reader must know."""

    name: str
    title: str
    tables: Mapping[str, pd.DataFrame]
    """By file name without ending; a missing number is NaN. The first is the one to look at."""
    captions: Mapping[str, str]
    """What each table holds."""
    figure: Figure
    unit: str
    """Of what the figure shows."""
    n: str
    """How many of what the figure shows."""
    finding: str
    """What this trial shows, in a sentence with its numbers; or why it shows nothing."""
    notes: tuple[str, ...]
    """Definitions, sources, and what is missing."""


def latents(
    subject: Subject, task: Task, stored: Float[Tensor, "n h w c"]
) -> Iterator[tuple[Patches, Patches]]:
    """Latent z before and after the task's deep invertible adapter, in chunks of pictures.

    z before is had by the adapter's own inverse, exact up to the rounding of the number format.
    """
    model = subject.model
    for chunk in stored.split(CHUNK):
        # Not around the yield: the caller's own work is not to run in this mode.
        with torch.inference_mode():
            after, _ = model.encode(chunk.to(model.device, torch.float32), task)
            before, _ = model.banks[task].unrefine(after)
        yield before.cpu(), after.cpu()


def evenly(count: int, most: int) -> list[int]:
    """At most `most` indices, evenly over 0 … count - 1."""
    return [i * count // most for i in range(most)] if count > most else list(range(count))
