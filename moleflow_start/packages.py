"""Our packages, and what an import path would find instead of them."""

from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

PACKAGES = ("moleflow", "orchestration", "search_spaces", "reports")
HOME = Path(__file__).resolve().parent.parent


def hiding(path: Sequence[str]) -> Iterator[tuple[str, str, Path]]:
    """What stands before our packages on an import path: name, its module, and ours."""
    for name in PACKAGES:
        spec, ours = PathFinder.find_spec(name, list(path)), HOME / name
        # A folder without `__init__.py` hides nothing: its spec has no origin.
        if spec is None or spec.origin is None or not (ours / "__init__.py").is_file():
            continue
        found = Path(spec.origin)
        found = found.parent if found.name == "__init__.py" else found
        if found.resolve() != ours.resolve():
            yield name, str(found), ours
