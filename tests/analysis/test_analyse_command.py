"""`moleflow analyse`, on trials that were run for real, one of a class whose name is markup."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from moleflow.analysis import ANALYSES
from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from moleflow.errors import ConfigError, DataError, StudyError
from orchestration.commands.analysis import analyse
from orchestration.models.analysis import chosen_analyses, finished_records, subject_of
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.ledger import Ledger, Record
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.store import features
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from orchestration.trial.sequence import run_trial
from reports.analyses import short, write_analyses
from reports.document import Source
from reports.document.csv import sources_in

pytestmark = pytest.mark.slow

CLASSES = ("<b>nut", "bolt")


@pytest.fixture(scope="module")
def ran(
    tmp_path_factory: pytest.TempPathFactory,
    draw_class: Callable[..., None],
    small_config: Config,
) -> tuple[Root, list[Record]]:
    """Two orders of two classes; the second trial is on record as failed."""
    pictures = tmp_path_factory.mktemp("pictures")
    for level, name in enumerate(CLASSES):
        draw_class(pictures, name, 60 + 100 * level, False)
    root = Root.at(tmp_path_factory.mktemp("root"))
    config = small_config.updated({"training.epochs": 3})
    catalog = open_catalog(pictures)
    prints = {name: checked_fingerprint(data, root) for name, data in catalog.items()}
    study = Study(question="?", base=config, axes=(Orders(count=2),))
    plan = expand("nuts", study, str(pictures), prints, {config.backbone: "random:0"})
    write_plan(plan, root.study("nuts"))
    ledger, records = Ledger(root.study("nuts")), []
    for trial in plan.trials[:1]:
        assert run_trial(trial, root, Terms()) == "finished"
        record = ledger.read(trial.key)
        assert record is not None
        records.append(record)
    failed = records[0].model_copy(update={"key": "f" * 20, "status": "failed"})
    ledger.write(failed)
    return root, [*records, failed]


def folder_of(ran: tuple[Root, list[Record]]) -> Path:
    root, records = ran
    return root.study("nuts").path / "analyses" / records[0].key


def test_a_study_means_its_finished_trials(ran: tuple[Root, list[Record]]) -> None:
    root, records = ran
    assert finished_records("nuts", root) == records[:1]


def test_a_trial_is_found_by_the_beginning_of_its_key(ran: tuple[Root, list[Record]]) -> None:
    root, records = ran
    assert finished_records(records[0].key[:7], root) == records[:1]


def test_what_is_not_there_is_refused_with_what_is(ran: tuple[Root, list[Record]]) -> None:
    root, _ = ran
    with pytest.raises(StudyError, match=r"neither a study nor a trial.*its studies are nuts"):
        finished_records("bolts", root)
    with pytest.raises(StudyError, match="did not finish"):
        finished_records("ff", root)


def test_a_beginning_of_two_keys_is_refused(ran: tuple[Root, list[Record]], tmp_path: Path) -> None:
    root, records = ran
    copy = Root.at(tmp_path / "root")
    shutil.copytree(root.path, copy.path)
    twin = records[0].key[:5] + "0" * 15
    Ledger(copy.study("nuts")).write(records[0].model_copy(update={"key": twin}))
    with pytest.raises(StudyError, match=r"begins 2 trials .nuts/.*give more letters"):
        finished_records(records[0].key[:5], copy)


def test_a_trial_of_two_studies_is_named_with_its_study(
    ran: tuple[Root, list[Record]], tmp_path: Path
) -> None:
    root, records = ran
    copy = Root.at(tmp_path / "root")
    shutil.copytree(root.path, copy.path)
    mine = records[0].model_copy(update={"study": "mine"})
    shutil.copytree(copy.study("nuts").path, copy.study("mine").path)
    Ledger(copy.study("mine")).write(mine)
    key = mine.key
    with pytest.raises(StudyError, match=f"name its study: mine/{key} or nuts/{key}"):
        finished_records(key, copy)
    assert finished_records(f"mine/{key[:7]}", copy) == [mine]
    assert finished_records(f"nuts/{key}", copy) == records[:1]


def test_an_unknown_analysis_names_the_known_ones() -> None:
    known = "spectrum, similarity, shift, dia_effect, routing, cost, area"
    with pytest.raises(ConfigError, match=f"--what spectre: .*{known}"):
        chosen_analyses("spectrum,spectre")
    assert chosen_analyses("") == known.split(", ")
    assert chosen_analyses("routing, spectrum") == ["spectrum", "routing"]


def test_files_are_written_and_the_page_shows_all_that_are_there(
    ran: tuple[Root, list[Record]],
) -> None:
    root, records = ran
    folder = folder_of(ran)
    assert analyse(records[0].key[:6], what="routing", root=root.path) == 0
    assert {path.name for path in folder.iterdir()} == {
        *("index.html", "report.md", "routing.json", "routing.png", "routing.svg"),
        *(
            f"{name}.{kind}"
            for name in ("routing", "routing_confusion", "routing_cosines")
            for kind in ("csv", "sources.json", "tex")
        ),
    }
    assert analyse("nuts", what="cost,spectrum", root=root.path) == 0
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2[^>]*>([^<]*)", page) == [
        *("Spectrum of the adaptation", "Routing", "Cost"),
    ]
    with (folder / "cost_seconds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["training [s]"]) for row in rows] == [
        records[0].computing_seconds[StageRef("base", "<b>nut")],
        records[0].computing_seconds[StageRef("adapter", "bolt")],
    ]


def test_the_page_needs_no_other_file_and_escapes_names(ran: tuple[Root, list[Record]]) -> None:
    root, _ = ran
    analyse("nuts", what="routing", root=root.path)
    page = (folder_of(ran) / "index.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;nut" in page and "<b>" not in page
    assert not re.search(r"https?:|@import|<link|\bsrc=", page)
    for link in re.findall(r'<a href="([^#"]*)"', page):
        assert (folder_of(ran) / link).is_file()


def test_numbers_of_the_page_say_which_trial_and_which_analysis(
    ran: tuple[Root, list[Record]],
) -> None:
    root, records = ran
    analyse("nuts", what="routing", root=root.path)
    text = (folder_of(ran) / "routing.sources.json").read_text(encoding="utf-8")
    found = sources_in(text)
    assert len(found) == len(CLASSES)
    assert set(found) == {Source("moleflow.analysis.routing.routing", (records[0].key,))}


def test_a_page_is_the_same_bytes_when_it_is_made_again_from_its_files(
    ran: tuple[Root, list[Record]],
) -> None:
    root, records = ran
    analyse("nuts", what="spectrum,routing", root=root.path)
    before = {path.name: path.read_bytes() for path in folder_of(ran).iterdir()}
    write_analyses(records[0], (), tuple(ANALYSES), folder_of(ran))
    assert {path.name: path.read_bytes() for path in folder_of(ran).iterdir()} == before


def test_routing_is_what_the_trial_recorded(ran: tuple[Root, list[Record]]) -> None:
    root, records = ran
    analyse("nuts", what="routing", root=root.path)
    with (folder_of(ran) / "routing_confusion.csv").open(encoding="utf-8") as file:
        _, *lines = list(csv.reader(file))
    assert records[0].routing is not None
    assert [tuple(map(int, line[1:])) for line in lines] == list(records[0].routing.counts)
    with (folder_of(ran) / "routing.csv").open(encoding="utf-8") as file:
        found = {row["class"]: float(row["image_auroc_routed"]) for row in csv.DictReader(file)}
    recorded = {
        row.class_name: row.value
        for row in records[0].rows
        if (row.metric, row.definition, row.routing, row.step)
        == ("image_auroc", "step", "routed", 2)
    }
    assert found == recorded


def test_a_trial_without_a_model_says_what_to_do(
    ran: tuple[Root, list[Record]], tmp_path: Path
) -> None:
    root, records = ran
    copy = Root.at(tmp_path / "root")
    shutil.copytree(root.path, copy.path)
    shutil.rmtree(copy.study("nuts").model(records[0].key))
    with pytest.raises(StudyError, match=r"no saved model.*run the study again"):
        analyse(records[0].key, root=copy.path)


def test_pictures_that_changed_since_are_refused(
    ran: tuple[Root, list[Record]], tmp_path: Path
) -> None:
    root, records = ran
    pictures = tmp_path / "pictures"
    shutil.copytree(records[0].data_root, pictures)
    (pictures / "bolt" / "train" / "good" / "0.png").unlink()
    moved = records[0].model_copy(update={"data_root": str(pictures), "key": "e" * 20})
    copy = Root.at(tmp_path / "root")
    shutil.copytree(root.path, copy.path)
    folder = copy.study("nuts")
    shutil.copytree(folder.model(records[0].key), folder.model(moved.key))
    Ledger(folder).write(moved)
    with pytest.raises(DataError, match="class bolt are not those that trial eeee"):
        analyse("eee", root=copy.path)


@pytest.mark.parametrize(
    ("cell", "text"),
    [("", "–"), ("3", "3"), ("0.123456", "0.1235"), ("-2.5", "−2.5"), ("120000.0", "120000")],
)
def test_numbers_are_shortened_and_missing_ones_stay_missing(cell: str, text: str) -> None:
    assert short(cell) == text


def test_features_are_taken_from_where_the_trial_s_stages_lie(
    ran: tuple[Root, list[Record]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root, (record, _)), copy, there = ran, Root.at(tmp_path / "copy"), tmp_path / "elsewhere"
    shutil.copytree(root.path, copy.path)
    shutil.move(copy.store, there)

    def extracted(*_: object) -> None:
        raise AssertionError("features were extracted although a store has them")

    monkeypatch.setattr(features, "extract_features", extracted)
    cpu = torch.device("cpu")
    subject_of(record, copy, cpu, store=str(there))
    subject_of(record.model_copy(update={"store": str(there)}), copy, cpu)
    with pytest.raises(AssertionError, match="extracted"):
        subject_of(record, copy, cpu)


def test_a_store_whose_secrets_are_hidden_must_be_named(ran: tuple[Root, list[Record]]) -> None:
    root, (record, _) = ran
    hidden = record.model_copy(update={"store": "s3://***@bucket/store"})
    with pytest.raises(StudyError, match="name it with --store"):
        subject_of(hidden, root, torch.device("cpu"))
