"""What a trial consists of: stages, each of one kind and of one task or class."""

from typing import Any, Literal, NamedTuple, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

StageKind = Literal["features", "defects", "base", "adapter", "evaluation", "selection"]
KINDS: dict[str, StageKind] = {kind: kind for kind in get_args(StageKind)}
TRAINED: tuple[StageKind, ...] = ("base", "adapter")
"""Kinds of stages that are trained."""


SUMMARY = "summary"
"""What is evaluated at the end, where others have the name of a task."""


class StageRef(NamedTuple):
    """One stage of a trial. In files, and for people, it is text: `adapter cookie`."""

    kind: StageKind
    task: str
    """Name of the task; of features and drawn defects that of the class; `summary` of what is
    evaluated at the end."""

    def __str__(self) -> str:
        return f"{self.kind} {self.task}"

    @classmethod
    def parse(cls, text: str) -> "StageRef":
        """Raises:
        ValueError: the text names no stage.
        """
        kind, _, task = text.partition(" ")
        if kind not in KINDS or not task:
            raise ValueError(f"{text!r}: no stage")
        return cls(KINDS[kind], task)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        made = core_schema.is_instance_schema(cls)
        shown = core_schema.plain_serializer_function_ser_schema(
            str, return_schema=core_schema.str_schema()
        )
        return core_schema.json_or_python_schema(text, made, serialization=shown)
