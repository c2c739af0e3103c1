"""A variant that changed nothing is told wherever a person looks: planted in a real run."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from rich.console import Console

from moleflow.config import Config
from moleflow.data.synthetic import make_synthetic
from orchestration import Study, Variants, run
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan
from orchestration.tracking.address import default_uri
from orchestration.views.status import status_table

pytestmark = pytest.mark.soak


def test_a_planted_variant_without_effect_is_told_everywhere(
    tiny: Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of 4 x 4 patches, 2 % and 3 % both make a tail of one: nobody can know it from the config."""
    variants = {"main": {}, "wider": {"loss.tail_ratio": 0.03}, "top": {"scoring.top_k": 9}}
    study = Study(
        question="Does the width of the tail matter?",
        base=tiny.updated({"training.epochs": 1, "training.warmup_epochs": 0}),
        classes=("fabric", "wood"),
        axes=(Variants(baseline="main", variants=variants),),
        reports=("ablation",),
    )
    data = make_synthetic(tmp_path / "data")
    root = Root.at(tmp_path / "runs")
    result = run(study, data=data, root=root.path, runner="inline", name="vain", quiet=True)
    assert len(result.finished) == 3
    said = " ".join(capfd.readouterr().err.split())
    assert "warning: variant = wider: no effect: all numbers equal" in said
    assert "variant = top" not in said
    console = Console(width=300)
    with console.capture() as shown:
        console.print(status_table(read_plan("vain", root), root))
    assert "variant = wider: no effect" in shown.get() and "top:" not in shown.get()
    page = (result.report.parent / "report.md").read_text(encoding="utf-8")
    assert "wider: no effect" in page and "top: trained weights equal" in page
    client = MlflowClient(default_uri(root))
    experiment = client.get_experiment_by_name("vain")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    tagged = {r.data.tags["mlflow.runName"] for r in runs if "moleflow.no_effect" in r.data.tags}
    assert len(tagged) == 2 and "vain" in tagged and any("wider" in name for name in tagged)
