"""Orders that are written down: those of other papers and benchmarks, and a user's own file."""

import csv
import io
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from moleflow.data.dataset_layout import composed
from moleflow.errors import StudyError, nearest
from moleflow.settings import Settings

FAMILIES = ("texture", "object")
PUBLISHED, SHOWN = "published_orders.csv", 3
"""Their file, and how many of their names an error tells."""


class ListedOrder(Settings):
    """An order of classes, and where it is written."""

    name: str
    place: str
    """File and line, for errors."""
    classes: tuple[str, ...]


@cache
def families() -> dict[str, str]:
    """Whether a class of a known data set is a texture or an object."""
    rows = _table("class_families.csv")
    return {name: row["family"] for row in rows for name in row["classes"].split()}


@cache
def _published() -> dict[str, tuple[ListedOrder, ...]]:
    found: dict[str, tuple[ListedOrder, ...]] = {}
    for row in _table(PUBLISHED):
        classes = tuple(row["classes"].split())
        order = ListedOrder(name=row["name"], place=f"for {row['dataset']}", classes=classes)
        found[row["name"]] = (*found.get(row["name"], ()), order)
    return found


def _table(name: str) -> list[dict[str, str]]:
    text = (files("orchestration.studies") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def published_names() -> tuple[str, ...]:
    """Names of published orders."""
    return tuple(_published())


def like_published(name: str) -> str:
    """The published order whose name is most like this one, or a few and where all are listed."""
    known = published_names()
    few = f"{', '.join(known[:SHOWN])}, …"
    where = files("orchestration.studies") / PUBLISHED
    return nearest(name, known) or f"; there are {len(known)}, such as {few}, listed in {where}"


def published_order(name: str, classes: frozenset[str]) -> ListedOrder:
    """A published order, of the data set whose classes these are.

    Raises:
        StudyError: there is none of that name, or it is one of other classes.
    """
    known = _published()
    if name not in known:
        raise StudyError(f"published order {name!r}: unknown{like_published(name)}")
    fitting = [order for order in known[name] if frozenset(order.classes) == classes]
    if fitting:
        return fitting[0]
    told = "; ".join(f"{order.place}: {', '.join(order.classes)}" for order in known[name])
    raise StudyError(
        f"published order {name!r} is one of other classes ({told}); choose them with --classes, "
        "or another order"
    )


def orders_in(path: Path) -> tuple[ListedOrder, ...]:
    """Orders in a user's file.

    CSV: columns `name`, `position` and `class`, a line for each class; JSON: an object of names and
    lists of classes, or a list of lists.

    Raises:
        StudyError: it cannot be read, or names a class twice in an order; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: orders cannot be read from it ({error})") from None
    found = _of_json(path, text) if path.suffix == ".json" else _of_csv(path, text)
    if not found:
        raise StudyError(f"{path}: holds no orders; {_HOW}")
    return found


_HOW = (
    "write a CSV with the columns name, position, class, "
    'or a JSON like {"mine": ["bottle", "cable"]}'
)


def _of_csv(path: Path, text: str) -> tuple[ListedOrder, ...]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    missing = {"name", "position", "class"} - set(reader.fieldnames or ())
    if missing:
        raise StudyError(f"{path}, line 1: no column {', '.join(sorted(missing))}; {_HOW}")
    orders: dict[str, dict[int, tuple[str, int]]] = {}
    for row in reader:
        place = f"{path}, line {reader.line_num}"
        name, number = row["name"] or "", row["position"] or ""
        if not name or not row["class"] or not number.strip().isdecimal():
            raise StudyError(f"{place}: needs a name, a whole number as position, and a class")
        order, position = orders.setdefault(name, {}), int(number)
        class_name = composed(row["class"].strip())
        before = dict(order.values())
        if class_name in before:
            raise StudyError(
                f"{place}: order {name} names {class_name} a second time, as on line "
                f"{before[class_name]}; name each class once"
            )
        if position in order:
            raise StudyError(
                f"{place}: order {name} has a class at position {position} already, on line "
                f"{order[position][1]}; count on"
            )
        order[position] = (class_name, reader.line_num)
    return tuple(
        ListedOrder(
            name=name,
            place=f"{path}, line {min(line for _, line in order.values())}",
            classes=tuple(order[position][0] for position in sorted(order)),
        )
        for name, order in orders.items()
    )


def _of_json(path: Path, text: str) -> tuple[ListedOrder, ...]:
    try:
        tree: Any = json.loads(text, object_pairs_hook=lambda pairs: _each_once(path, pairs))
    except json.JSONDecodeError as error:
        raise StudyError(f"{path}, line {error.lineno}: {error.msg}; {_HOW}") from None
    except RecursionError:
        raise StudyError(f"{path}: brackets in brackets without end; {_HOW}") from None
    if isinstance(tree, list):
        many = cast("list[Any]", tree)
        tree = {str(number): order for number, order in enumerate(many, start=1)}
    if not isinstance(tree, dict):
        raise StudyError(f"{path}, line 1: neither an object nor a list; {_HOW}")
    return tuple(
        _json_order(path, text, name, order) for name, order in cast("dict[str, Any]", tree).items()
    )


def _each_once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise StudyError(f"{path}: {', '.join(twice)} named more than once; give another name")
    return tree


def _json_order(path: Path, text: str, name: str, order: Any) -> ListedOrder:
    at = text.find(f'"{name}"')
    place = f"{path}, line {text[:at].count(chr(10)) + 1}" if at >= 0 else f"{path}"
    classes = cast("list[Any]", order) if isinstance(order, list) else []
    if not classes or not all(isinstance(one, str) for one in classes):
        raise StudyError(f"{place}: order {name} must be a list of names of classes; {_HOW}")
    composed_names = [composed(one) for one in classes]
    twice = sorted({one for one in composed_names if composed_names.count(one) > 1})
    if twice:
        raise StudyError(
            f"{place}: order {name} names {', '.join(twice)} more than once; name each class once"
        )
    return ListedOrder(name=name, place=place, classes=tuple(composed_names))
