"""Laws of the flow, in float64."""

import pytest
import torch

from moleflow.config import Config
from moleflow.model import MoLEFlow, log_normal
from moleflow.streams import torch_stream
from moleflow.tasks.bank import Bank

FIRST, LATER = ("bottle",), ("cable", "carpet")
GRID = (2, 3)


def shaken_model(config: Config) -> tuple[MoLEFlow, Bank]:
    """A model in float64 whose every parameter is off its start: nothing is trivially zero."""
    model = MoLEFlow(config, GRID, 7, FIRST)
    model.new_bank(FIRST)
    bank = model.new_bank(LATER)
    model.double()
    draws = torch_stream("shake")
    with torch.no_grad():
        for module in (model.base, bank):
            for parameter in module.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=draws).double())
    return model, bank


def patches(count: int, dim: int) -> torch.Tensor:
    return torch.randn(count, *GRID, dim, generator=torch_stream("patches"), dtype=torch.float64)


@pytest.fixture(params=["freia", "soft"])
def config(request: pytest.FixtureRequest, tiny: Config) -> Config:
    context = 3 if request.param == "soft" else 0
    changes = {"flow.clamp": request.param, "dia.blocks": 3, "dia.context_kernel": context}
    return tiny.updated(changes)


def test_decoding_undoes_encoding(config: Config) -> None:
    model, bank = shaken_model(config)
    x = patches(3, config.patches.dim)
    z, logdet = model.base.encode(x, bank.block_updates())
    z, logdet_dia = bank.refine(z)
    y, back_dia = bank.unrefine(z)
    y, back = model.base.decode(y, bank.block_updates())
    torch.testing.assert_close(y, x, rtol=0, atol=1e-11)
    torch.testing.assert_close(back + back_dia, -(logdet + logdet_dia), rtol=0, atol=1e-11)
    assert logdet.abs().min() > 1e-3


@pytest.mark.slow
def test_logdet_is_autograds(config: Config) -> None:
    model, bank = shaken_model(config)
    x = patches(1, config.patches.dim)

    def flow(flat: torch.Tensor) -> torch.Tensor:
        z, _ = model.base.encode(flat.view_as(x), bank.block_updates())
        return bank.refine(z)[0].flatten()

    jacobian = torch.autograd.functional.jacobian(flow, x.flatten())
    _, logdet_base = model.base.encode(x, bank.block_updates())
    logdet_dia = bank.refine(model.base.encode(x, bank.block_updates())[0])[1]
    expected = torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close((logdet_base + logdet_dia).sum(), expected, rtol=0, atol=1e-9)


def test_logdet_per_patch_is_autograds_without_context(config: Config) -> None:
    model, bank = shaken_model(config.updated({"flow.context_kernel": 0, "dia.context_kernel": 0}))
    x = patches(1, config.patches.dim)
    _, logdet = model.base.encode(x, bank.block_updates())
    for row, column in [(0, 0), (1, 2)]:

        def one_patch(vector: torch.Tensor, row: int = row, column: int = column) -> torch.Tensor:
            changed = x.clone()
            changed[0, row, column] = vector
            return model.base.encode(changed, bank.block_updates())[0][0, row, column]

        jacobian = torch.autograd.functional.jacobian(one_patch, x[0, row, column])
        expected = torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(logdet[0, row, column], expected, rtol=0, atol=1e-9)


def test_a_picture_does_not_depend_on_its_batch_mates(config: Config) -> None:
    model, _ = shaken_model(config)
    x = patches(5, config.patches.dim)
    together, _ = model.log_likelihood(x, LATER)
    alone = torch.cat([model.log_likelihood(x[i : i + 1], LATER)[0] for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)


def test_log_normal_is_torchs(config: Config) -> None:
    z = patches(2, config.patches.dim)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=-1)
    torch.testing.assert_close(log_normal(z), expected)
