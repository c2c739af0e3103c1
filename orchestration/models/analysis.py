"""Analyses of finished trials on disk: `<study>/analyses/<trial key>/`, tables, figures, one page.

An analysis is made anew whenever it is asked for; the page shows all that lie in the folder.
"""

import base64
import csv
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined

from moleflow.analysis import ANALYSES, Analysis, Subject, to_png, to_svg
from moleflow.data.catalog import ClassData, open_catalog
from moleflow.errors import ConfigError, DataError, StudyError
from moleflow.features.backbone import load_backbone
from moleflow.features.cache import ClassFeatures, open_features
from moleflow.files import read_regular
from moleflow.saved import load_model
from moleflow.settings import Settings
from orchestration.plain import cell, uncelled
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.sharing.keys import features_key
from orchestration.store.features import stored_features
from orchestration.store.store import Store

LONGEST = 60
"""Rows of a table that the page shows; a longer one is a file only."""
DIGITS = 4


class Shown(Settings):
    """`<name>.json`: what the page says of an analysis besides its files."""

    name: str
    title: str
    tables: tuple[str, ...]
    notes: tuple[str, ...]


def chosen_analyses(what: str) -> list[str]:
    """Names in a comma-separated list, in the project's order; all for an empty one.

    Raises:
        ConfigError: there is no such analysis.
    """
    asked = [name.strip() for name in what.split(",") if name.strip()]
    unknown = [name for name in asked if name not in ANALYSES]
    if unknown:
        known = ", ".join(ANALYSES)
        raise ConfigError(f"--what {', '.join(unknown)}: no such analysis; known are {known}")
    return [name for name in ANALYSES if name in asked or not asked]


def finished_records(
    asked: str, root: Root, tell: Callable[[str], None] = lambda text: None
) -> list[Record]:
    """Every finished trial of a study of that name, or the trial whose key begins so.

    Args:
        tell: told of files that are not the records that they are named after.

    Raises:
        StudyError: there is none, or several trials' keys begin so.
    """
    if asked in root.study_names():
        found = [r for r in Ledger(root.study(asked)).sound(tell) if r.status == "finished"]
        if not found:
            raise StudyError(f"study {asked!r} has no finished trial yet; see `moleflow status`")
        return found
    return [_one_record(asked, root, tell)]


def _one_record(prefix: str, root: Root, tell: Callable[[str], None]) -> Record:
    names = root.study_names()
    found = [r for name in names for r in Ledger(root.study(name)).sound(tell, prefix)]
    keys = sorted({r.key for r in found if prefix})
    if not keys:
        hint = f"its studies are {', '.join(names)}" if names else "no study has been run there"
        raise StudyError(f"{prefix!r} is neither a study nor a trial in {root.path}: {hint}")
    if len(keys) > 1:
        raise StudyError(
            f"{prefix!r} begins {len(keys)} trial keys ({', '.join(keys[:5])}); give more letters"
        )
    finished = [r for r in found if r.status == "finished"]
    if not finished:
        raise StudyError(f"trial {keys[0]} did not finish, so there is nothing to analyse")
    return finished[0]


def subject_of(record: Record, root: Root, device: torch.device) -> Subject:
    """A finished trial as the analyses see it: its saved model, and features from the store.

    Raises:
        StudyError: the trial kept no model.
        ModelError: its model is damaged.
        DataError: its pictures are not those that it was trained on.
    """
    folder = root.study(record.study).model(record.key)
    if not folder.exists():
        raise StudyError(
            f"trial {record.key} of study {record.study} has no saved model ({folder}); "
            "move its record away and run the study again"
        )
    saved = load_model(folder)
    classes = [name for task in saved.sequence for name in task]
    data = open_catalog(Path(record.data_root), classes)
    features = {name: _features(record, data[name], root, device) for name in classes}
    return Subject(
        model=saved.model.to(device),
        sequence=saved.sequence,
        features=features,
        data=data,
        prototypes=saved.prototypes,
        seconds=record.computing_seconds,
        peak_memory=record.peak_memory,
    )


def _features(record: Record, data: ClassData, root: Root, device: torch.device) -> ClassFeatures:
    """Those that the trial used, where the store still has them; else made anew."""
    found = checked_fingerprint(data, root)
    if found != record.data[data.name].fingerprint:
        raise DataError(
            f"{record.data_root}: files of class {data.name} are not those that trial "
            f"{record.key} was trained on; restore them, or run the study again"
        )
    store, config = Store(root.store), record.config
    used = store.find("features", features_key(config, found, record.weights, record.device))
    if used is not None:
        return open_features(used)
    return stored_features(
        store,
        config,
        data,
        found,
        record.weights,
        device,
        lambda: load_backbone(config.backbone),
    )


def write_analyses(
    subject: Subject,
    record: Record,
    names: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    """Make the named analyses and write their files, then the page of all; returns the page.

    Raises:
        StoreError: the folder cannot be written.
        DivergedError: a score is not finite.
    """
    for name in names:
        say(name)
        _write(ANALYSES[name](subject), folder)
    page = folder / "index.html"
    write_atomically(page, _page(record, folder))
    return page


def _write(analysis: Analysis, folder: Path) -> None:
    for name, table in analysis.tables.items():
        plain = table.rename(columns=cell).map(cell)
        text = plain.to_csv(index=False, lineterminator="\n")
        write_atomically(folder / f"{name}.csv", text)
    write_atomically(folder / f"{analysis.name}.svg", to_svg(analysis.figure))
    write_atomically(folder / f"{analysis.name}.png", to_png(analysis.figure))
    shown = Shown(
        name=analysis.name,
        title=analysis.title,
        tables=tuple(analysis.tables),
        notes=analysis.notes,
    )
    write_atomically(folder / f"{analysis.name}.json", shown.model_dump_json(indent=1))


def _page(record: Record, folder: Path) -> str:
    pages = Environment(
        loader=PackageLoader("orchestration"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    content = {
        "key": record.key,
        "facts": list(_facts(record)),
        "analyses": [
            {
                "shown": shown,
                "image": base64.b64encode((folder / f"{shown.name}.svg").read_bytes()).decode(),
                "tables": [_table(folder / f"{name}.csv") for name in shown.tables],
            }
            for shown in _present(folder)
        ],
    }
    return pages.get_template("analyses.html.j2").render(content)


def _present(folder: Path) -> Iterator[Shown]:
    for name in ANALYSES:
        path = folder / f"{name}.json"
        try:
            shown = Shown.model_validate_json(read_regular(path))
        except (OSError, ValueError):  # not made yet, or damaged: it is made when it is asked for
            continue
        files = [folder / f"{shown.name}.svg", *(folder / f"{t}.csv" for t in shown.tables)]
        if shown.name == name and all(file.is_file() for file in files):
            yield shown


def _facts(record: Record) -> Iterator[tuple[str, str]]:
    yield "Study", record.study
    yield "Sequence", record.order
    yield "Seed", str(record.seed)
    yield "Data", record.data_root
    yield "Trained on", f"{record.device}, {record.host}"
    yield "Code", record.git


def _table(path: Path) -> dict[str, Any]:
    """Header and cells of a CSV file, numbers shortened; no cells where it is too long to show."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = list(csv.reader(file))
    shown = lines if len(lines) <= LONGEST else []
    numeric = [_is_number(column) for column in zip(*lines, strict=True)] or [False] * len(header)
    rows = [
        [
            short(text) if number else uncelled(text)
            for text, number in zip(line, numeric, strict=True)
        ]
        for line in shown
    ]
    return {
        "file": path.name,
        "header": [uncelled(name) for name in header],
        "numeric": numeric,
        "rows": rows,
        "lines": len(lines),
    }


def _is_number(column: Sequence[str]) -> bool:
    return all(_as_float(cell) is not None for cell in column if cell) and any(column)


def _as_float(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def short(cell: str) -> str:
    """A number with four significant digits, whole ones in full; an empty cell is a dash."""
    value = _as_float(cell)
    if value is None or not math.isfinite(value):
        return cell or "–"
    text = f"{value:.0f}" if value == int(value) else f"{value:.{DIGITS}g}"
    return text.replace("-", "−")
