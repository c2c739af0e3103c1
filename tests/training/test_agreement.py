"""A device that computes a step otherwise than the processor is found out."""

import dataclasses
import math

import pytest
import torch

from moleflow.model import MoLEFlow
from moleflow.training import agreement
from moleflow.training.agreement import LIMITS, Deviation, computed, deviation, same_bits
from moleflow.training.lanes import Bench
from moleflow.training.steps import Steps
from moleflow.types import Tensor

CPU = torch.device("cpu")
FAULTS = ("log_p", "gradient", "moves")

pytestmark = pytest.mark.slow


def off() -> Deviation:
    """Of bfloat16, which stands for a device, from float32."""
    return deviation(computed(CPU, "bfloat16"), computed(CPU, "float32"))


def test_a_processor_computes_what_it_computes_and_bfloat16_nearly():
    steps = computed(CPU, "float32")
    assert same_bits(steps, computed(CPU, "float32"))
    assert deviation(steps, computed(CPU, "float32")) == Deviation(0.0, 0.0, 0.0)
    assert not same_bits(steps, computed(CPU, "bfloat16"))
    found = off()
    assert found.within(LIMITS["bfloat16"]) and not found.within(LIMITS["float32"])
    assert agreement.possible(CPU) == ("float32", "bfloat16")


@pytest.mark.parametrize("fault", FAULTS)
def test_likelihoods_gradients_and_moves_that_are_wrong_are_told_apart(
    fault: str, monkeypatch: pytest.MonkeyPatch
):
    plain, usual = MoLEFlow.log_likelihood, Bench.steps

    def log_likelihood(model: MoLEFlow, *given: object) -> tuple[Tensor, Tensor]:
        log_p, logdet = plain(model, *given)  # pyright: ignore
        if model.config.compute.precision == "bfloat16" and fault == "log_p":
            return log_p + 0.002 * log_p.detach().abs().max(), logdet
        if model.config.compute.precision == "bfloat16" and fault == "gradient":
            log_p.register_hook(lambda gradient: 1.5 * gradient)
        return log_p, logdet

    def steps(bench: Bench, model: MoLEFlow, *given: object) -> Steps:
        made = usual(bench, model, *given)  # pyright: ignore
        if model.config.compute.precision == "bfloat16" and fault == "moves":
            optimizer = made.optimizer
            set_rate = optimizer.set_rate
            optimizer.set_rate = lambda rate: set_rate(1.5 * rate)
        return made

    monkeypatch.setattr(MoLEFlow, "log_likelihood", log_likelihood)
    monkeypatch.setattr(Bench, "steps", steps)
    found, limits = dataclasses.asdict(off()), dataclasses.asdict(LIMITS["bfloat16"])
    assert [name for name in FAULTS if found[name] > limits[name]] == [fault]


def test_what_is_not_a_number_is_within_no_limit():
    for name in FAULTS:
        found = dataclasses.replace(Deviation(0.0, 0.0, 0.0), **{name: math.nan})
        assert not found.within(LIMITS["bfloat16"])


def test_a_parameter_without_gradient_is_found():
    one = computed(CPU, "float32")
    other = {
        task: dataclasses.replace(
            step, gradients={n: g for n, g in step.gradients.items() if not n.endswith("bias")}
        )
        for task, step in one.items()
    }
    assert deviation(other, one).gradient == math.inf
