"""Reports stand above this package: they are found by their names, as studies are, never imported.

A kind of report is a module of `reports.kinds`; putting one there is all that it takes.
"""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from moleflow.errors import StudyError, nearest
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Record
from orchestration.studies.study import Study

if TYPE_CHECKING:
    from moleflow.analysis import Analysis


class Written(Protocol):
    """A report that lies on disk."""

    @property
    def html(self) -> Path: ...

    @property
    def markdown(self) -> Path: ...

    @property
    def headline(self) -> str:
        """The answer for a terminal."""
        ...


class Reports(Protocol):
    """What `reports.writing` offers."""

    def write_reports(self, folder: StudyFolder, asked: Sequence[str] = ()) -> Sequence[Written]:
        """Reports of these kinds, or all that the study asks for."""
        ...


class Roots(Protocol):
    """What `reports.roots` offers."""

    def write_index(self, root: Root) -> Written:
        """The page of all studies of a root folder."""
        ...

    def write_against(self, root: Root, name: str, other: str) -> Written:
        """One study's settings against the same ones of another."""
        ...


class Analyses(Protocol):
    """What `reports.analyses` offers."""

    def write_analyses(
        self,
        record: Record,
        made: "Iterable[Analysis]",
        known: Sequence[str],
        folder: Path,
        device: str = "",
    ) -> Written:
        """Analyses of a trial, and the page of all that are in the folder."""
        ...


class Kinds(Protocol):
    """What `reports.kinds` offers."""

    def known(self) -> list[str]:
        """Names of the kinds of report that there are."""
        ...


def write_reports(name: str, root: Root, asked: Sequence[str] = ()) -> Sequence[Written]:
    """Write a study's reports anew, from its plan and ledger alone.

    Args:
        asked: kinds; empty: all that the study asks for.

    Raises:
        StudyError: the study was not planned, or there is no such kind.
        StoreError: the plan or a record is damaged, or a report cannot be written.
    """
    reports = cast(Reports, importlib.import_module("reports.writing"))
    return reports.write_reports(root.study(name), asked)


def write_index(root: Root) -> Written:
    """Write the page of all studies of a root folder.

    Raises:
        StoreError: it cannot be written.
    """
    return cast(Roots, importlib.import_module("reports.roots")).write_index(root)


def write_against(root: Root, name: str, other: str) -> Written:
    """Write a page that compares two studies, below that of all studies.

    Raises:
        StudyError: one was not planned, or they are one.
        StoreError: a plan or a record is damaged, or the page cannot be written.
    """
    return cast(Roots, importlib.import_module("reports.roots")).write_against(root, name, other)


def write_analyses(
    record: Record, made: "Iterable[Analysis]", known: Sequence[str], folder: Path, device: str
) -> Written:
    """Write analyses of a trial as they are made, then the page of all that are in the folder.

    Args:
        known: names of all analyses, in the order of the page.
        device: kind of device that these are computed on.

    Raises:
        StoreError: the folder cannot be written.
    """
    reports = cast(Analyses, importlib.import_module("reports.analyses"))
    return reports.write_analyses(record, made, known, folder, device)


def check_reports(study: Study) -> None:
    """Whether the reports that are to be written at the end can be.

    Raises:
        StudyError: there is none of a name, or the study asks for none or for one twice.
    """
    known = cast(Kinds, importlib.import_module("reports.kinds")).known()
    for name in study.reports:
        if name not in known:
            close = nearest(name, known)
            raise StudyError(f"reports: unknown report {name}{close}; there are {', '.join(known)}")
    if not study.reports or len(set(study.reports)) < len(study.reports):
        raise StudyError(
            f"the study asks for reports {', '.join(study.reports) or '(none)'}; mend its field "
            f"reports: each once, of {', '.join(known)}"
        )
