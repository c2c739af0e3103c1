"""What steps leave behind is what happened in them; and after a bad one nothing goes on."""

import math

import pytest
import torch

from moleflow.training.step_numbers import BadStep, StepNumbers

CPU = torch.device("cpu")


def seen(*steps: tuple[float, float]) -> StepNumbers:
    progress = StepNumbers(CPU)
    progress.begin_task()
    progress.begin_epoch()
    for loss, norm in steps:
        progress.see(torch.tensor(loss), torch.tensor(norm), 4)
    return progress


def test_losses_are_summed_over_images_and_the_largest_norm_is_kept() -> None:
    numbers = seen((1.0, 0.5), (2.0, 3.0), (-0.5, 1.0)).read()
    assert (numbers.total, numbers.grad_norm, numbers.bad) == (10.0, 3.0, None)


@pytest.mark.parametrize(
    "bad", [(math.inf, 1.0), (math.nan, 1.0), (1.0, math.inf), (1.0, math.nan)]
)
def test_the_first_bad_step_is_kept_with_its_numbers(bad: tuple[float, float]) -> None:
    progress = seen((1.0, 0.5), bad, (2.0, 0.5), (math.nan, math.nan))
    found = progress.read().bad
    assert found is not None
    assert repr(found) == repr(BadStep(2, *bad))
    assert not progress.keep_on


def test_a_bad_step_is_kept_over_epochs_and_forgotten_with_its_task() -> None:
    progress = seen((math.inf, 1.0))
    progress.begin_epoch()
    progress.see(torch.tensor(1.0), torch.tensor(1.0), 4)
    numbers = progress.read()
    assert numbers.bad == BadStep(1, math.inf, 1.0) and not progress.keep_on
    progress.begin_task()
    assert progress.read().bad is None and bool(progress.keep_on)


def test_epochs_count_from_one_and_from_nothing() -> None:
    progress = seen((1.0, 9.0), (1.0, 1.0))
    progress.begin_epoch()
    progress.see(torch.tensor(3.0), torch.tensor(2.0), 2)
    progress.see(torch.tensor(math.nan), torch.tensor(2.0), 2)
    numbers = progress.read()
    assert (numbers.total, numbers.grad_norm) == (6.0, 2.0)
    assert numbers.bad is not None and numbers.bad.step == 2
