"""Lines of a table's file, as plain text, and what made them."""

import csv
import json
from pathlib import Path

from moleflow.errors import StoreError
from orchestration.plain import uncelled


def lines_of(path: Path) -> list[dict[str, str]]:
    """Text by column.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                {name: uncelled(value or "") for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error


def sources_of(path: Path) -> list[tuple[str, tuple[str, ...]]] | None:
    """What made each line, and of which trials; None where nothing says so.

    Raises:
        StoreError: what says so cannot be read.
    """
    beside = path.with_name(f"{path.stem}.sources.json")
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
        functions, trials = found["functions"], found["trials"]
        named = [tuple(of) for of in trials]
        return [(functions[by], named[of]) for by, of in found["lines"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise StoreError(
            f"{beside}: cannot be read ({error!r}); write the report anew: moleflow report"
        ) from error
