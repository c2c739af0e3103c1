"""MLflow's own view of a study, in a browser, opened by `moleflow ui`."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from moleflow.config import Config
from orchestration.records.events import Attempt, Epoch, EventLog, Metrics
from orchestration.records.layout import Root
from orchestration.records.ledger import Failure, Ledger
from orchestration.records.plans import write_plan
from orchestration.records.stages import StageRef
from orchestration.runners.runner import describe_failure
from orchestration.studies.axes import Grid, Orders
from orchestration.studies.expansion import Plan, Trial, expand
from orchestration.studies.study import Study
from orchestration.tracking.exporter import sync
from orchestration.tracking.mlflow.saved_view import study_pages
from orchestration.tracking.tracker import quiet_environment
from tests.browser.chromium import FLAGS, needs_chromium
from tests.orchestration.tracking.stores import no_warning

pytestmark = needs_chromium
MORE_FLAGS = ("--disable-quic", "--window-size=1600,1000")
PATIENCE = 60
TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Root:
    """Four finished trials and a report in the default store."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_environment().items():
            patch.setenv(name, value)
        from orchestration.tracking.mlflow.runs import MlflowTracker

        root = Root.at(tmp_path_factory.mktemp("root"))
        axes = (Orders(count=2), Grid(field="training.lr", values=(0.001, 0.002)))
        study = Study(question="Is it **seen**?", base=Config(), axes=axes)
        weights = {study.base.backbone: "weights"}
        plan = expand("shown", study, "/data", {"cable": "c", "wood": "w"}, weights)
        write_study(root, plan)
        assert sync(plan, root.study("shown"), MlflowTracker(root), no_warning)
        return root


def write_study(root: Root, plan: Plan) -> None:
    folder = root.study(plan.name)
    write_plan(plan, folder)
    for number, trial in enumerate(plan.trials):
        write_trial_values(EventLog(folder.events(trial.key)), trial, number)
        artifacts = folder.artifacts(trial.key)
        artifacts.mkdir()
        Image.new("RGB", (320, 200), "teal").save(artifacts / "anomaly_maps.png")
        (artifacts / "scores.csv").write_text("class,picture,score\ncable,good/000.png,0.25\n")
        record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
        seconds = {StageRef("base", "cable"): 10.0, StageRef("adapter", "wood"): 4.0}
        changes = {"status": "finished", "failure": None, "git": "abc", "seconds": seconds}
        Ledger(folder).write(record.model_copy(update=changes))
    folder.report.mkdir()
    (folder.report / "index.html").write_text("<h1>Seen by everyone</h1>")


def write_trial_values(log: EventLog, trial: Trial, number: int) -> None:
    log.add(Attempt())
    for seen, name in enumerate(trial.classes, start=1):
        for epoch in range(1, 21):
            log.add(
                Epoch(
                    stage=StageRef("base", name),
                    numbers={"loss": -epoch / (number + 1)},
                    epochs=9,
                    epoch=epoch,
                )
            )
        values = {f"image_auroc/{c}": 0.99 - seen / 50 - number / 100 for c in trial.classes[:seen]}
        log.add(Metrics(numbers={**values, "image_auroc/mean": 0.9 + seen / 100}, step=seen))


VIEW = """
import sys
from pathlib import Path
from orchestration.commands.tracking import ui
sys.exit(ui(root=Path(sys.argv[1]), port=int(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def address(root: Root) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", VIEW, str(root.path), str(port)]
    view = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, text=True)
    try:
        assert view.stdout is not None
        assert f"http://127.0.0.1:{port}" in view.stdout.readline()
        assert re.match("shown .*viewStateShareKey=moleflow", view.stdout.readline())
        yield f"http://127.0.0.1:{port}"
    finally:
        view.send_signal(signal.SIGINT)
        view.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Folder of what the browser saw."""
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, *MORE_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def visit(browser, page: str) -> None:
    """Load it anew: the view does not follow a change of its address within it."""
    browser.get("about:blank")
    browser.get(page)


def see(browser, texts: tuple[str, ...], picture: Path) -> None:
    """Wait until the page shows all texts; keep a picture of it either way."""
    from selenium.webdriver.common.by import By

    deadline, missing = time.monotonic() + PATIENCE, list(texts)
    while missing and time.monotonic() < deadline:
        time.sleep(0.5)
        page = browser.find_element(By.TAG_NAME, "body").text
        missing = [text for text in texts if text not in page]
    browser.save_screenshot(str(picture))
    assert missing == []


def see_picture(browser, path: Path) -> None:
    """Wait until the page shows the trial's sheet of maps, in its own size."""
    shown = "return [...document.images].some(i => i.naturalWidth == 320 && i.naturalHeight == 200)"
    deadline = time.monotonic() + PATIENCE
    while not (found := browser.execute_script(shown)) and time.monotonic() < deadline:
        time.sleep(0.2)
    browser.save_screenshot(str(path))
    assert found


def enter_frame(browser) -> None:
    """Look at the page inside of the page."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.expected_conditions import (
        frame_to_be_available_and_switch_to_it,
    )
    from selenium.webdriver.support.wait import WebDriverWait

    frame = frame_to_be_available_and_switch_to_it((By.CSS_SELECTOR, "iframe"))
    WebDriverWait(browser, PATIENCE).until(frame)


def unfold(browser, of: int) -> None:
    """Show the runs below the last of so many that have some, once these are in sight: the table is
    drawn anew while it loads, and what was found in it may be gone."""
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By

    deadline, opener = time.monotonic() + PATIENCE, "[col-id*='Run Name'][role=gridcell] button"
    while True:
        openers = browser.find_elements(By.CSS_SELECTOR, opener)
        try:
            if len(openers) == of:
                return openers[-1].click()
        except WebDriverException:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"{len(openers)} runs have runs below, not {of}"
        time.sleep(0.2)


def experiment_id(root: Root) -> str:
    from mlflow import MlflowClient

    from orchestration.tracking.address import default_uri

    found = MlflowClient(tracking_uri=default_uri(root)).get_experiment_by_name("shown")
    assert found is not None
    return found.experiment_id


def run_of(root: Root, query: str) -> str:
    """Path of the page of the run that the query finds."""
    from mlflow import MlflowClient

    from orchestration.tracking.address import default_uri

    client = MlflowClient(tracking_uri=default_uri(root))
    (found,) = client.search_runs([experiment_id(root)], query)
    return f"#/experiments/{experiment_id(root)}/runs/{found.info.run_id}"


TRIAL = "tags.`moleflow.task0` = 'cable' and params.lr = '0.002'"
STUDY = "tags.`moleflow.role` = 'study'"


def test_the_experiment_shows_the_study_and_its_nested_runs(browser, address, root, pictures):
    visit(browser, f"{address}/#/experiments/{experiment_id(root)}/runs")
    see(browser, ("shown", "7 matching runs"), pictures / "closed.png")
    unfold(browser, of=1)
    settings = ("lr=0.001", "lr=0.002")
    see(browser, ("shown", *settings), pictures / "settings.png")
    unfold(browser, of=3)
    see(browser, (*settings, "cable O1 s0 lr=0.00"), pictures / "open.png")


def test_the_saved_view_compares_trials_by_what_varies(browser, address, pictures):
    visit(browser, study_pages(address)["shown"])
    see(browser, ("4 matching runs", "image_auroc/mean", "lr", "task0"), pictures / "view.png")
    heads = [head.text for head in browser.find_elements("css selector", "[role=columnheader]")]
    assert {"lr", "order", "task0"} <= set(heads)
    assert not {"seed", "training.epochs"} & set(heads)


def test_a_run_shows_its_metrics_and_parameters(browser, address, root, pictures):
    visit(browser, f"{address}/{run_of(root, TRIAL)}")
    texts = ("image_auroc/mean", "0.92", "training.epochs", "Finished", "seconds/total")
    see(browser, texts, pictures / "run.png")


def test_metrics_are_drawn_against_their_steps(browser, address, root, pictures):
    visit(browser, f"{address}/{run_of(root, TRIAL)}/model-metrics")
    see(browser, ("image_auroc", "by_class", "training", "seconds"), pictures / "metrics.png")


def test_the_study_s_run_tells_the_question_and_what_varies(browser, address, root, pictures):
    visit(browser, f"{address}/{run_of(root, STUDY)}")
    see(
        browser,
        ("Is it seen?", "training.lr: 0.001, 0.002", "lr=0.002", "trials/finished"),
        pictures / "study.png",
    )


def test_a_trial_s_picture_and_table_open(browser, address, root, pictures):
    visit(browser, f"{address}/{run_of(root, TRIAL)}/artifacts/scores.csv")
    see(browser, ("good/000.png",), pictures / "table.png")
    visit(browser, f"{address}/{run_of(root, TRIAL)}/artifacts/anomaly_maps.png")
    see_picture(browser, pictures / "sheet.png")


def test_the_study_s_report_opens(browser, address, root, pictures):
    visit(browser, f"{address}/{run_of(root, STUDY)}/artifacts/report/index.html")
    enter_frame(browser)
    see(browser, ("Seen by everyone",), pictures / "report.png")
    browser.switch_to.default_content()
