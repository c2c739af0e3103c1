"""A plan of two small trials on drawn pictures."""

from pathlib import Path

from moleflow.config import Config
from moleflow.data.catalog import open_catalog
from orchestration.records.dataset import checked_fingerprint
from orchestration.records.layout import Root
from orchestration.studies.axes import Orders, TaskZero
from orchestration.studies.expansion import Plan, expand
from orchestration.studies.study import Study

CLASSES = ("capsule", "fabric", "wood")


def make_plan(root: Root, data_root: Path, config: Config) -> Plan:
    """Two orders with one task 0."""
    axes = (TaskZero(classes=("fabric",)), Orders(count=2))
    study = Study(question="?", base=config, classes=CLASSES, axes=axes)
    catalog = open_catalog(data_root, CLASSES)
    prints = {name: checked_fingerprint(data, root) for name, data in catalog.items()}
    return expand("small", study, str(data_root), prints, {config.backbone: "random:0"})
