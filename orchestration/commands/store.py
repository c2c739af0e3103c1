"""The command line about stored results: `moleflow store ls | verify | gc`."""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from moleflow.errors import StudyError
from orchestration.commands.consoles import answer, err, out
from orchestration.commands.options import JsonOption, RootOption
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger
from orchestration.store.entry import Entry
from orchestration.store.lease import PATIENCE, active
from orchestration.store.store import Store, open_store
from orchestration.views.answers import StoreAnswer, Stored, StoredEntry

WHOLE, DAMAGED = 0, 1
SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}

StoreOption = Annotated[
    str | None,
    Parameter(help="Where results are kept, e.g. s3://bucket/prefix; default: the root folder."),
]
Uses = Mapping[tuple[str, str], frozenset[str]]
"""Names of the studies that an entry, by kind and key, is recorded in."""

app = App(name="store", help="Look into stored results, check them, and delete some.")


@app.command
def ls(
    *,
    entries: Annotated[bool, Parameter(negative="", help="Every entry, not only kinds.")] = False,
    as_json: JsonOption = False,
    root: RootOption = Path("runs"),
    store: StoreOption = None,
) -> int:
    """Show what is stored, how much it is, and the studies that use it."""
    place = Root.at(root)
    opened = _open(store, place)
    found, left = list(opened.entries()), list(opened.leftovers())
    uses = used_by(place, _warn)
    if as_json:
        answer(_answer(found, left, uses, entries))
        return WHOLE
    out.print(_each(found, uses) if entries else _by_kind(found, uses), soft_wrap=False)
    out.print(f"{_count(found)}, {size(_bytes(found))}")
    damaged = [entry for entry in found if entry.damaged]
    for entry in (*damaged, *left):
        out.print(Text(f"{entry.kind}/{entry.key}: {entry.fault}, {size(entry.bytes)}"))
    if left:
        out.print("left over: delete with moleflow store gc --delete")
    if damaged:
        out.print("damaged: set aside with moleflow store verify")
    return WHOLE


@app.command
def verify(*, root: RootOption = Path("runs"), store: StoreOption = None) -> int:
    """Read every stored byte and compare checksums; set aside what is damaged.

    The exit code is 0 when all is whole, 1 when something was damaged.
    """
    opened = _open(store, Root.at(root))
    checked, damaged = 0, 0
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("reading", total=None)
        for entry in opened.verify():
            checked += 1
            bar.update(task, completed=checked)
            if entry.damaged:
                damaged += 1
                opened.set_aside(entry)
    out.print(f"{checked} checked, {damaged} damaged")
    return DAMAGED if damaged else WHOLE


@app.command
def gc(
    *,
    older_than: Annotated[
        str | None, Parameter(help="What was made longer ago, e.g. 30d, 12h.")
    ] = None,
    study: Annotated[str | None, Parameter(help="What only this study uses.")] = None,
    unused: Annotated[bool, Parameter(negative="", help="What no study uses.")] = False,
    delete: Annotated[
        bool, Parameter(negative="", help="Delete; without it, only show what would go.")
    ] = False,
    root: RootOption = Path("runs"),
    store: StoreOption = None,
) -> int:
    """Delete stored results that fit all criteria given; leftovers and damaged ones always.

    Nothing that someone is making goes, and no result at all while a study runs: which ones it is
    reading is not on record before its trials end.
    """
    place = Root.at(root)
    choice = Choice(_seconds(older_than), _known(study, place), unused)
    opened = _open(store, place)
    found = list(opened.entries())
    garbage = [*(entry for entry in found if entry.damaged), *opened.leftovers()]
    chosen: list[Entry] = []
    if choice.any:
        uses = used_by(place)
        chosen = [entry for entry in found if not entry.damaged and choice.takes(entry, uses)]
    chosen = _spared_while_running(chosen, place)
    doomed = _without_leased((*garbage, *chosen), place)
    for entry in doomed:
        out.print(Text(f"{_name(entry)}  {size(entry.bytes)}  {entry.fault or _date(entry)}"))
        if delete:
            opened.remove(entry.kind, entry.key)
    said = "deleted" if delete else "would be deleted; do it with --delete"
    out.print(f"{_count(doomed)}, {size(_bytes(doomed))} {said}")
    if not choice.any:
        out.print("other results: choose with --older-than, --study or --unused")
    return WHOLE


@dataclass(frozen=True)
class Choice:
    """Criteria of `gc`; an entry goes that fits all that are given."""

    age: float | None
    """Seconds."""
    study: str | None
    unused: bool

    @property
    def any(self) -> bool:
        return self.age is not None or self.study is not None or self.unused

    def takes(self, entry: Entry, uses: Uses) -> bool:
        users = uses.get((entry.kind, entry.key), frozenset())
        return (
            (self.age is None or time.time() - entry.modified > self.age)
            and (self.study is None or users == frozenset({self.study}))
            and (not self.unused or not users)
        )


def used_by(root: Root, tell: Callable[[str], None] | None = None) -> Uses:
    """Which studies' records name an entry.

    Args:
        tell: told of files of the ledger that are no records; what they used is then not known.

    Raises:
        MisfitError: at the first such file, where nobody is told.
    """
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for name in root.study_names():
        ledger = Ledger(root.study(name))
        for record in ledger.records() if tell is None else ledger.sound(tell):
            for kind, keys in record.uses.items():
                for key in keys:
                    found[kind, key].add(name)
    return {entry: frozenset(names) for entry, names in found.items()}


def running(root: Root) -> list[str]:
    """Studies that a driver is working on."""
    names = [name for name in root.study_names() if root.study(name).driver.exists()]
    if not names:
        return []
    leases = {lease.name for lease in active(root.leases, patience=PATIENCE)}
    return [name for name in names if f"driver/{name}" in leases]


def size(number: int) -> str:
    """Bytes for people."""
    return f"{number / 1e9:.2f} GB" if number >= 1e9 else f"{number / 1e6:.2f} MB"


def _warn(text: str) -> None:
    err.print(f"[yellow]warning:[/] {escape(text)}")


def _open(store: str | None, root: Root) -> Store:
    """Raises:
    StudyError: there is no root folder, nor a store that is named.
    """
    if store is None and not root.path.is_dir():
        raise StudyError(f"no results in {root.path}: there is no such folder; is --root right?")
    return open_store(store, root, lambda text: err.print(escape(text)))


def _known(study: str | None, root: Root) -> str | None:
    names = root.study_names()
    if study is not None and study not in names:
        raise StudyError(f"no study {study!r} in {root.path}; there are {', '.join(names) or '0'}")
    return study


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    read = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text)
    if read is None:
        raise StudyError(f"--older-than {text}: write a number and m, h, d or w, e.g. 30d or 12h")
    return float(read[1]) * SECONDS[read[2]]


def _spared_while_running(chosen: list[Entry], root: Root) -> list[Entry]:
    names = running(root) if chosen else []
    if not names:
        return chosen
    err.print(f"{_count(chosen)} spared: {', '.join(names)} is running; try again when it is done")
    return []


def _without_leased(entries: Iterable[Entry], root: Root) -> list[Entry]:
    leased = {lease.name for lease in active(root.leases)}
    return [entry for entry in entries if _stage(entry) not in leased]


def _stage(entry: Entry) -> str:
    """The lease under which an entry, or what became a leftover, is made."""
    return f"{entry.kind}/{entry.key.removeprefix('.').partition('.')[0]}"


def _answer(found: Sequence[Entry], left: Sequence[Entry], uses: Uses, each: bool) -> StoreAnswer:
    by_kind = {
        kind: [e for e in found if e.kind == kind] for kind in sorted({e.kind for e in found})
    }
    every = tuple(
        StoredEntry(
            kind=entry.kind,
            key=entry.key,
            bytes=entry.bytes,
            modified=entry.modified,
            studies=tuple(sorted(_users(entry, uses))),
        )
        for entry in sorted(found, key=_name)
    )
    return StoreAnswer(
        kinds=tuple(
            Stored(
                kind=kind,
                entries=len(some),
                bytes=_bytes(some),
                oldest=min(entry.modified for entry in some),
                newest=max(entry.modified for entry in some),
                studies=tuple(sorted({name for entry in some for name in _users(entry, uses)})),
            )
            for kind, some in by_kind.items()
        ),
        entries=every if each else None,
        damaged=tuple(_name(entry) for entry in found if entry.damaged),
        leftovers=tuple(_name(entry) for entry in left),
    )


def _by_kind(entries: Sequence[Entry], uses: Uses) -> Table:
    table = _table("kind", "entries", "size", "oldest", "newest", "studies")
    for kind in sorted({entry.kind for entry in entries}):
        some = [entry for entry in entries if entry.kind == kind]
        some.sort(key=lambda entry: entry.modified)
        names = frozenset[str]().union(*(_users(entry, uses) for entry in some))
        cells = (kind, str(len(some)), size(_bytes(some)), _date(some[0]), _date(some[-1]))
        table.add_row(*map(Text, (*cells, ", ".join(sorted(names)))))
    return table


def _each(entries: Sequence[Entry], uses: Uses) -> Table:
    table = _table("entry", "size", "made", "studies")
    for entry in sorted(entries, key=_name):
        names = ", ".join(sorted(_users(entry, uses)))
        table.add_row(*map(Text, (_name(entry), size(entry.bytes), _date(entry), names)))
    return table


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        right = header in ("entries", "size")
        table.add_column(header, justify="right" if right else "left", overflow="fold")
    return table


def _users(entry: Entry, uses: Uses) -> frozenset[str]:
    return uses.get((entry.kind, entry.key), frozenset())


def _bytes(entries: Iterable[Entry]) -> int:
    return sum(entry.bytes for entry in entries)


def _count(entries: Sequence[Entry]) -> str:
    return f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"


def _date(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.modified).strftime("%Y-%m-%d %H:%M")


def _name(entry: Entry) -> str:
    return f"{entry.kind}/{entry.key}"
