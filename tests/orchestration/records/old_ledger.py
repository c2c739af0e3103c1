"""`python -m tests.orchestration.records.old_ledger`: a small real study, whose plan and ledger are
kept in `old_ledger/` for as long as its root format is read, whatever becomes of the code.
"""

import platform
import shutil
import tempfile
from pathlib import Path

from moleflow import profiles
from moleflow.data.catalog import open_catalog
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.records.plans import write_plan
from orchestration.runners.inline import InlineRunner
from orchestration.sharing.schedule import Schedule
from orchestration.studies.axes import Orders
from orchestration.studies.expansion import expand
from orchestration.studies.study import Study
from orchestration.studies.terms import Terms
from tests.orchestration.pictures import draw_pictures

KEPT = Path(__file__).with_name("old_ledger")
CLASSES = ("bolt", "nut")
SMALL = {
    "image.size": 64,
    "backbone.weights": "random",
    "patches.dim": 16,
    "flow.blocks": 2,
    "lora.rank": 2,
    "training.epochs": 3,
}


def write(kept: Path) -> None:
    """Run the study, and keep what was asked and the record of its one trial."""
    platform.node = lambda: "node-1"
    with tempfile.TemporaryDirectory(prefix="moleflow-") as place:
        data = draw_pictures(Path(place) / "pictures", CLASSES, masks=False)
        root = Root.at(Path(place) / "runs")
        catalog = open_catalog(data, CLASSES)
        prints = {name: checked_fingerprint(found, root) for name, found in catalog.items()}
        base = profiles.quick().updated(SMALL)
        question = "Does an old record keep its key?"
        study = Study(question=question, base=base, axes=(Orders(count=1),))
        plan = expand("old", study, str(data), prints, {base.backbone: "random:0"})
        folder = root.study("old")
        write_plan(plan, folder)
        InlineRunner(root, Terms()).run(plan, Schedule(plan, folder))
        (kept / "trials").mkdir(parents=True)
        shutil.copy(folder.asked, kept)
        for path in folder.trials.glob("*.json"):
            shutil.copy(path, kept / "trials")


if __name__ == "__main__":
    write(KEPT)
