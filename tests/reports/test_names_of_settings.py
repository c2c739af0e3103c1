"""A config is one setting however many names a study has for it, in every count and row."""

from pathlib import Path

import pandas as pd
import pytest

from moleflow.config import Config
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.expansion import Trial
from orchestration.studies.study import Study
from reports.audit.records import read
from reports.evidence import load
from reports.side_by_side import importance, numeric_axes
from reports.variants import families
from reports.writing import write_reports
from tests.reports.audited import wrong
from tests.reports.conftest import Lab

pytestmark = pytest.mark.slow

KINDS = ("ablation", "sensitivity", "cost", "routing")
RATIO = Config().loss.tail_ratio
VARIANTS = Variants(
    baseline="main",
    variants={
        "main": {},
        "as it is": {"loss.tail_ratio": RATIO},
        "no mixer": {"mixer.kernel": 0},
        "without": {"mixer.kernel": 0},
    },
)
RATIOS = Grid(field="loss.tail_ratio", values=(RATIO, 0.5))
"""Two names of the base config in one part, and a third in another."""
NAMES = [f"{name}, part = components" for name in ("variant = main", "variant = no mixer")]
NAMES.append("loss.tail_ratio = 0.5, part = ratios")


def by_config(trial: Trial, metric: str, class_name: str, step: int) -> float:
    worse = 0.05 * (trial.config.mixer.kernel == 0) + 0.02 * trial.config.loss.tail_ratio
    return 0.9 - worse + 0.001 * (int(trial.key[:4], 16) % 7) + len(class_name) / 1000


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    lab = Lab(Root.at(tmp_path_factory.mktemp("lab")), classes=("bottle", "cable"), law=by_config)
    parts = {
        "components": Study(question="?", base=Config(), axes=(VARIANTS,), seeds=(0, 1, 2)),
        "ratios": Study(question="?", base=Config(), axes=(RATIOS,), seeds=(0, 1, 2)),
    }
    folder, plan = lab.planned(Study.union("?", parts, reports=KINDS), "names")
    assert len(plan.trials) == 9
    for trial in plan.trials:
        sizes = {"parameters": {"base": 100, "bank": 10 + trial.config.mixer.kernel}}
        Ledger(folder).write(lab.record(trial).model_copy(update=sizes))
    write_reports(folder)
    return folder


def tables(folder: StudyFolder, kind: str, pattern: str) -> list[pd.DataFrame]:
    place = folder.report if kind == KINDS[0] else folder.report / kind
    found = [pd.read_csv(path) for path in sorted((place / "tables").glob(pattern))]
    assert found
    return found


def test_a_setting_is_a_config_and_knows_its_other_names(study: StudyFolder) -> None:
    evidence = load(study)
    assert [one.label for one in evidence.settings] == NAMES
    assert evidence.settings[0].also == (
        "also: variant = as it is; loss.tail_ratio = 0.02, part = ratios"
    )
    assert [len(one.finished) for one in evidence.settings] == [3, 3, 3]


def test_a_name_stands_once_in_the_verdicts_of_its_part(study: StudyFolder) -> None:
    first, second = families(load(study))
    assert [one.label for one in first.others] == [NAMES[1]]
    assert (second.baseline.label, second.others[0].label) == (
        f"loss.tail_ratio = {RATIO}, part = ratios",
        NAMES[2],
    )


def test_an_axis_is_found_under_any_name(study: StudyFolder) -> None:
    """Of its two values one is that of the base config, whose first name has no such axis."""
    assert numeric_axes(load(study)) == ["loss.tail_ratio"]
    assert (study.report / "sensitivity" / "figures" / "curve-loss_tail_ratio.svg").is_file()


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("ablation", "pareto.csv"),
        ("sensitivity", "settings-*.csv"),
        ("cost", "cost_parameters.csv"),
        ("cost", "cost_stages.csv"),
    ],
)
def test_every_table_has_a_setting_once(study: StudyFolder, kind: str, pattern: str) -> None:
    for table in tables(study, kind, pattern):
        own = [
            name for name in table.columns if name in ("setting", "metric", "definition", "kind")
        ]
        assert not table.duplicated(own).any()
        assert list(dict.fromkeys(table["setting"])) == NAMES
        named = table[table["setting"] == NAMES[0]]["also"]
        assert set(named) == {"variant = as it is; loss.tail_ratio = 0.02, part = ratios"}


def test_pages_count_settings_and_tell_the_other_names(study: StudyFolder) -> None:
    cost = (study.report / "cost" / "report.md").read_text(encoding="utf-8")
    assert "(3 settings)" in cost and "also: variant = as it is" in cost
    routing = (study.report / "routing" / "report.md").read_text(encoding="utf-8")
    assert "Setting 3" in routing and "Setting 4" not in routing


def test_the_audit_counts_settings_as_the_reports_do(study: StudyFolder) -> None:
    assert len(read(study.path).settings) == 3
    assert wrong(study) == []


def test_one_config_in_other_orders_is_another_setting(lab: Lab, tmp_path: Path) -> None:
    """Its mean over those is another number, and seeds that lack an order would be lost."""
    base = Study(question="?", base=Config(), classes=lab.classes, seeds=range(5))
    more = base.model_copy(update={"seeds": (0, 1)})
    order = base.model_copy(update={"classes": ("cable", "bottle"), "seeds": (0,)})
    folder, plan = lab.planned(
        Study.union("?", {"noise": base, "again": more, "other": order}), "u"
    )
    lab.run(folder, plan.trials)
    sizes = {one.label: len(one.finished) for one in load(folder).settings}
    assert sizes == {"part = noise": 5, "part = other": 1}


def test_parts_that_call_other_configs_alike_are_no_grid(lab: Lab) -> None:
    """The shares of their axes would be those of whichever config stands last at a place."""
    changes = ({"mixer.kernel": 0}, {"dia.blocks": 0})
    frozen = Grid(field="freeze_base", values=(True, False))
    parts = {
        f"without {i}": Study(
            question="?",
            base=Config(),
            classes=lab.classes,
            axes=(frozen, Variants(baseline="in", variants={"in": {}, "out": change})),
        )
        for i, change in enumerate(changes)
    }
    folder, plan = lab.planned(Study.union("?", parts), "u")
    lab.run(folder, plan.trials)
    evidence = load(folder)
    assert len(evidence.settings) == 6
    assert importance(evidence, evidence.concluded[0]) is None
