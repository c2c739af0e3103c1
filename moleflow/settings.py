"""Frozen, typed settings and their validation, with errors that name the dotted path.

Imports no torch, so that a study loads at once.
"""

import difflib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from moleflow.errors import ConfigError

SettingsT = TypeVar("SettingsT", bound="Settings")

ASKED = "asked"
"""Validation context of settings that a person asks for now: what is not given has its default."""


class Settings(BaseModel):
    """Base of all settings: immutable, strict about names and types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        ser_json_inf_nan="constants",
    )


def parse(kind: type[SettingsT], tree: Mapping[str, Any]) -> SettingsT:
    """Validate plain data that is asked for (NumPy scalars are made plain, so that they cannot
    change a hash).

    Raises:
        ConfigError: naming the dotted path, the value and the remedy.
    """
    try:
        return kind.model_validate_json(json.dumps(tree, default=_plain), context=ASKED)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(kind, item) for item in _telling(error))) from None


def explained(error: ValidationError) -> str:
    """What is wrong with settings that were made in Python, by the dotted path from their class."""
    kinds = {kind.__name__: kind for kind in _kinds(Settings)}
    kind = kinds.get(error.title, Settings)
    return "\n".join(f"{error.title}.{_explain(kind, item)}" for item in error.errors())


def _kinds(kind: type[Settings]) -> list[type[Settings]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _kinds(child))]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Settings):
        return value.model_dump(mode="json")
    raise ConfigError(f"{value!r}: a setting must be a number, text, true/false or a list of these")


def flatten(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            rows += flatten(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value))
    return rows


def _telling(error: ValidationError) -> list[Any]:
    """Where a branch, or a word for it, may be given, what is wrong within the branch that was."""
    every = error.errors()
    branches = {str(item["loc"][0]) for item in every if len(item["loc"]) > 2}
    words = [
        item
        for item in every
        if item["type"] == "literal_error"
        and isinstance(item["input"], dict)
        and str(item["loc"][0]) in branches
    ]
    return [item for item in every if item not in words]


def _explain(kind: type[Settings], item: Any) -> str:
    inner = ("literal[", "function-", "constrained-")
    parts = [str(part) for part in item["loc"] if not str(part).startswith(inner)]
    parts = [part for part in parts if not (part.endswith("Config") and part[0].isupper())]
    path = ".".join(parts)
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(parts[-1], kind.model_fields, n=1)
        message = "unknown config field" + (f"; did you mean {close[0]}?" if close else "")
    elif item["type"] not in ("value_error", "missing"):
        message = f"{item['input']!r} does not fit: {message[0].lower()}{message[1:]}"
    if item["type"] == "tuple_type":
        message += "; write a list, e.g. [0, 1]"
    if item["type"] in ("model_type", "model_attributes_type"):
        remedy = "call it" if callable(item["input"]) else "write it as e.g. Name(field=value)"
        message = f"{item['input']!r} is not what belongs here; {remedy}"
    if item["type"] == "too_short":
        message = "is empty; give one or more"
    if item["type"] == "missing":
        message = "is needed"
    return f"{path}: {message}" if path else message
