"""The page of all studies of a root folder, audited."""

from pathlib import Path
from typing import Any

from moleflow.errors import StudyError
from orchestration.records.layout import Root
from reports.audit.index import audit_rows, of_root
from reports.audit.page import read_page
from reports.audit.study import audit_alone, told
from reports.audit.writers import by_others, judged


def audit_index(root: Path) -> dict[str, Any]:
    """Every number of the page, of its table, and where it leads to.

    Raises:
        StudyError: there is no such page.
        StoreError: it cannot be read.
    """
    path, anew = root / "index" / "index.html", Root(root).command("report")
    if not path.is_file():
        raise StudyError(f"there is no {path}; write it: {anew}")
    page, records = read_page(path), of_root(root)
    found = [*audit_alone(path, page, records), *(audit_rows(path, page, records) if page else ())]
    others = by_others(root, {path: anew})
    return told("the page of all studies", root, judged(path, found), others)
