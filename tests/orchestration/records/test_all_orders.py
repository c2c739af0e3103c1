"""What a trial keeps of all orders of its tasks is read as it was written, or refused."""

import json
from pathlib import Path

import pytest

from moleflow.errors import StoreError
from moleflow.sealed import seal
from orchestration.records.all_orders import AllOrders, read_kept, write_kept


def test_a_kept_file_of_another_trial_or_format_is_refused(tmp_path: Path) -> None:
    kept = AllOrders(trial="one", tasks=("a", "b"), classes=())
    write_kept(tmp_path, kept)
    assert read_kept(tmp_path, "one") == kept
    with pytest.raises(StoreError, match="that of trial one"):
        read_kept(tmp_path, "other")
    newer = json.loads(kept.model_dump_json()) | {"format": 2}
    (tmp_path / "all_orders.json").write_bytes(seal(json.dumps(newer)))
    with pytest.raises(StoreError, match="format 2"):
        read_kept(tmp_path, "one")
