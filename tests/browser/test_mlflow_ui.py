"""MLflow's own view of a study, in a browser, opened by the command that the CLI prints."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from moleflow.config import Config
from orchestration.events import EventLog
from orchestration.layout import Root
from orchestration.ledger import Failure, Ledger, write_atomically
from orchestration.runners.base import describe_failure
from orchestration.study import Plan, Study, expand
from orchestration.tracking.base import quiet_environment
from orchestration.tracking.exporter import sync

PROGRAMS = ("chromium", "chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in PROGRAMS),
        reason="chromium or chromedriver is not installed",
    ),
]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1000",
)
PATIENCE = 60


def no_warning(text: str) -> None:
    raise AssertionError(text)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Root:
    """Two finished trials in the default store."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet_environment().items():
            patch.setenv(name, value)
        from orchestration.tracking.mlflow import MlflowTracker

        root = Root.at(tmp_path_factory.mktemp("root"))
        study = Study(question="Is it seen?", base=Config(), seeds=(0, 1))
        weights = {study.base.backbone: "weights"}
        plan = expand("shown", study, "/data", {"cable": "c", "wood": "w"}, weights)
        write_study(root, plan)
        assert sync(plan, root.study("shown"), MlflowTracker(root), no_warning)
        return root


def write_study(root: Root, plan: Plan) -> None:
    folder = root.study(plan.name)
    write_atomically(folder.asked, plan.model_dump_json())
    for trial in plan.trials:
        log = EventLog(folder.events(trial.key))
        log.add("attempt")
        for step in (1, 2):
            log.add("metrics", step=step, values={"image_auroc/mean": 0.9 + step / 100})
        record = describe_failure(trial, Failure(kind="", message=""), folder, time.time())
        changes = {"status": "finished", "failure": None}
        Ledger(folder).write(record.model_copy(update=changes))


@pytest.fixture(scope="module")
def address(root: Root, tmp_path_factory) -> Iterator[str]:
    from orchestration.tracking.mlflow import ui_command

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*shlex.split(ui_command(None, root, port)), "--workers", "1"],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not answers(address):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.binary_location = str(shutil.which("chromium"))
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


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


def unfold(browser) -> None:
    """Show the runs below the only run in sight."""
    from selenium.webdriver.common.by import By

    (opener,) = browser.find_elements(By.CSS_SELECTOR, "[col-id*='Run Name'][role=gridcell] button")
    opener.click()


def experiment_id(root: Root) -> str:
    from mlflow import MlflowClient

    from orchestration.tracking.mlflow import default_uri

    found = MlflowClient(tracking_uri=default_uri(root)).get_experiment_by_name("shown")
    assert found is not None
    return found.experiment_id


def test_the_experiment_shows_the_study_and_its_nested_runs(browser, address, root, tmp_path):
    browser.get(f"{address}/#/experiments/{experiment_id(root)}/runs")
    see(browser, ("shown", "3 matching runs"), tmp_path / "closed.png")
    unfold(browser)
    names = tuple(f"cable seed {seed}" for seed in (0, 1))
    see(browser, ("shown", *names), tmp_path / "open.png")


def test_a_run_shows_its_metric_and_parameters(browser, address, root, tmp_path):
    from mlflow import MlflowClient

    from orchestration.tracking.mlflow import default_uri

    client = MlflowClient(tracking_uri=default_uri(root))
    found = client.search_runs([experiment_id(root)], "tags.`moleflow.seed` = '1'")
    browser.get(f"{address}/#/experiments/{experiment_id(root)}/runs/{found[0].info.run_id}")
    texts = ("image_auroc/mean", "0.92", "training.epochs", "Finished")
    see(browser, texts, tmp_path / "run.png")
