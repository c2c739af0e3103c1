"""`moleflow audit`: claims of a table, or numbers of a study's reports, computed a second time."""

import csv
import importlib
import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.markup import escape

from moleflow.errors import StoreError, StudyError
from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption
from orchestration.plain import cell
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan

HOLDS, WRONG = 0, 1
IMPOSSIBLE, DIFFERS = "cannot be true", "differs"
COLORS = {"holds": "green", IMPOSSIBLE: "bold red", "holds only if": "yellow", DIFFERS: "yellow"}
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
    what: Annotated[
        str,
        Parameter(
            help="CSV file of claims, or a study: its reports; default: claims of published papers."
        ),
    ] = "",
    *,
    root: RootOption = Path("runs"),
    index: Annotated[
        bool, Parameter(name="--index", negative="", help="The page of all studies of the root.")
    ] = False,
    as_json: Annotated[
        bool, Parameter(name="--json", negative="", help="Print everything as JSON.")
    ] = False,
    to_csv: Annotated[
        Path | None, Parameter(name="--csv", help="Write a line for each claim to this file.")
    ] = None,
) -> int:
    """Recompute statistical claims from what is printed, and say which cannot be true.

    Of a study: every number of its reports, from the ledger, by a second way.
    """
    if index:
        if what:
            raise StudyError(f"--index is of the root folder, not of {what}; name one of the two")
        found = _audits("root").audit_index(Root.at(root).path)
    elif not what or what.lower().endswith(".csv") or Path(what).is_file():
        found = _audits("outcome").audit_table(Path(what) if what else None)
    else:
        place = Root.at(root)
        read_plan(what, place)
        found = _audits("study").audit_study(place.study(what).path)
    if to_csv is not None:
        _write(found["claims"], to_csv)
    if as_json:
        out.print(json.dumps(found, indent=1, ensure_ascii=False), markup=False, soft_wrap=True)
    else:
        _show(found)
    return WRONG if found["counts"][IMPOSSIBLE] or found["counts"][DIFFERS] else HOLDS


def _audits(name: str) -> Any:
    """Audits stand above this package, so they are found by their names, never imported."""
    return importlib.import_module(f"reports.audit.{name}")


def _show(found: dict[str, Any]) -> None:
    for one in found.get("by_others", ()):
        out.print(
            f"[bold]{escape(', '.join(one['pages']))}: written by {escape(one['written_by'])}, and "
            f"this is {escape(one['this_is'])}: write it anew with {escape(one['remedy'])}; what "
            f"{DIFFERS} there may be words alone[/]",
            soft_wrap=True,
        )
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
    out.print(f"{escape(found['audited'])}: {sum(counts.values())} audited; {told}")


def _write(lines: list[dict[str, Any]], path: Path) -> None:
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([cell(line[name]) for name in COLUMNS] for line in lines)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error})") from error
