"""An axis that is not listed beforehand: its values are proposed, one trial after the other."""

import math
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from moleflow.errors import StudyError, nearest
from moleflow.metrics.catalogue import TITLES
from orchestration.studies.written import FieldName, Values, Written

METHODS = ("random", "tpe")
SELECTION, TEST = "selection", "test"
COMPARED = ("data.held_out", "data.seed")
"""Fields that say on which pictures proposals are compared."""

ON_TEST = (
    "the search chooses by {}, which is measured on the test set: the number of what it chooses is "
    "too good, and no evidence of how it would do on other pictures"
)


class _Between(Written):
    """A number from `low` to `high`, both of them among the possible ones."""

    low: float
    high: float

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if not self.low < self.high:
            raise StudyError(
                f"{type(self).__name__}: {self.low} to {self.high} goes nowhere; give the lower "
                "end first"
            )
        return self


class Uniform(_Between):
    """Any number, all equally likely."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(_Between):
    """Any positive number; its logarithm is uniform, so each power of ten is equally likely."""

    kind: Literal["log_uniform"] = "log_uniform"

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.low <= 0:
            raise StudyError(f"log_uniform from {self.low}: a logarithm needs a positive number")
        return self


class Integer(Written):
    """A whole number from `low` to `high`, both of them among the possible ones."""

    kind: Literal["integer"] = "integer"
    low: int
    high: int

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if not self.low < self.high:
            raise StudyError(
                f"{type(self).__name__}: {self.low} to {self.high} goes nowhere; give the lower "
                "end first"
            )
        return self


class Choice(Written):
    """One of several values."""

    kind: Literal["choice"] = "choice"
    values: Values


Distribution: TypeAlias = Annotated[
    Uniform | LogUniform | Integer | Choice, Field(discriminator="kind")
]


def uniform(low: float, high: float) -> Uniform:
    """Any number from `low` to `high`."""
    return Uniform(low=_finite(low), high=_finite(high))


def log_uniform(low: float, high: float) -> LogUniform:
    """Any number from `low` to `high`, evenly over its logarithm."""
    return LogUniform(low=_finite(low), high=_finite(high))


def integer(low: int, high: int) -> Integer:
    """A whole number from `low` to `high`, both included."""
    return Integer(low=low, high=high)


def choice(*values: Any) -> Choice:
    """One of these values."""
    return Choice(values=values)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise StudyError(f"{number}: an end of a range must be a finite number")
    return float(number)


class Search(Written):
    """Axis: config fields whose values are proposed while the study runs.

    Beside axes that enumerate, and several orders or seeds, each proposal is run for every
    combination of them, and is as good as the mean over all.
    """

    kind: Literal["search"] = "search"
    space: Annotated[dict[FieldName, Distribution], Field(min_length=1)]
    trials: int
    """Proposals. More of them later go on where fewer ended."""
    method: str = "random"
    """`tpe` (Optuna) learns from what was measured; it is an extra of the package."""
    seed: int = 0
    """Of the proposals; the training seed is another one."""
    objective: str = SELECTION
    """What is made as large as possible: `selection`, a score from pictures that training may see
    (docs/search.md), or one of its metrics, `selection:pixel_ap`; or in so many words
    `test:METRIC`, e.g. `test:image_auroc`."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """For a selection score, the share of each class's training pictures that no trial is trained
    on, unless the study's settings say it."""
    rungs: tuple[int, ...] = ()
    """Numbers of tasks learned after which trials that differ in their proposal alone are compared
    by what the search makes large, and the worse ones are stopped; empty: none ever is."""
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the trials compared that goes on."""

    @field_validator("trials")
    @classmethod
    def _some(cls, trials: int) -> int:
        if trials < 1:
            raise StudyError(f"Search.trials: {trials}; a search proposes one or more")
        return trials

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method not in METHODS:
            known = " or ".join(METHODS)
            raise StudyError(
                f"method {method}: nothing proposes so{nearest(method, METHODS)}; choose {known}"
            )
        return method

    @field_validator("objective")
    @classmethod
    def _measured(cls, objective: str) -> str:
        part, _, metric = objective.partition(":")
        if part not in (SELECTION, TEST) or (objective != SELECTION and metric not in TITLES):
            parts = (SELECTION, TEST) if ":" in objective else (SELECTION,)
            named = [f"{which}:{name}" for which in parts for name in TITLES]
            close = nearest(objective, [SELECTION, *named])
            raise StudyError(
                f"objective {objective}: nothing is measured by that name{close}; write "
                f"{SELECTION}, {SELECTION}:METRIC, or, to choose on the test set, {TEST}:METRIC; "
                f"metrics are {', '.join(TITLES)}"
            )
        return objective

    @field_validator("rungs")
    @classmethod
    def _ascending(cls, rungs: tuple[int, ...]) -> tuple[int, ...]:
        if any(rung < 1 for rung in rungs) or list(rungs) != sorted(set(rungs)):
            raise StudyError(f"rungs {rungs}: write numbers of tasks from 1 on, each once, upwards")
        return rungs

    @model_validator(mode="after")
    def _can_be_searched(self) -> Self:
        for field in COMPARED:
            if field in self.space:
                raise StudyError(
                    f"{field}: says on which pictures proposals are compared; leave it out"
                )
        for field, values in self.space.items():
            if field.startswith("backbone.") and not isinstance(values, Choice):
                raise StudyError(f"{field}: weights are checked beforehand, so write choice(...)")
        points = self.points
        if points is not None and points < self.trials:
            raise StudyError(
                f"{self.trials} proposals, and the space holds {points} points; ask for fewer, or "
                "enumerate it with Grid"
            )
        return self

    @property
    def caution(self) -> str:
        """What to tell of its objective, in red; empty where there is nothing."""
        return ON_TEST.format(self.objective) if self.on_test else ""

    @property
    def on_test(self) -> bool:
        """Whether the test set chooses."""
        return self.objective.startswith(TEST)

    @property
    def points(self) -> int | None:
        """How many there are; None where they cannot be counted."""
        sizes = [_size(values) for values in self.space.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)


def _size(values: Distribution) -> int | None:
    match values:
        case Choice():
            return len(set(map(repr, values.values)))
        case Integer():
            return values.high - values.low + 1
        case _:
            return None
