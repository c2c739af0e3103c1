"""Laws of banks: what they start as, what they hold, what trains when."""

import pytest
import torch

from moleflow import profiles
from moleflow.config import Config
from moleflow.features.backbone import load_backbone
from moleflow.features.patches import patch_vectors
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.tasks.bank import Bank
from moleflow.training.optimizer import build_optimizer

FIRST, LATER = ("bottle",), ("cable",)
GRID = (4, 4)


def new_model(config: Config) -> tuple[MoLEFlow, Bank, Bank]:
    model = MoLEFlow(config, GRID, 0, FIRST)
    return model, model.new_bank(FIRST), model.new_bank(LATER)


def test_a_fresh_bank_equals_the_base_bit_for_bit(tiny: Config) -> None:
    model, _, bank = new_model(tiny)
    x = torch.randn(3, *GRID, tiny.patches.dim, generator=torch_stream("x"))
    alone, logdet = model.base.encode(x, [None] * len(model.base.blocks))
    with_bank, logdet_bank = model.base.encode(x, bank.block_updates())
    assert torch.equal(alone, with_bank)
    assert torch.equal(logdet, logdet_bank)


def test_a_fresh_bank_equals_the_base_bit_for_bit_in_thin_products_too(tiny: Config) -> None:
    model, _, bank = new_model(tiny.updated({"lora.rank": 1, "patches.dim": 32}))
    model.base.requires_grad_(False)
    x = torch.randn(3, *GRID, 32, generator=torch_stream("x"))
    alone, _ = model.base.encode(x, [None] * len(model.base.blocks))
    with_bank, _ = model.base.encode(x, bank.block_updates())
    assert torch.equal(alone, with_bank)


def test_a_dia_is_the_identity_at_birth(tiny: Config) -> None:
    _, _, bank = new_model(tiny)
    z = torch.randn(3, *GRID, tiny.patches.dim, generator=torch_stream("z"))
    refined, logdet = bank.refine(z)
    assert torch.equal(refined, z)
    assert torch.equal(logdet, torch.zeros_like(logdet))


def test_first_task_trains_base_and_bank_and_later_tasks_their_bank_alone(tiny: Config) -> None:
    model, first, later = new_model(tiny)
    for bank, base in ((first, model.base), (later, None)):
        optimizer = build_optimizer(tiny.training, bank, base)
        held = [id(parameter) for parameter in optimizer.parameters]
        owned = list(bank.parameters()) + (list(base.parameters()) if base else [])
        assert sorted(held) == sorted(id(p) for p in owned)
        assert len(set(held)) == len(held)


def test_task0_gamma_starts_near_one_and_later_ones_in_the_middle(tiny: Config) -> None:
    _, first, later = new_model(tiny)
    assert first.adapter is not None and later.adapter is not None
    torch.testing.assert_close(first.adapter.gamma_raw, torch.full((16,), -0.7))
    torch.testing.assert_close(later.adapter.gamma, torch.full((16,), 1.25))
    assert first.adapter.penalty().item() > 0
    assert later.adapter.penalty().item() == 0


@pytest.mark.slow
def test_visa_vit_is_built_as_it_was_published() -> None:
    """Counts that DeCoFlow's code comes to: 8,541,696 a task (`settings.csv`, V61)."""
    config = profiles.visa_vit().updated({"backbone.weights": "random"})
    size = config.image.size
    with torch.inference_mode():
        maps = load_backbone(config.backbone)(torch.zeros(1, 3, size, size))
    assert [tuple(stage.shape[1:]) for stage in maps] == [(768, 14, 14)] * 4
    patches = patch_vectors(maps, config.patches)
    assert patches.shape == (1, 14, 14, 768)
    assert torch.equal(patches, torch.stack(maps).mean(0).permute(0, 2, 3, 1))
    model = MoLEFlow(config, (14, 14), 0, FIRST)
    counts = model.new_bank(FIRST).parameter_counts()
    published = {"lora": 3_194_880, "task_bias": 23_040, "adapter": 1_536, "dia": 5_322_240}
    assert counts == published | {"gate": 0} and sum(counts.values()) == 8_541_696


def test_parameter_counts_of_main_are_those_of_the_paper() -> None:
    model = MoLEFlow(profiles.main(), (28, 28), 0, FIRST)
    model.new_bank(FIRST)
    counts = model.new_bank(LATER).parameter_counts()
    assert counts["lora"] == 1_916_928
    assert counts["task_bias"] == 13_824
    assert counts["adapter"] == 1_536
    assert counts["dia"] == 1_774_080
    assert sum(counts.values()) == 3_706_368
    for block in model.base.blocks:
        linears = [
            block.subnet.slot(name) for name in ("scale_in", "scale_out", "shift_in", "shift_out")
        ]
        assert sum(p.numel() for linear in linears for p in linear.parameters()) == 1_476_864
