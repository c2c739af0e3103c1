"""Studies by name, or by the path of a file."""

import difflib
import importlib
import pkgutil
from pathlib import Path

from moleflow.errors import StudyError
from orchestration.studies.study import Study, check_name
from orchestration.studies.study_file import study_in


def known_studies() -> list[str]:
    """Names of the studies that come with the package."""
    package = importlib.import_module("search_spaces")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def load_study(name: str) -> tuple[str, Study]:
    """A study by name, or by the path of a Python file that defines STUDY.

    Raises:
        StudyError: no such study, or its file is no study.
    """
    if name.endswith(".py"):
        return check_name(Path(name).stem), study_in(Path(name))
    if name in known_studies():
        return name, importlib.import_module(f"search_spaces.{name}").STUDY
    close = difflib.get_close_matches(name, known_studies(), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise StudyError(
        f"unknown study {name!r}: {hint}known are {', '.join(known_studies())}, "
        "or give the path of a .py file that defines STUDY"
    )
