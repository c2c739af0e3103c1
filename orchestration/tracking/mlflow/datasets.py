"""The data of a trial as MLflow's view lists and filters it."""

import json
from pathlib import Path

from orchestration.records.ledger import Record
from orchestration.studies.trial_keys import digest
from orchestration.tracking.mlflow.connection import Dataset, DatasetInput, InputTag

CONTEXT = "mlflow.data.context"
"""The tag that the view shows beside a data set's name."""


def dataset_of(record: Record) -> DatasetInput | None:
    """The classes of a trial that has looked at their pictures, by the digest of their content;
    None of one that failed before."""
    if not record.data or not record.fingerprints:
        return None
    every = record.data.values()
    counts = {
        "classes": len(record.data),
        "train": sum(one.train for one in every),
        "test_good": sum(one.test_good for one in every),
        "test_anomalous": sum(one.test_anomalous for one in every),
        "masks": sum(one.masks for one in every),
    }
    pictures = counts["train"] + counts["test_good"] + counts["test_anomalous"]
    data = Dataset(
        name=Path(record.data_root).name or "data",
        digest=digest(record.fingerprints),
        source_type="local",
        source=json.dumps({"uri": record.data_root}),
        profile=json.dumps({"num_rows": pictures, **counts}),
    )
    return DatasetInput(data, [InputTag(CONTEXT, "training and test")])
