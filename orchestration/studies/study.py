"""A study is pure data: a question, a base config, axes and seeds.

Imports no torch: planning a study takes milliseconds.
"""

import itertools
import string
from typing import Literal, Self

from pydantic import model_validator

from moleflow.config import Config
from moleflow.errors import StudyError
from orchestration.studies.axes import Axis, ClassName, Orders, TaskZero, Written


class Study(Written):
    """What is asked."""

    question: str
    base: Config
    classes: tuple[ClassName, ...] = ()
    """Classes to learn; empty: those of the groups, or all that the data root holds."""
    scenario: str = "1-1"
    """How an order is cut into tasks: `a-b`, or `joint` (see `moleflow.data.sequences`)."""
    groups: tuple[tuple[ClassName, ...], ...] = ()
    """Explicit tasks instead of a scenario; orders then permute them."""
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = (0,)
    data: Literal["folder", "synthetic"] = "folder"
    """`folder`: the user names it with --data; `synthetic`: made below the root folder."""
    reports: tuple[str, ...] = ("task_order",)
    """Kinds of report that are written at the end, the main one first."""

    @model_validator(mode="after")
    def _one_way_to_make_tasks(self) -> Self:
        if self.groups and self.scenario != "1-1":
            raise StudyError(
                f"scenario {self.scenario} and groups both say how tasks are made; give one of them"
            )
        if self.orders_axis.named and self.task0_axis:
            raise StudyError("orders that are named say which class is first; leave TaskZero out")
        return self

    @property
    def named_classes(self) -> tuple[str, ...]:
        """Classes that the study names, by themselves, in groups or in orders."""
        grouped = tuple(itertools.chain.from_iterable(self.groups))
        return self.classes or grouped or next(iter(self.orders_axis.named), ())

    @property
    def orders_axis(self) -> Orders:
        return next((axis for axis in self.axes if isinstance(axis, Orders)), Orders())

    @property
    def task0_axis(self) -> TaskZero | None:
        return next((axis for axis in self.axes if isinstance(axis, TaskZero)), None)


def check_name(name: str) -> str:
    """A study's name becomes a folder and an MLflow experiment.

    Raises:
        StudyError: it holds other than letters, digits, `_` and `-`.
    """
    if not name or set(name) - set(string.ascii_letters + string.digits + "_-"):
        raise StudyError(f"study name {name!r}: use letters, digits, '_' and '-' only")
    return name
