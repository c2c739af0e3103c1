"""How values are written in a study file, and read."""

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, cast

import numpy as np
from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from moleflow.config import check_field
from moleflow.data.dataset_layout import composed
from moleflow.errors import StudyError
from moleflow.settings import Settings
from orchestration.studies.ranges import MOST_VALUES, read_values

ClassName = Annotated[str, AfterValidator(composed)]
"""As the catalog names classes, however their letters are composed."""


class Written(Settings):
    """What people write in a study file: ordinary Python, so lists and ranges are as good as tuples
    and NumPy's numbers as good as Python's."""

    if not TYPE_CHECKING:

        def __init__(self, *given: object, **data: Any) -> None:
            if given:
                own = type(self)
                first = ", ".join(f"{name}=…" for name in list(own.model_fields)[:2])
                raise StudyError(f"{own.__name__}: name its fields, {own.__name__}({first}, …)")
            super().__init__(**{name: plain(value) for name, value in data.items()})

        # JSON does not come by here.
        __init__.__pydantic_base_init__ = True


def plain(value: Any) -> Any:
    """Lists, ranges and arrays as tuples, numbers as Python's."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        many = cast("list[Any] | tuple[Any, ...] | range", value)
        if len(many) > MOST_VALUES:
            raise StudyError(f"{len(many)} values at once; give at most {MOST_VALUES}")
        return tuple(map(plain, many))
    if isinstance(value, dict):
        return {name: plain(one) for name, one in cast("dict[str, Any]", value).items()}
    return cast("object", value.item()) if isinstance(value, np.generic) else value


def _value(value: Any, info: ValidationInfo) -> Any:
    """Raises:
    StudyError: nothing in a file of JSON stands for it.
    """
    value = plain(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, dict):
        return {name: _value(one, info) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, tuple):
        return tuple(_value(one, info) for one in cast("tuple[Any, ...]", value))
    if value is None or isinstance(value, (str, int, float, Settings)):
        return value
    raise StudyError(
        f"{info.data.get('field', info.field_name)}: {value!r} is of type {type(value).__name__}; "
        "write a number, text, True, False, None or a list of these"
    )


Value = Annotated[Any, AfterValidator(_value)]
"""Of a config field; the same after it was written to a file and read again."""


def _known(field: str) -> str:
    check_field(field)
    return field


FieldName = Annotated[str, AfterValidator(_known)]
"""A dotted config field; a typo is refused with the nearest name."""
Changes = dict[FieldName, Value]
Condition = dict[str, Value]
"""Names of fields or axes, and the value, or the values, that they have."""


def _short(values: Any, info: ValidationInfo) -> Any:
    field = info.data.get("field", "values")
    values = read_values(values, field) if isinstance(values, str) else values
    if isinstance(values, (list, tuple)) and not values:
        raise StudyError(f"{field}: an axis without values; give one or more")
    return plain(values)


Values = Annotated[tuple[Value, ...], BeforeValidator(_short)]
"""As a list, or written short: `"0.1:0.5:0.1"`."""
