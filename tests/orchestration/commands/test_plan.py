"""`moleflow plan`: what a study would run and what that takes; nothing runs or is written."""

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from moleflow.data.synthetic import make_synthetic
from orchestration import cli
from orchestration.commands.plan_trials import csv_of, yaml_of
from orchestration.commands.planned import plan_answer
from orchestration.driver.driving import driving
from orchestration.driver.expected import Expected, Wanted, expected
from orchestration.driver.preflight import checking_here
from orchestration.driver.preview import Look, preview
from orchestration.driver.pricing import BEGIN
from orchestration.records.layout import Root
from orchestration.sharing.keys import StageKeys
from orchestration.store.store import Store, open_store
from orchestration.studies.catalog import load_study
from orchestration.studies.known_classes import known_data_sets
from orchestration.studies.overrides import Request, customised
from orchestration.studies.points import settings_of
from orchestration.studies.terms import Resources, Terms
from orchestration.views.answers import PlanAnswer
from tests.search_spaces.test_studies import SEQUENCES

TOP = Path(__file__).resolve().parents[3]
ON_GPUS = Terms(resources=Resources(gpus_per_trial=1, accelerator="H100"))
Plans = Callable[..., tuple[int, str]]


@pytest.fixture
def moleflow(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Plans:
    """Runs a command line; gives its exit code and all that it says."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["moleflow", *words])
        monkeypatch.setenv("COLUMNS", "300")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def looked(name: str, root: Root, data_set: str = "mvtec", **request: object) -> Expected:
    _, study = load_study(name)
    look = Look(classes_of=data_set)
    found = preview(name, customised(study, Request(**request)), root, look, print)
    return expected(found, root, ON_GPUS, Wanted(workers=8))


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> PlanAnswer:
    root = Root.at(tmp_path_factory.mktemp("root") / "not there")
    return plan_answer(looked("papers", root), ON_GPUS.resources, ())


@pytest.mark.slow
def test_the_papers_tables_are_counted_study_by_study(papers: PlanAnswer) -> None:
    asked = {one.name: one.asked for one in papers.parts}
    _, study = load_study("papers")
    assert asked == {name: SEQUENCES[name] for name in study.parts}
    assert (papers.trials.asked, papers.trials.distinct) == (239, 147)
    assert sum(one.new for one in papers.parts) == 147
    # Two of the orders are those of a choice of task 0, with three seeds each.
    new = {one.name: one.new for one in papers.parts}
    assert (new["interactions"], new["task0"]) == (53, 6)


@pytest.mark.slow
def test_of_the_papers_stages_six_in_ten_are_distinct(papers: PlanAnswer) -> None:
    tasks = papers.tasks
    assert (tasks.asked, tasks.in_trials, tasks.distinct) == (3585, 2205, 2040)
    assert tasks.to_train == tasks.distinct + tasks.twice


@pytest.mark.slow
def test_the_papers_plan_adds_up(papers: PlanAnswer) -> None:
    assert sum(one.seconds for one in papers.stages) == pytest.approx(papers.computing, rel=1e-3)
    assert papers.computing / papers.workers < papers.wall < papers.computing
    assert 0 < papers.critical_path <= papers.wall
    assert papers.computing < papers.alone
    assert not papers.measured and "H100" in papers.basis


@pytest.mark.parametrize("data_set", sorted(known_data_sets()))
def test_data_sets_are_planned_unseen_and_nothing_is_written(
    data_set: str, moleflow: Plans, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    code, said = moleflow("plan", "lora_rank", "--classes-of", data_set, "--root", str(root))
    assert code == 0 and "4 trials asked for, 4 distinct" in said
    assert f"{len(known_data_sets()[data_set])} classes in {data_set}" in said
    assert not root.exists()


def test_a_study_that_draws_its_pictures_is_planned_before_they_are(
    moleflow: Plans, tmp_path: Path
) -> None:
    code, said = moleflow("plan", "quickstart", "--root", str(tmp_path / "root"))
    assert code == 0 and "80 training pictures" in said
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch", "--classes-of", "mvtec"), ("unknown study", "known are")),
        (("task0",), ("--data DIR", "--classes-of mvtec")),
        (("task0", "--classes-of", "mvtech"), ("did you mean mvtec",)),
        (("task0", "--classes-of", "mvtec", "--data", "/tmp"), ("give one of them",)),
        (("task0", "--data", "/no/such/folder"), ("/no/such/folder",)),
        (("grid", "--classes-of", "visa", "--classes", "bottle"), ("no class bottle",)),
        (("task0", "--classes-of", "mvtec", "--workers", "0"), ("--workers 0", "from 1")),
        (("task0", "--classes-of", "mvtec", "--first", "0"), ("--first 0", "from 1")),
        (("task0", "--classes-of", "mvtec", "--json", "--format", "csv"), ("give one of them",)),
        (("task0", "--classes-of", "mvtec", "--format", "xml"), ("xml",)),
        (
            ("task0", "--classes-of", "mvtec", "--gpus-per-trial", "1", "--accelerator", "abacus"),
            ("abacus", "H100"),
        ),
        (("task0", "--classes-of", "mvtec", "--most-trials", "3"), ("--most-trials 15",)),
        (
            ("task0", "--classes-of", "mvtec", "--set", "data.held_out=0.99"),
            ("training pictures, of which", "would be held out", "lower data.held_out"),
        ),
        (("task0", "--classes-of", "mvtec", "--set", "image.bits=3"), ("image.bits: 3 does not",)),
        (
            ("task0", "--classes-of", "mvtec", "--set", "backbone.name=resnet81"),
            ("backbone.name: timm has no model 'resnet81'", "did you mean resnet"),
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_message(
    words: tuple[str, ...], said: tuple[str, ...], moleflow: Plans, tmp_path: Path
) -> None:
    code, text = moleflow("plan", *words, "--root", str(tmp_path / "root"))
    assert code == 2 and "Traceback" not in text
    assert all(part in text for part in said), text
    assert not (tmp_path / "root").exists()


def test_the_list_is_the_order_in_which_trials_run(moleflow: Plans, tmp_path: Path) -> None:
    code, said = moleflow(
        *("plan", "context_synergy", "--classes-of", "mpdd", "--list", "--workers", "1"),
        *("--root", str(tmp_path / "root")),
    )
    assert code == 0
    rows = [line.split() for line in said.splitlines() if line.strip()[:1].isdigit()]
    seeds = [row[3] for row in rows if row[2] in ("shared", "witness")]
    assert seeds == [seed for seed in "01234" for _ in range(4)]


def test_trials_are_written_for_other_programs(tmp_path: Path) -> None:
    plan = looked("lora_alpha", Root.at(tmp_path / "root"), "mpdd").plan
    tree = yaml.safe_load(yaml_of(plan))
    lines = list(csv.DictReader(io.StringIO(csv_of(plan))))
    keys = [trial.key for trial in plan.trials]
    assert [one["trial"] for one in tree["trials"]] == [line["trial"] for line in lines] == keys
    assert [one["changes"] for one in tree["trials"]] == [
        {"lora.alpha": trial.config.flat()["lora.alpha"]} if trial.config != plan.study.base else {}
        for trial in plan.trials
    ]


def test_only_the_first_trials_are_planned_where_so_many_are_asked(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "root")
    _, study = load_study("context_synergy")
    found = preview("context_synergy", study, root, Look(classes_of="mpdd"), print)
    told = expected(found, root, Terms(), Wanted(first=4))
    assert [trial.seed for trial in told.estimate.left.trials] == [0] * 4


def test_trials_in_the_driver_itself_are_one_at_a_time_and_start_no_workers(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "root")
    _, study = load_study("grid")
    found = preview("grid", study, root, Look(classes_of="mpdd"), print)
    own, workers = (
        plan_answer(expected(found, root, Terms(), Wanted(inline=inline)), Resources(), ())
        for inline in (True, False)
    )
    assert own.workers == 1
    assert [(one.stages, one.seconds) for one in own.stages if one.kind == "starting"] == [(0, 0.0)]
    assert own.wall == pytest.approx(workers.wall - BEGIN) and own.alone < workers.alone


def test_a_plan_in_one_process_says_nothing_of_more_workers(
    moleflow: Plans, tmp_path: Path
) -> None:
    root, said = str(tmp_path / "root"), dict[str, str]()
    for runner in ("inline", "ray_tune"):
        asked = ("lora_rank", "--classes-of", "mpdd", "--root", root, "--runner", runner)
        _, said[runner] = moleflow("plan", *asked)
    assert "in one process" in said["inline"] and "with any number" not in said["inline"]
    assert "with any number" in said["ray_tune"] and "in one process" not in said["ray_tune"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data"))


def made_by_nobody(folder: Path) -> None:
    for name in ("stage.json", "bank.safetensors", "base.safetensors"):
        (folder / name).write_text("")
    (folder / "made.json").write_text('{"device": "cpu:avx512", "threads": 1}')


@pytest.mark.slow
@pytest.mark.parametrize("where", ["folder", "remote"])
def test_what_a_store_holds_is_not_planned_again(
    where: str, pictures: Path, tmp_path: Path
) -> None:
    """Keys rest on the content of pictures and weights, so these are looked at."""
    root = Root.at(tmp_path / "root")
    address = None if where == "folder" else f"memory://{tmp_path.name}"
    _, study = load_study("grid")
    asked = customised(study, Request(profile="quick", settings={"backbone.weights": "random"}))
    look = Look(data=str(pictures), store=address)
    terms = Terms(store=address)
    root.claim()
    with checking_here(settings_of(asked), root) as check:
        check()  # is noted, so that no process is started for it
    store = open_store(address, root) if address else Store(root.store)
    store.publish("base", "0" * 20, made_by_nobody)  # so that keys are looked for
    found = preview("grid", asked, root, look, print)
    assert found.known
    (trial,) = found.plan.trials
    keys = StageKeys(trial, "cpu:avx512", 1)
    for index in (0, 2):
        store.publish(keys.kind(index), keys.task(index), made_by_nobody)
    told = expected(found, root, terms, Wanted(workers=1))
    assert told.stored == 2
    assert len(told.estimate.outcome.trained) == len(trial.sequence) - 2


@pytest.mark.slow
def test_a_study_that_runs_can_be_planned(pictures: Path, root: Root) -> None:
    with driving("quickstart", root, "moleflow run quickstart"):
        _, study = load_study("quickstart")
        found = preview("quickstart", study, root, Look(data=str(pictures)), print)
        told = expected(found, root, Terms(), Wanted(workers=2))
    assert len(told.estimate.left.trials) == 8


@pytest.mark.soak
def test_a_probe_tells_the_speed_of_this_machine_where_no_trial_does(tmp_path: Path) -> None:
    root = Root.at(tmp_path / "root")
    _, study = load_study("grid")
    small = {"training.epochs": 4, "patches.dim": 64, "flow.blocks": 1}
    asked = customised(study, Request(profile="quick", settings=small))
    found = preview("grid", asked, root, Look(classes_of="mpdd"), print)
    told = expected(found, root, Terms(), Wanted(workers=1, probe=True)).estimate
    assert "probe" in told.rates.basis and told.rates.measured
    base, later = (
        told.rates.training(asked.base, base_too=own, pictures=1) for own in (True, False)
    )
    assert 0 < later < 60 and 0 < base < 60


TEN_THOUSAND = """
import sys, time
sys.path.insert(0, sys.argv[1])
from moleflow.config import Config
from orchestration.commands.planned import plan_answer
from orchestration.driver.expected import Wanted, expected
from orchestration.driver.preview import Look, preview
from orchestration.records.layout import Root
from orchestration.studies.axes import Grid, Orders
from orchestration.studies.study import Study
from orchestration.studies.terms import Resources, Terms
axes = (Grid(field="loss.tail_weight", values="0.00:0.99:0.01"), Orders(count=10))
study = Study(question="?", base=Config(), axes=axes, seeds=range(10))
began, root = time.process_time(), Root.at(sys.argv[2])
found = preview("many", study, root, Look(classes_of="mvtec"), print)
told = plan_answer(expected(found, root, Terms(), Wanted(workers=64)), Resources(), ())
seconds = time.process_time() - began
# The peak of this program alone: ru_maxrss has that of the one that started it, too.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1]
print(told.trials.left, seconds, peak)
"""


@pytest.mark.soak
def test_ten_thousand_trials_are_planned_in_ten_seconds_and_a_gigabyte(tmp_path: Path) -> None:
    """In a process of its own: tests check every call's types."""
    ran = subprocess.run(
        [sys.executable, "-c", TEN_THOUSAND, str(TOP), str(tmp_path / "root")],
        capture_output=True,
        text=True,
        check=True,
    )
    trials, seconds, kilobytes = ran.stdout.split()
    assert trials == "10000"
    assert float(seconds) < 10 and int(kilobytes) < 1e6


@pytest.mark.parametrize("content", [None, b"", b"no weights of anything", b"\xff" * 64])
def test_a_file_of_weights_that_is_none_is_told_by_its_name(
    moleflow: Plans, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "some.safetensors"
    if content is not None:
        file.write_bytes(content)
    words = ("plan", "task_order", "--classes-of", "mvtec", "--root", str(tmp_path / "root"))
    said = moleflow(*words, "--cpus-per-trial", "9000", "--set", f"backbone.weights={file}")[1]
    assert f"backbone.weights: {file}" in said and "a run would be refused" in said
    assert "--cpus-per-trial 9000: this machine has" in said
    assert "would be refused" not in moleflow(*words, "--set", "backbone.weights=random")[1]
