"""The code that trials run, for nodes that have third-party packages only."""

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from moleflow_start import packages

PACKAGES = ("moleflow_start", *packages.PACKAGES)
EXCLUDED = ["__pycache__/", "*.pyc"]


def sources() -> list[str]:
    """Folders of our packages, wherever they are imported from, and of their metadata, from which
    a worker reads the version."""
    found = [find_spec(name) for name in PACKAGES]
    folders = [
        str(spec.submodule_search_locations[0])
        for spec in found
        if spec is not None and spec.submodule_search_locations
    ]
    return folders + _metadata()


def _metadata() -> list[str]:
    try:
        files = distribution("moleflow").files or []
    except PackageNotFoundError:
        return []
    return [str(Path(str(f.locate())).parent.resolve()) for f in files if f.name == "METADATA"][:1]
