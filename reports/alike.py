"""One object where a plan and its records hold equal ones: hundreds of trials have one config,
learn the same classes and take the same results from one another."""

from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, cast

from moleflow.settings import Settings

SettingsT = TypeVar("SettingsT", bound=Settings)


class Alike:
    """Rebuilds settings of parts that are shared, with others too, however deep they lie: frozen
    ones, which nobody changes."""

    def __init__(self) -> None:
        self._leaves: dict[tuple[type, str | int], object] = {}
        self._given: dict[frozenset[str], set[str]] = {}
        """Names of fields that were given, not left to their defaults."""
        self._known: dict[tuple[type, bytes], object] = {}
        """By kind and the addresses of its parts, each of which is alive as it is one's part."""

    def shared(self, one: SettingsT) -> SettingsT:
        """Equal to it in all parts, their types and their order."""
        return cast("SettingsT", self._shared(one))

    def _shared(self, one: Any) -> Any:
        kind = cast("type[Any]", type(one))
        if kind is str or kind is int:
            return self._leaves.setdefault((kind, one), one)
        if kind is float:  # by its text: 0.0 equals -0.0
            return self._leaves.setdefault((kind, repr(one)), one)
        if isinstance(one, Settings):
            return self._settings(one)
        if kind is dict:
            parts = [self._shared(part) for item in one.items() for part in item]
            return self._first(kind, parts, lambda: dict(zip(parts[::2], parts[1::2], strict=True)))
        if isinstance(one, tuple):
            parts = [*map(self._shared, cast("tuple[Any, ...]", one))]
            make = getattr(kind, "_make", tuple)  # of a named tuple
            return self._first(kind, parts, lambda: make(parts))
        return one

    def _settings(self, one: Settings) -> Settings:
        kind = type(one)
        given = self._given.setdefault(frozenset(one.model_fields_set), one.model_fields_set)
        parts = {name: self._shared(getattr(one, name)) for name in kind.model_fields}
        make = partial(kind.model_construct, given, **parts)
        return self._first(kind, [given, *parts.values()], make)

    def _first(self, kind: type, parts: Sequence[Any], make: Callable[[], Any]) -> Any:
        key = kind, array("Q", map(id, parts)).tobytes()
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = make()
        return known
