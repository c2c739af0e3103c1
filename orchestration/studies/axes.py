"""Axes: what a study varies, as people write it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from moleflow.data.sequences import JOINT, task_sizes
from moleflow.errors import StudyError, nearest
from orchestration.studies.orders_axis import Orders as Orders
from orchestration.studies.search import Search
from orchestration.studies.written import (
    Changes,
    ClassName,
    Condition,
    FieldName,
    Values,
    Written,
)

OWN = ("task0", "order", "ordering", "scenario", "seed", "part", "proposal")
"""What trials differ in beside config fields: names that no axis may take."""


class TaskZero(Written):
    """Axis: which class is learned first, shaping the base. Named classes, or the first `count`.

    Where a task holds several classes, the class stands in task 0 with others; with groups, its
    group does, and `count` is one of groups.
    """

    kind: Literal["task0"] = "task0"
    classes: tuple[ClassName, ...] = ()
    count: int = 0


class Scenarios(Written):
    """Axis: how an order is cut into tasks, e.g. `Scenarios("1-1", "3-3", "joint")`."""

    kind: Literal["scenarios"] = "scenarios"
    names: Annotated[tuple[str, ...], Field(min_length=1)]
    made_for: Annotated[int, Field(ge=0)] = 0
    """Classes that the names were made for; others are cut in the same shares, where these come out
    whole: 10-5 of 15 is 8-4 of 12. 0: the names are meant as they are, for any number."""

    if TYPE_CHECKING:

        def __init__(self, *names: str, made_for: int = 0) -> None: ...

    else:

        def __init__(self, *names, **data):
            super().__init__(**({"names": names} if names else {}), **data)

        __init__.__pydantic_base_init__ = True

    @model_validator(mode="after")
    def _fit_what_they_are_made_for(self) -> Self:
        for name in self.names if self.made_for else ():
            task_sizes(name, self.made_for)
        return self

    def cuts(self, classes: int) -> tuple[str, ...]:
        """The scenarios of so many classes, each once.

        Raises:
            StudyError: the names were made for another number, and two of them do not come out.
        """
        if classes == self.made_for or not self.made_for:
            return tuple(dict.fromkeys(self.names))
        found = {cut for name in self.names if (cut := self.cut(name, classes))}
        if len(found) < 2:
            raise StudyError(
                f"scenarios {', '.join(self.names)} of {self.made_for} classes: with {classes} "
                f"classes {'only ' + next(iter(found)) if found else 'none'} comes out whole; say "
                "one with --scenario, or name the tasks with --groups"
            )
        return tuple(dict.fromkeys(cut for n in self.names if (cut := self.cut(n, classes))))

    def cut(self, name: str, classes: int) -> str:
        """The scenario that cuts so many classes in the shares of a name; empty where there is
        none. One class stays one, and all but one stay all but one."""
        if name == JOINT:
            return name
        first, later = (_share(int(part), self.made_for, classes) for part in name.split("-"))
        whole = first and later and first < classes and (classes - first) % later == 0
        return f"{first}-{later}" if whole else ""


def _share(part: int, of: int, classes: int) -> int:
    """As many of the classes as `part` is of `of`; 0 where that is no whole number."""
    if part in (1, of - 1):
        return part - of + classes if part > 1 else 1
    return part * classes // of if part * classes % of == 0 else 0


class Grid(Written):
    """Axis: values of one config field."""

    kind: Literal["grid"] = "grid"
    field: FieldName
    values: Values
    when: Condition = Field(default_factory=dict[str, Any])
    """Only where other fields, or axes, have these values; elsewhere the field is as it is."""


class Zip(Written):
    """Axis: fields that change together, the first values of all of them, then the second ones."""

    kind: Literal["zip"] = "zip"
    fields: Annotated[dict[FieldName, Values], Field(min_length=1)]
    when: Condition = Field(default_factory=dict[str, Any])

    @field_validator("fields")
    @classmethod
    def _equally_long(cls, fields: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        lengths = {name: len(values) for name, values in fields.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            raise StudyError(
                f"Zip.fields: each needs as many values as the others, to change together: {told}"
            )
        return fields


class Variants(Written):
    """Axis: named sets of changes; one of them, often without any, is the baseline."""

    kind: Literal["variants"] = "variants"
    variants: Annotated[dict[str, Changes], Field(min_length=1)]
    baseline: str
    name: str = "variant"
    """Of the axis."""
    when: Condition = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _baseline_is_a_variant(self) -> Self:
        if self.baseline not in self.variants:
            raise StudyError(
                f"Variants.baseline: {self.baseline!r} is none of the variants"
                f"{nearest(self.baseline, self.variants)}; they are {', '.join(self.variants)}"
            )
        if "" in self.variants:
            raise StudyError("a variant is called by a name that is not empty")
        return self

    @field_validator("name")
    @classmethod
    def _own_name(cls, name: str) -> str:
        if not name or name in OWN:
            raise StudyError(f"axis {name!r}: choose another name; taken are {', '.join(OWN)}")
        return name


Varying: TypeAlias = Grid | Zip | Variants
"""Axes that change the config."""
Axis: TypeAlias = Annotated[
    TaskZero | Orders | Scenarios | Grid | Zip | Variants | Search, Field(discriminator="kind")
]
