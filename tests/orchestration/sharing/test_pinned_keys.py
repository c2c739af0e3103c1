"""Keys outlive new fields, changed defaults, and raised versions of what they do not rest on."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from moleflow.config import Config
from moleflow.config_parts import TrainingConfig
from moleflow.neutral import NEUTRAL, REMEDY, deviations, paths
from moleflow.settings import Settings
from orchestration.sharing import keys as stage_keys
from orchestration.studies.versions import REASONS, Result, raises_since, result_versions
from tests.orchestration.sharing.pinned import keys_of, names, pinned, stored_config

ALL = {"features", "base", "adapter", "scores", "metrics", "trial"}


@pytest.fixture(autouse=True)
def first_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all results, and of all packages."""
    for kind, reasons in REASONS.items():
        monkeypatch.setitem(REASONS, kind, reasons[:1])
    monkeypatch.setattr(stage_keys, "_software", lambda *names: dict.fromkeys(names, "0"))


def moved(kind: type[Config]) -> dict[str, list[str]]:
    """By trial, which of its pinned keys are others now."""
    found: dict[str, list[str]] = {}
    for name in names():
        now = keys_of(kind.model_validate_json(stored_config(name)))
        before = pinned()["trials"][name]["keys"]
        found[name] = [result for result in before if now[result] != before[result]]
    return {name: results for name, results in found.items() if results}


def test_keys_are_what_they_were() -> None:
    assert not moved(Config), (
        "keys moved, so that stored results and records are lost: a new field needs its neutral "
        "value in moleflow/neutral.py; no value there is ever changed, nor what a key is made of; "
        "a result that is another now has its version raised in "
        "orchestration/studies/versions.py. The file of pinned keys stays as it is"
    )


def test_every_field_has_a_neutral_value() -> None:
    for path in paths(Config):
        assert path in NEUTRAL, REMEDY.format(path=path)
    assert set(NEUTRAL) == set(paths(Config)), (
        "moleflow/neutral.py names a field that Config does not have: taking a field away, or "
        "another name for it, asks for a new root format; see docs/results.md"
    )


class GrownTraining(TrainingConfig):
    average: float = 0.999
    """Its default is not what training did before."""


class Blur(Settings):
    kind: Literal["blur"] = "blur"
    width: int = 3


class Noise(Settings):
    kind: Literal["noise"] = "noise"
    width: int = 7


class Drift(Settings):
    limit: float = 1.0
    every: int = 4


class Grown(Config):
    """A field in a branch, a field, a branch, and branches to choose from."""

    training: GrownTraining = GrownTraining()
    order_of_patches: Literal["rows", "random"] = "random"
    drift: Drift = Drift(every=9)
    augmentation: Blur | Noise | Literal["off"] = "off"


GROWN: dict[str, Any] = {
    "training.average": 0.0,
    "order_of_patches": "rows",
    "drift.limit": 0.0,
    "drift.every": 1,
    "augmentation": "off",
    "augmentation.blur.width": 3,
    "augmentation.noise.width": 7,
}


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for path, value in GROWN.items():
        monkeypatch.setitem(NEUTRAL, path, value)
    yield


def test_new_fields_move_no_key_whatever_their_defaults(grown: None) -> None:
    assert set(paths(Grown)) == set(NEUTRAL)
    assert moved(Grown) == {}


@pytest.mark.parametrize("path", [path for path in GROWN if path.count(".") < 2])
def test_a_new_field_with_another_value_is_another_trial(path: str, grown: None) -> None:
    old = Grown.model_validate_json(stored_config("profile quick"))
    for value in {"augmentation": ["blur", "noise"]}.get(path, [_other(GROWN[path])]):
        tree: Any = {"kind": value} if path == "augmentation" else value
        now, before = keys_of(old.updated({path: tree})), keys_of(old)
        assert {result for result in ALL if now[result] != before[result]} == ALL - {"features"}


def _other(value: Any) -> Any:
    return "random" if isinstance(value, str) else value + 1


def test_choices_are_kept_apart_where_all_their_fields_are_neutral(grown: None) -> None:
    keys = {
        keys_of(Grown().updated({"augmentation": chosen}))["trial"]
        for chosen in ("off", {"kind": "blur"}, {"kind": "noise"})
    }
    assert len(keys) == 3


def test_settings_of_before_a_field_are_read_as_they_were(grown: None) -> None:
    read = Grown.model_validate_json(stored_config("film"))
    assert (read.training.average, read.order_of_patches) == (0.0, "rows")
    assert (read.drift, read.augmentation) == (Drift(limit=0.0, every=1), "off")
    assert read.adapter == Config.model_validate_json(stored_config("film")).adapter
    assert Grown.model_validate_json(Grown().model_dump_json()) == Grown()


def test_what_is_asked_for_now_has_the_defaults_of_now(grown: None) -> None:
    asked = Grown().updated({"training.epochs": 5})
    assert asked.training.average == 0.999 and asked.drift.every == 9


def test_a_field_without_a_neutral_value_is_refused_with_the_remedy() -> None:
    with pytest.raises(AssertionError, match=r"training\.average has no .* moleflow/neutral\.py"):
        deviations(Grown())


def test_a_changed_default_changes_no_meaning() -> None:
    class Changed(Config):
        position: Literal["sinusoidal", "none"] = "none"

    assert moved(Changed) == {}
    assert keys_of(Changed()) == keys_of(Config(position="none")) != keys_of(Config())


def test_settings_in_a_collection_or_without_names_cannot_be_told_apart_and_are_refused() -> None:
    class Many(Config):
        drifts: tuple[Drift, ...] = ()

    class Unnamed(Config):
        either: Drift | Blur = Drift()

    for kind in (Many, Unnamed):
        with pytest.raises(TypeError):
            list(paths(kind))


@pytest.mark.parametrize(("one", "other", "same"), [(1, 1.0, True), (1, True, False)])
def test_values_are_compared_as_json_has_them(
    one: Any, other: Any, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class One(Settings):
        field: int | float | bool

    monkeypatch.setitem(NEUTRAL, "field", one)
    assert (deviations(One(field=other)) == {}) == same


FOLLOWS: dict[Result, set[str]] = {
    "features": ALL,
    "training": ALL - {"features"},
    "scores": {"scores", "metrics", "trial"},
    "metrics": {"metrics", "trial"},
    "trial": {"trial"},
}


@pytest.mark.parametrize("raised", REASONS)
def test_a_raised_version_moves_its_result_and_those_made_from_it(
    raised: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = result_versions()
    monkeypatch.setitem(REASONS, raised, (*REASONS[raised], "it was wrong"))
    results = moved(Config)
    assert set(results) == set(names())
    assert {frozenset(found) for found in results.values()} == {frozenset(FOLLOWS[raised])}
    assert raises_since(known) == [f"{raised} 2: it was wrong"]
