"""An axis that is not listed beforehand: its values are proposed, one trial after the other."""

import math
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from moleflow.errors import StudyError
from orchestration.studies.written import FieldName, Values, Written


class _Between(Written):
    """A number from `low` to `high`, both of them among the possible ones."""

    low: float
    high: float

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if not self.low < self.high:
            raise StudyError(
                f"{self.low} to {self.high} goes nowhere: give the lower end, then the higher one"
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
                f"{self.low} to {self.high} goes nowhere: give the lower end, then the higher one"
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
    """Axis: config fields whose values are proposed while the study runs."""

    kind: Literal["search"] = "search"
    space: Annotated[dict[FieldName, Distribution], Field(min_length=1)]
    trials: Annotated[int, Field(ge=1)]
    """Proposals; each is run for every order and seed of the study."""
    method: Literal["random", "tpe"] = "random"
    """`tpe` (Optuna) learns from what was measured; it is an extra of the package."""
    seed: int = 0
    """Of the proposals; the training seed is another one."""
    objective: str = "selection"
    """What is made as large as possible: `selection`, a score from pictures that training may see,
    or in so many words `test:METRIC`, e.g. `test:image_auroc`."""
