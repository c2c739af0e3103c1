"""Axes: what a study varies, as people write it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

import numpy as np
from pydantic import AfterValidator, Field

from moleflow.data.layout import composed
from moleflow.errors import StudyError
from moleflow.settings import Settings

MOST_VALUES = 100_000
"""Of one field: more are a slip."""

ClassName = Annotated[str, AfterValidator(composed)]
"""As the catalog names classes, however their letters are composed."""


class Written(Settings):
    """What people write in a study file: ordinary Python, so lists and ranges are as good as tuples
    and NumPy's numbers as good as Python's."""

    if not TYPE_CHECKING:

        def __init__(self, **data: Any) -> None:
            super().__init__(**{name: _tuples(value) for name, value in data.items()})

        # JSON does not come by here: its lists become tuples anyway.
        __init__.__pydantic_base_init__ = True


def _tuples(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        many = cast("list[Any] | tuple[Any, ...] | range", value)
        if len(many) > MOST_VALUES:
            raise StudyError(f"{len(many)} values at once; give at most {MOST_VALUES}")
        return tuple(map(_tuples, many))
    return cast("object", value.item()) if isinstance(value, np.generic) else value


class TaskZero(Written):
    """Axis: which class is learned first, shaping the base. Named classes, or the first `count`.

    Where a task holds several classes, the class stands in task 0 with others; with groups, its
    group does, and `count` is one of groups.
    """

    kind: Literal["task0"] = "task0"
    classes: tuple[ClassName, ...] = ()
    count: int = 0


class Orders(Written):
    """Axis: task orders.

    With a `TaskZero` axis, `count` orders of the rest for each task 0; without, `count` whole
    orders. Where task 0 is one class or group, theirs differ as long as there are others, but for
    `each` neighbours. The first order is alphabetical, groups as given. An order is cut into tasks
    after it was drawn; orders that give the same tasks are one.
    """

    kind: Literal["orders"] = "orders"
    count: int = 1
    each: Annotated[int, Field(ge=1)] = 1
    """Orders that have one first class, before the next first class has its turn."""
    named: tuple[tuple[ClassName, ...], ...] = ()
    """These orders instead: each names every class, or every group as `a+b`."""


class Grid(Written):
    """Axis: values of one config field."""

    kind: Literal["grid"] = "grid"
    field: str
    values: tuple[Any, ...]


Axis: TypeAlias = Annotated[TaskZero | Orders | Grid, Field(discriminator="kind")]
