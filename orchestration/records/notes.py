"""Notes of what checking would find again, below `store/checked/`: by name, sealed, never trusted.

A note that cannot be read, or that is another one's, is as good as none.
"""

import json
from pathlib import Path
from typing import TypeVar

from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root

Kind = TypeVar("Kind", bound=Settings)

SETTLED = 2.0
"""Seconds since its last change after which a file's times tell it from any later version."""


def place_of_note(name: str, root: Root) -> Path:
    """Where the note of a name lies; the name says all that what it holds depends on."""
    return root.checked / f"{name}.json"


def keep_note(path: Path, found: Settings) -> None:
    """Raises:
    StoreError: the root folder cannot be written.
    """
    tree = {"note": path.stem, "found": found.model_dump(mode="json")}
    write_atomically(path, seal(json.dumps(tree, indent=1)))


def kept_note(path: Path, kind: type[Kind]) -> Kind | None:
    """What was found, where a note tells."""
    try:
        tree = json.loads(unsealed(read_regular(path)))
        if tree["note"] != path.stem:
            return None
        return kind.model_validate_json(json.dumps(tree["found"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
