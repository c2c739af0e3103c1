"""Which option is the best on other pictures, in two ways."""

import numpy as np
import pytest

from reports.audit.best import NEARLY, chances_on_pictures
from reports.audit.tests import Layout
from reports.statistics import best_over_images


def test_a_variance_that_was_estimated_below_zero_counts_as_none_in_both_ways() -> None:
    """As that of few seeds may be, which is the mean over two different ones."""
    values = ((0.10, 0.12, 0.09), (0.11, 0.12, 0.12), (0.08, 0.10, 0.10), (0.09, 0.08, 0.12))
    pictures = 1e-4 * np.array(
        [[0.2, 0.5, 0.3, 0.5], [0.5, 0.7, 0.4, 2.2], [0.3, 0.4, 0.6, 0.5], [0.5, 2.2, 0.5, 0.4]]
    )
    assert np.linalg.eigvalsh(pictures)[0] < 0
    layout = Layout(("a", "b", "c", "d"), values)
    said = best_over_images(np.array(values), pictures).probability
    found = chances_on_pictures(layout, pictures, layout.seeds)
    assert found == pytest.approx(said, abs=NEARLY)
