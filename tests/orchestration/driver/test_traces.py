"""A study that is refused leaves nothing where nothing was."""

from pathlib import Path

import pytest

from moleflow.errors import StudyError
from orchestration.driver.driving import driving
from orchestration.driver.traces import none_left_if_refused
from orchestration.records.layout import Root
from orchestration.records.notes import keep_note, place_of_note
from orchestration.records.proposals import Proposals
from orchestration.store.lease import Leases
from orchestration.studies.proposing import Proposal
from orchestration.studies.terms import Resources


def refused(root: Root) -> None:
    """After all that is kept before a plan is written."""
    with none_left_if_refused(root):
        root.claim()
        with driving("small", root, "moleflow run small"):
            keep_note(place_of_note("pictures", root), Resources())
            Proposals(root.study("small"), "s").keep(Proposal(number=1, values={}, method="random"))
            raise StudyError("it cannot work")


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_refused_first_study_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot work"):
        refused(Root.at(tmp_path / "new" / "runs"))
    assert everything(tmp_path) == []


def test_an_empty_folder_that_was_there_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot work"):
        refused(Root.at(tmp_path))
    assert tmp_path.is_dir() and everything(tmp_path) == []


@pytest.mark.parametrize("theirs", ["notes.txt", "studies/other/study.json"])
def test_what_others_put_there_meanwhile_stays(tmp_path: Path, theirs: str) -> None:
    root = Root.at(tmp_path / "runs")
    with pytest.raises(StudyError, match="other"), none_left_if_refused(root):
        root.claim()
        (root.path / theirs).parent.mkdir(parents=True, exist_ok=True)
        (root.path / theirs).write_text("{}")
        raise StudyError("other")
    assert theirs in everything(root.path)


def test_a_folder_that_somebody_works_in_stays_as_it_is(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "runs")
    with Leases(root.leases, "driver of other") as leases:
        with pytest.raises(StudyError, match="other"), none_left_if_refused(root):
            root.claim()
            assert leases.acquire("driver/other")
            raise StudyError("other")
        assert "root.json" in everything(root.path)


def test_a_root_folder_in_use_loses_nothing_but_the_proposals_of_the_refused(root: Root) -> None:
    root.claim()
    before = everything(root.path)
    with pytest.raises(StudyError, match="cannot work"):
        refused(root)
    kept = [path for path in everything(root.path) if not path.startswith(("store", "leases"))]
    assert kept == [*before, "studies"]
