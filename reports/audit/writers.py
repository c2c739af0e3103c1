"""Which version of moleflow wrote the pages that are audited: what differs in a page of another one
may be words alone."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from moleflow.errors import StoreError
from orchestration.records.layout import StudyFolder
from orchestration.records.revision import this_moleflow
from reports.audit.claim import Verdict
from reports.audit.recomputed import Finding
from reports.audit.records import Records

GENERATOR = re.compile(r'<meta name="generator" content="([^"]*)">')
HEAD = 4000
"""Letters of a page among which it stands."""
EARLIER = "an earlier moleflow that does not say which"
CHECKLIST = "checklist"


def judged(page: Path, found: Iterable[Finding]) -> list[Finding]:
    """Findings of a page and of its tables: what cannot be true of one that this version wrote,
    only differs in one that another wrote."""
    if writer(page) == this_moleflow():
        return [*found]
    return [
        replace(one, verdict=Verdict.DIFFERS) if one.verdict is Verdict.IMPOSSIBLE else one
        for one in found
    ]


def by_others(root: Path, commands: Mapping[Path, str]) -> list[dict[str, Any]]:
    """Pages below a root folder that other versions wrote.

    Args:
        commands: of every page what writes it anew.
    """
    this, found = this_moleflow(), dict[tuple[str, str], list[str]]()
    for page, anew in commands.items():
        if (by := writer(page)) != this:
            found.setdefault((by, anew), []).append(page.relative_to(root).as_posix())
    return [
        {"pages": pages, "written_by": by, "this_is": this, "remedy": anew}
        for (by, anew), pages in found.items()
    ]


def writer(page: Path) -> str:
    """As it stands in a page, or in what lies beside the tables of an analysis. Of tables without
    a page, which speak for themselves, this version.

    Raises:
        StoreError: the page cannot be read.
    """
    try:
        with page.open(encoding="utf-8") as file:
            if page.suffix == ".json":
                return json.load(file).get("written_by") or EARLIER
            said = GENERATOR.search(file.read(HEAD))
    except FileNotFoundError:
        return this_moleflow()
    except (OSError, ValueError) as error:
        raise StoreError(f"{page}: cannot be read ({error}); write the report anew") from error
    return said[1] if said else EARLIER


def command(folder: Path, records: Records) -> str:
    """The command that writes the page of a folder."""
    own = StudyFolder(records.folder)
    report, study, root = own.report, own.name, own.root
    if report not in (folder, *folder.parents):
        other = folder.name.removeprefix(f"{study}-against-")
        return root.command("report", study, "--against", other)
    asked = folder == report or folder.name in (*records.study["reports"], CHECKLIST)
    return root.command("report", study, *(() if asked else ("--kind", folder.name)))
