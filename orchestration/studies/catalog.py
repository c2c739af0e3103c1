"""Studies by name, or by the path of a file."""

import ast
import difflib
import importlib
import inspect
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
    if Path(name).is_file():
        raise StudyError(f"{name}: the name of a study's file has to end with .py; rename it")
    close = difflib.get_close_matches(name, known_studies(), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise StudyError(
        f"unknown study {name!r}: {hint}known are {', '.join(known_studies())}, "
        "or give the path of a .py file that defines STUDY"
    )


def docstring_of(name: str) -> str:
    """What a study says of itself: question, what varies, what it costs, what was published. Empty
    for a file that has none.

    Raises:
        StudyError: the file cannot be read as Python.
    """
    if not name.endswith(".py"):
        return inspect.cleandoc(importlib.import_module(f"search_spaces.{name}").__doc__ or "")
    try:
        tree = ast.parse(Path(name).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise StudyError(f"{name}: cannot be read ({error})") from None
    return ast.get_docstring(tree) or ""
