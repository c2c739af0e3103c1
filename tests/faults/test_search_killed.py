"""A search whose driver is killed goes on with the same proposals, and runs none twice."""

from typing import Any

import pytest

from tests.small_study import small_study

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

SEARCH = """Search(
    space={"training.lr": log_uniform(1e-4, 1e-2), "loss.tail_weight": uniform(0.0, 1.0)},
    trials=8,
    method="tpe",
)"""


def test_a_killed_search_goes_on_with_the_same_proposals_and_runs_none_twice(arena: Any) -> None:
    text = small_study(SEARCH, epochs=5, classes=("capsule", "fabric"), blocks=1)
    arena.study_file.write_text(text)
    process = arena.start(*arena.command())
    arena.wait_for(lambda event: event.kind == "stage finished" and event.task == 1)
    process.kill()
    process.wait()
    proposals = proposed(arena)
    finished = {key: record.attempts for key, record in arena.records().items()}
    ran = arena.run()
    assert ran.code == 0, ran.text
    after = arena.records()
    assert proposals and proposed(arena).items() >= proposals.items()
    assert len(proposed(arena)) == len(after) == 8
    assert {record.status for record in after.values()} == {"finished"}
    assert {key: after[key].attempts for key in finished} == finished
    again = arena.run()
    assert again.code == 0 and "8 of 8 trials are in the ledger already" in again.text
    assert {key: record.ended for key, record in arena.records().items()} == {
        key: record.ended for key, record in after.items()
    }


def proposed(arena: Any) -> dict[str, bytes]:
    """Every proposal's file."""
    found = sorted(arena.folder.proposals.glob("*/*.json"))
    return {path.name: path.read_bytes() for path in found}
