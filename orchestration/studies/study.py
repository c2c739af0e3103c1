"""A study is pure data: a question, a base config, axes and seeds.

Imports no torch: planning a study takes milliseconds.
"""

import itertools
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from moleflow.config import Config, config_fields
from moleflow.errors import StudyError, nearest
from moleflow.metrics.catalogue import TITLES
from orchestration.studies.axes import (
    OWN,
    Axis,
    Grid,
    Orders,
    Scenarios,
    TaskZero,
    Variants,
    Varying,
    Zip,
)
from orchestration.studies.search import Search
from orchestration.studies.telling_reports import USUAL, main_first, telling
from orchestration.studies.written import ClassName, Condition, Written, plain

LONGEST_NAME = 100
OPEN = "trials of a search are proposed while it runs, so it is run as a study of its own"


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
    """What varies: trials are the combinations of all axes' values."""
    exclude: tuple[Condition, ...] = ()
    """Combinations that are left out: values of axes or config fields, `task0`, `order`,
    `ordering`, `scenario`, `seed` or `part`; several values of one as a list."""
    only: tuple[Condition, ...] = ()
    """Combinations that are kept, any of them; empty: all."""
    seeds: tuple[int, ...] = (0,)
    data: Literal["folder", "synthetic"] = "folder"
    """`folder`: the user names it with --data; `synthetic`: made below the root folder."""
    reports: tuple[str, ...] = ()
    """Kinds of report that are written at the end, the main one first. Not given: those that tell
    of what the study varies, of a union of what its parts vary."""
    margins: dict[str, float] = Field(default_factory=dict[str, float])
    """Largest differences that do not matter, fractions of 1 by metric; reports conclude on these
    metrics, and on those that have a margin without being named (`moleflow.metrics.catalogue`)."""
    parts: dict[str, "Study"] = Field(default_factory=dict[str, "Study"])
    """The studies that this one is the union of, by name; it then has no axes of its own."""
    minus: tuple["Study", ...] = ()
    """Studies whose trials are left out of this one."""

    @classmethod
    def union(
        cls, question: str, parts: Mapping[str, "Study"], reports: tuple[str, ...] | None = None
    ) -> Self:
        """All trials of several studies; a trial that several ask for is run once.

        Args:
            reports: kinds, the main one first; None: those that tell of what the parts vary.

        Raises:
            StudyError: there are no studies, or they declare different margins of one metric.
        """
        if not parts:
            raise StudyError("a union of no studies asks for nothing; name some")
        first = next(iter(parts.values()))
        named: dict[str, Any] = {} if reports is None else {"reports": reports}
        return cls(
            question=question,
            base=first.base,
            parts=dict(parts),
            data=first.data,
            margins=_margins_of(parts),
            **named,
        )

    def without(self, *others: "Study") -> Self:
        """This study but for the trials that others ask for too.

        Raises:
            StudyError: one of them is a search.
        """
        if any(other.search_axis for other in others):
            raise StudyError(OPEN)
        return self.model_copy(update={"minus": (*self.minus, *others)})

    def where(self, *kept: Condition) -> Self:
        """The trials of this study that any of these conditions fits.

        Raises:
            StudyError: a name is neither a field nor an axis, or the study is filtered already.
        """
        if self.only:
            raise StudyError("the study is filtered already; say all of it in one condition")
        conditions = tuple(Condition(plain(one)) for one in kept)
        self._check_names(conditions)
        return self.model_copy(update={"only": conditions})

    @model_validator(mode="after")
    def _one_way_to_make_tasks(self) -> Self:
        if self.groups and self.scenario != "1-1":
            raise StudyError(
                f"scenario {self.scenario} and groups both say how tasks are made; give one of them"
            )
        if self.scenarios_axis and (self.groups or self.scenario != "1-1"):
            other = "groups" if self.groups else f"scenario {self.scenario}"
            raise StudyError(f"{other} and Scenarios both say how tasks are made; give one of them")
        if self.orders_axis.given and self.task0_axis:
            raise StudyError("orders that are named say which class is first; leave TaskZero out")
        return self

    @model_validator(mode="after")
    def _margins_are_of_metrics(self) -> Self:
        for name, margin in self.margins.items():
            if name not in TITLES:
                known = f"there are {', '.join(TITLES)}"
                raise StudyError(f"margins: no metric {name}{nearest(name, TITLES)}; {known}")
            if not 0 < margin < 1:
                raise StudyError(
                    f"margins: {name} {margin}; give a fraction of 1 above 0, e.g. 0.005 for half "
                    "a point"
                )
        return self

    @model_validator(mode="after")
    def _axes_are_one_each(self) -> Self:
        if self.parts and (self.axes or self.classes or self.groups):
            raise StudyError(
                "a union has the axes, classes and groups of its parts; give it none of its own"
            )
        if any(one.search_axis for one in (*self.parts.values(), *self.minus)):
            raise StudyError(OPEN)
        check_axes(self.axes)
        conditions = [axis.when for axis in self.varying_axes]
        self._check_names((*self.exclude, *self.only, *conditions))
        return self

    @model_validator(mode="after")
    def _reports_tell_what_varies(self) -> Self:
        if not self.names_reports:  # and these are not names that were given
            object.__setattr__(self, "reports", self.telling or USUAL)
        return self

    def _check_names(self, conditions: Iterable[Condition]) -> None:
        names = {*OWN, *config_fields(), *self._axis_names}
        for name in itertools.chain.from_iterable(conditions):
            if name not in names:
                raise StudyError(
                    f"{name}: neither a config field nor an axis{nearest(name, sorted(names))}"
                )

    @property
    def _axis_names(self) -> set[str]:
        own = {axis.name for axis in self.axes if isinstance(axis, Variants)}
        return own.union(*(part._axis_names for part in self.parts.values()))

    @property
    def telling(self) -> tuple[str, ...]:
        """Kinds of report about what it varies, whichever it names; none where nothing varies."""
        parts = self.parts.values()
        kinds = [k for one in parts for k in (one.reports if one.names_reports else one.telling)]
        if any(one.base != self.leaves[0].base for one in self.leaves):
            kinds.append("ablation")
        cut = [(one.scenario, one.groups) for one in self.leaves]
        if any(one != cut[0] for one in cut):
            kinds.append("scenarios")
        return main_first(kinds) if parts else telling(self.axes)

    @property
    def names_reports(self) -> bool:
        """Whether its kinds of report were given, rather than taken from what it varies."""
        return "reports" in self.model_fields_set

    @property
    def leaves(self) -> "tuple[Study, ...]":
        """The studies that a union, and unions in it, are made of; of another study itself."""
        if not self.parts:
            return (self,)
        return tuple(itertools.chain.from_iterable(p.leaves for p in self.parts.values()))

    @property
    def named_classes(self) -> tuple[str, ...]:
        """Classes that the study names, by themselves, in groups or in orders."""
        if self.parts:
            each = [part.named_classes for part in self.parts.values()]
            return tuple(dict.fromkeys(itertools.chain.from_iterable(each))) if all(each) else ()
        grouped = tuple(itertools.chain.from_iterable(self.groups))
        return self.classes or grouped or next(iter(self.orders_axis.named), ())

    @property
    def orders_axis(self) -> Orders:
        return next((axis for axis in self.axes if isinstance(axis, Orders)), Orders())

    @property
    def task0_axis(self) -> TaskZero | None:
        return next((axis for axis in self.axes if isinstance(axis, TaskZero)), None)

    @property
    def scenarios_axis(self) -> Scenarios | None:
        return next((axis for axis in self.axes if isinstance(axis, Scenarios)), None)

    @property
    def search_axis(self) -> Search | None:
        return next((axis for axis in self.axes if isinstance(axis, Search)), None)

    @property
    def varying_axes(self) -> tuple[Varying, ...]:
        """Axes that change the config."""
        return tuple(axis for axis in self.axes if isinstance(axis, Grid | Zip | Variants))


def _margins_of(parts: Mapping[str, Study]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, part in parts.items():
        for metric, margin in part.margins.items():
            if found.setdefault(metric, margin) != margin:
                raise StudyError(
                    f"{name}: a margin of {margin} for {metric}, and another part has "
                    f"{found[metric]}; parts of one report need the same"
                )
    return found


def check_axes(axes: tuple[Axis, ...]) -> None:
    """Raises:
    StudyError: two axes are of one kind of which there can be one only, or have one name, or
        change one field in every trial.
    """
    kinds = [type(axis).__name__ for axis in axes if not isinstance(axis, Grid | Zip | Variants)]
    named = [f"named {axis.name}" for axis in axes if isinstance(axis, Variants)]
    everywhere = [axis for axis in axes if isinstance(axis, Grid | Zip) and not axis.when]
    fields = [
        f"over {name}"
        for axis in everywhere
        for name in ((axis.field,) if isinstance(axis, Grid) else axis.fields)
    ]
    for what, count in Counter([*kinds, *named, *fields]).items():
        if count > 1:
            raise StudyError(f"{count} axes {what}: the last would hide the others; give one")


def check_name(name: str) -> str:
    """A study's name becomes a folder and an MLflow experiment.

    Raises:
        StudyError: it holds other than letters, digits, `_` and `-`, reads like an option, or is
            too long for a folder.
    """
    if not name or set(name) - set(string.ascii_letters + string.digits + "_-"):
        raise StudyError(f"study name {name!r}: use letters, digits, '_' and '-' only")
    if name.startswith("-"):
        raise StudyError(f"study name {name!r}: begins like an option; let a letter come first")
    if len(name) > LONGEST_NAME:
        raise StudyError(
            f"study name {name[:20]}…: has {len(name)} letters; use {LONGEST_NAME} at most"
        )
    return name
