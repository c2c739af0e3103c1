"""`moleflow audit`: statistical claims of a table, recomputed from what is printed."""

import csv
import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape

from moleflow.errors import DataError, StoreError
from orchestration.commands.consoles import out
from orchestration.plain import cell

HOLDS, WRONG = 0, 1
IMPOSSIBLE = "cannot be true"
COLORS = {"holds": "green", IMPOSSIBLE: "bold red", "holds only if": "yellow"}
COLUMNS = (
    "line",
    "claim",
    "kind",
    "printed",
    "verdict",
    "condition",
    "recomputed",
    "why",
    "recorded",
    "difference",
    "source",
)


def audit(
    table: Annotated[
        Path | None,
        Parameter(help="CSV file of claims; default: claims of published papers, as an example."),
    ] = None,
    *,
    as_json: Annotated[
        bool, Parameter(name="--json", negative="", help="Print everything as JSON.")
    ] = False,
    to_csv: Annotated[
        Path | None, Parameter(name="--csv", help="Write a line for each claim to this file.")
    ] = None,
) -> int:
    """Recompute statistical claims from what is printed, and say which cannot be true."""
    found = _audit("claims")(table)
    if to_csv is not None:
        _write(found["claims"], to_csv)
    if as_json:
        out.print(json.dumps(found, indent=1, ensure_ascii=False), markup=False, soft_wrap=True)
    else:
        _show(found)
    return WRONG if found["counts"][IMPOSSIBLE] else HOLDS


def _audit(name: str) -> Any:
    """Audits stand above this package, so they are found by entry point, never imported."""
    found = [entry for entry in entry_points(group="moleflow.audits") if entry.name == name]
    if not found:
        raise DataError(
            f"no audit of {name} is installed; install the package anew (pip install .)"
        )
    return found[0].load()


def _show(found: dict[str, Any]) -> None:
    for line in found["claims"]:
        verdict, condition = line["verdict"], line["condition"]
        color = COLORS.get(verdict, "dim")
        out.print(
            f"[{color}]{verdict:<14}[/] {escape(line['claim'])}"
            + (f" — {escape(condition)}" if condition else ""),
            soft_wrap=True,
        )
        told = {"printed": line["printed"], "recomputed": line["recomputed"], "why": line["why"]}
        if line["recorded_but_not_recomputed"]:
            told["record"] = "has " + ", ".join(line["recorded_but_not_recomputed"])
            told["record"] += f": {line['difference']}" if line["difference"] else ""
        for name, text in told.items():
            if text:
                out.print(f"  [dim]{name:<12}[/] {escape(text)}", soft_wrap=True)
    counts = found["counts"]
    told = ", ".join(f"{many} {verdict}" for verdict, many in counts.items())
    out.print(f"{escape(found['audited'])}: {sum(counts.values())} claims; {told}")


def _write(lines: list[dict[str, Any]], path: Path) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([cell(line[name]) for name in COLUMNS] for line in lines)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error})") from error
