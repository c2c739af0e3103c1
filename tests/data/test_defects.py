"""Defects that are drawn can be seen, lie where their mask says, and are the same every time."""

import numpy as np
import pytest

from moleflow.data.defects import KINDS, VISIBLE, drawn_defect
from moleflow.streams import numpy_stream


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rows, columns = np.mgrid[:96, :96]
    grain = numpy_stream("picture").normal(0, 6, size=(96, 96, 3))
    wave = 120 + 40 * np.sin(rows / 9) + 30 * np.cos(columns / 7)
    return (wave[..., None] + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_changes_what_its_mask_marks_and_nothing_else(
    kind: str, picture: np.ndarray
) -> None:
    for number in range(20):
        changed, mask = drawn_defect(kind, picture, numpy_stream("defect", number))
        assert (changed[~mask] == picture[~mask]).all()
        assert 4 <= mask.sum() <= 0.12 * mask.size
        change = np.abs(changed[mask].astype(float) - picture[mask]).mean()
        assert change >= VISIBLE


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_a_function_of_its_stream_and_leaves_the_picture_as_it_is(
    kind: str, picture: np.ndarray
) -> None:
    before = picture.copy()
    one, other, again = (
        drawn_defect(kind, picture, numpy_stream("defect", name)) for name in ("a", "b", "a")
    )
    assert (picture == before).all()
    assert (one[0] == again[0]).all() and (one[1] == again[1]).all()
    assert (one[1] != other[1]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_picture_without_anything_a_defect_is_drawn_too(kind: str) -> None:
    _, mask = drawn_defect(kind, np.zeros((64, 64, 3), np.uint8), numpy_stream("defect", "plain"))
    assert mask.any()
