"""A study in a Python file of the user's: loaded as Python would run it, and what is wrong said in
one message."""

import importlib.util
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path

from pydantic import ValidationError

from moleflow.errors import MoleflowError, StudyError
from moleflow.files import is_text, shown
from moleflow.settings import explained
from moleflow_start import packages
from orchestration.studies.study import Study

MODULE = "moleflow_study_file"
"""Name of the file's module: its own could be that of a library."""


def study_in(path: Path) -> Study:
    """The STUDY that a file defines.

    Raises:
        StudyError: it cannot be read or run, or defines none; names the file and the line.
    """
    if not path.is_file():
        raise StudyError(f"{shown(path)}: no such study file")
    if not is_text(str(path.absolute())):
        raise StudyError(
            f"{shown(path.absolute())}: is no UTF-8, so it cannot be written down; rename it"
        )
    for name, culprit, _ in packages.hiding([str(path.resolve().parent)]):
        raise StudyError(
            f"{culprit}: beside {path.name}, it hides moleflow's own {name}; rename it"
        )
    spec = importlib.util.spec_from_file_location(MODULE, path.absolute())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        with _as_a_script(path.resolve().parent):
            sys.modules[MODULE] = module
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a user's file may do
        raise StudyError(f"{_place(path, error)}: {_said(error)}") from None
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise StudyError(
            f"{path}: defines no STUDY; write STUDY = Study(...), after "
            "from orchestration import Study"
        )
    try:
        # Copies that pydantic makes take any value.
        return Study(**{name: getattr(study, name) for name in study.model_fields_set})
    except ValidationError as error:
        raise StudyError(f"{path}: {explained(error)}") from None


@contextmanager
def _as_a_script(folder: Path) -> Generator[None]:
    """Modules beside the file can be imported; nothing of it stays, on disk or in this process."""
    before, written = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = written
        beside = {n for n in _tops(set(sys.modules) - before) if _lies_in(n, folder)}
        for name in [n for n in sys.modules if n.partition(".")[0] in {*beside, MODULE}]:
            del sys.modules[name]


def _tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names} - set(packages.PACKAGES)


def _lies_in(name: str, folder: Path) -> bool:
    spec = PathFinder.find_spec(name, [str(folder)])
    module = sys.modules.get(name)
    own = getattr(module, "__spec__", None)
    return spec is not None and own is not None and spec.origin == own.origin


def _place(path: Path, error: BaseException) -> str:
    """The file, and the last of its lines that was at work."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path.absolute())]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _said(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return explained(error)
    if isinstance(error, MoleflowError):
        return str(error)
    if isinstance(error, SyntaxError):
        return f"{error.msg}: {(error.text or '').strip()}"
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError) and "relative import" in said:
        return f"{said}; write import NAME: modules beside the file are found by their names"
    return said
