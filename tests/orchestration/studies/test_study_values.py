"""A value that does not fit is refused before anything starts: one message, with file and field."""

import pytest

from moleflow import profiles
from moleflow.errors import ConfigError
from orchestration.studies.axes import Grid, Variants
from orchestration.studies.points import settings_from
from orchestration.studies.study import Study


def study(axis: Grid | Variants) -> Study:
    return Study(question="?", base=profiles.main(), axes=(axis,))


def test_a_value_that_does_not_fit_is_one_line_with_file_and_field() -> None:
    with pytest.raises(ConfigError) as refused:
        settings_from(study(Grid(field="lora.rank", values=(8, -3))), "mine.py")
    assert str(refused.value) == (
        "mine.py: lora.rank: -3 does not fit: input should be greater than 0"
    )


def test_the_variant_that_holds_it_is_named() -> None:
    axis = Variants(baseline="a", variants={"a": {}, "b": {"adapter": "filmy"}})
    with pytest.raises(ConfigError, match=r"mine.py: variant b: adapter: 'filmy' .* choose"):
        settings_from(study(axis), "mine.py")
