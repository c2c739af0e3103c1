"""What stages of two trials have the same key, and what keeps them apart.

That a key changes with a config field exactly when the result does: tests/laws/test_no_dead_fields.
"""

from typing import Any

import pytest

from moleflow.config import Config
from orchestration.sharing.keys import StageKeys
from orchestration.studies.expansion import Trial

ORDER = (("a",), ("b",), ("c",))


def trial(sequence: tuple[tuple[str, ...], ...] = ORDER, seed: int = 0, **config: Any) -> Trial:
    return Trial(
        key="trial",
        study="study",
        axes={},
        config=Config().updated(config),
        sequence=sequence,
        seed=seed,
        data_root="/data",
        fingerprints={name: name for name in "abc"},
        weights="weights",
    )


def keys(one: Trial, device: str = "cpu:avx512", threads: int = 1, **apart: Any) -> StageKeys:
    return StageKeys(one, device, threads, **apart)


def by_task(found: StageKeys) -> dict[tuple[str, ...], str]:
    return {task: found.task(i) for i, task in enumerate(found.trial.sequence)}


def test_a_banks_key_does_not_know_its_place_in_the_order() -> None:
    other = trial((("a",), ("c",), ("b",)))
    assert by_task(keys(trial())) == by_task(keys(other))
    assert keys(trial()).scores("b", 1, 3) == keys(other).scores("b", 2, 3)


def test_another_task_0_keeps_every_bank_apart() -> None:
    one, other = by_task(keys(trial())), by_task(keys(trial((("b",), ("a",), ("c",)))))
    assert not set(one.values()) & set(other.values())


def test_a_moving_base_chains_keys_along_the_prefix() -> None:
    one = keys(trial(freeze_base=False))
    other = keys(trial((("a",), ("c",), ("b",)), freeze_base=False))
    assert one.task(0) == other.task(0)
    assert not {one.task(1), one.task(2)} & {other.task(1), other.task(2)}
    assert one.scores("a", 0, 1) != one.scores("a", 0, 2), "the base has moved"


def test_streams_named_by_place_keep_places_apart() -> None:
    one = keys(trial(seeding="positional"))
    other = keys(trial((("a",), ("c",), ("b",)), seeding="positional"))
    assert not {one.task(1), one.task(2)} & {other.task(1), other.task(2)}


@pytest.mark.parametrize(
    "other",
    [
        keys(trial(seed=1)),
        keys(trial(), device="cpu:avx2"),
        keys(trial(), device="cuda:sm_90"),
        keys(trial(), threads=2),
        keys(trial(), apart="another trial"),
        keys(trial().model_copy(update={"weights": "other"})),
        keys(trial().model_copy(update={"fingerprints": {n: f"{n}2" for n in "abc"}})),
    ],
    ids=["seed", "processor", "GPU", "threads", "apart", "weights", "data"],
)
def test_what_moves_the_last_bit_keeps_all_tasks_apart(other: StageKeys) -> None:
    assert not set(by_task(keys(trial())).values()) & set(by_task(other).values())


def test_threads_do_not_count_where_a_gpu_computes() -> None:
    one, other = (keys(trial(), device="cuda:sm_90", threads=n) for n in (1, 8))
    assert by_task(one) == by_task(other)


def test_neither_study_nor_place_of_the_data_is_in_a_key() -> None:
    other = trial().model_copy(update={"study": "b", "data_root": "/mnt", "key": "k", "axes": {}})
    assert by_task(keys(trial())) == by_task(keys(other))


def test_features_are_shared_unless_the_trial_is_alone() -> None:
    plain, apart = keys(trial()), keys(trial(), apart="another trial")
    alone = keys(trial(), apart="another trial", features_apart=True)
    assert plain.features("a") == apart.features("a") != alone.features("a")


def test_metrics_know_their_scoring_and_scores_do_not() -> None:
    one, other = keys(trial()), keys(trial(**{"scoring.top_k": 7}))
    assert one.scores("a", 0, 1) == other.scores("a", 0, 1)
    assert one.metrics(("s",), "a", "0") != other.metrics(("s",), "a", "0")
