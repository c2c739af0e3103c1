"""Schedules of a few seeds; `make soak SEED=n` runs those of another one."""

from collections.abc import Iterator

import pytest

from tests.nemesis.faults import draw
from tests.nemesis.nemesis import Nemesis

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def nemesis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nemesis]:
    with Nemesis(tmp_path_factory.mktemp("nemesis")) as made:
        yield made


@pytest.mark.parametrize(("setting", "seed"), [("inline", 2), ("inline", 6), ("inline", 12)])
def test_a_study_is_as_if_nothing_had_broken(nemesis: Nemesis, setting: str, seed: int):
    faults = draw(setting, seed)
    report = nemesis.run(setting, faults)
    again = f"python -m tests.nemesis --setting {setting} --seeds {seed}"
    assert not report.wrong, f"{report.wrong}\nreplay: {again}\n{report.said}"
    assert len(report.fired) == len(faults), "a fault did not come to pass"
