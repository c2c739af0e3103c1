"""What MLflow takes: texts of some length, and batches as large as it takes them in one call."""

import json
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

MOST, MOST_TEXTS = 1000, 100
"""Entities of a batch; parameters and tags in it."""
LARGEST = 900_000
"""Bytes of a batch as JSON; a server takes a million."""
PARAM_LENGTH, TAG_LENGTH = 6000, 5000
AROUND = 120
"""Bytes that JSON adds to an entity's name and value, with its time and step."""


class Entity(Protocol):
    """A metric, parameter or tag."""

    @property
    def key(self) -> str: ...
    @property
    def value(self) -> str | float: ...


EntityT = TypeVar("EntityT", bound=Entity)


def batches(entities: Iterable[EntityT]) -> Iterator[list[EntityT]]:
    """All entities, in order."""
    batch: list[EntityT] = []
    texts = size = 0
    for entity in entities:
        text = isinstance(entity.value, str)
        bytes_ = AROUND + len(json.dumps(entity.key)) + len(json.dumps(entity.value))
        full = len(batch) == MOST or (text and texts == MOST_TEXTS) or size + bytes_ > LARGEST
        if batch and full:
            yield batch
            batch, texts, size = [], 0, 0
        batch.append(entity)
        texts, size = texts + text, size + bytes_
    if batch:
        yield batch


def plain_text(value: str, longest: int) -> str:
    """Cut, and without zero bytes, which PostgreSQL does not take."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")[:longest]
