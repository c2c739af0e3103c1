"""What a GPU will be asked about tasks trained side by side, asked of the processor."""

import pytest
import torch

from moleflow import profiles
from tests.gpu.together import TINY, same_bits, throughput

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SHORT = TINY | {"flow.blocks": 1, "dia.blocks": 0, "training.epochs": 3}


def test_the_questions_about_tasks_trained_side_by_side_can_be_asked() -> None:
    config = profiles.quick().updated(SHORT)
    found = dict(same_bits(CPU, config, (2, 3), images=(5, 3), at_once=(2,)))
    assert len(found) == 5 and all(found.values()), found
    rows = list(throughput(CPU, config, (2, 3), (1, 2), images=4, number=2))
    assert [row["at once"] for row in rows] == [1, 2]
    assert all(row["ms a step"] > 0 and row["refusals"] == 0 for row in rows)
