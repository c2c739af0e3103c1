"""Laws of the variants: what trains, and what an order can change, under each of them."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from moleflow.conditioning.film import Film
from moleflow.config import Config
from moleflow.data.sequences import Task
from moleflow.errors import ConfigError, FrozenStateError
from moleflow.model import MoLEFlow
from moleflow.streams import torch_stream
from moleflow.tasks.freeze import module_digest
from moleflow.training.adam import AdamW
from moleflow.training.optimizer import build_optimizer
from moleflow.training.task_patches import MappedPatches
from moleflow.training.train import train_task

pytestmark = pytest.mark.slow

GRID = (4, 4)
A, B, C = ("bottle",), ("cable",), ("carpet",)
CHANNELS = 6


def features(task: Task, config: Config) -> torch.Tensor:
    channels = config.patches.dim + (CHANNELS if config.multiscale != "off" else 0)
    draws = torch_stream("features", task)
    centre = torch.randn(channels, generator=draws)
    return (centre + torch.randn(10, *GRID, channels, generator=draws)).half()


def new_model(config: Config, first: Task, seed: int = 0) -> MoLEFlow:
    channels = CHANNELS if config.multiscale != "off" else 0
    return MoLEFlow(config, GRID, seed, first, channels)


def train(config: Config, order: list[Task]) -> MoLEFlow:
    model = new_model(config, order[0])
    for task in order:
        list(train_task(model, task, [features((name,), config) for name in task]))
    return model


def scores(model: MoLEFlow, task: Task) -> torch.Tensor:
    with torch.inference_mode():
        return model.log_likelihood(features(task, model.config).float(), task)[0]


def test_an_unfrozen_base_goes_on_training_under_earlier_banks(tiny: Config) -> None:
    config = tiny.updated({"freeze_base": False})
    one, two = train(config, [A]), train(config, [A, B])
    assert module_digest(one.base) != module_digest(two.base)
    assert module_digest(one.banks[A]) == module_digest(two.banks[A])
    assert not torch.equal(scores(one, A), scores(two, A))


def test_every_parameter_of_an_unfrozen_base_moves_with_a_later_task(tiny: Config) -> None:
    config = tiny.updated({"freeze_base": False})
    before = dict(train(config, [A]).base.named_parameters())
    after = dict(train(config, [A, B]).base.named_parameters())
    assert [name for name in before if torch.equal(before[name], after[name])] == []


def test_separate_flows_start_alike(tiny: Config) -> None:
    model = new_model(tiny.updated({"separate": True}), A)
    for task in (A, B, C):
        model.new_bank(task)
    assert len({module_digest(model.base_of(task)) for task in (A, B, C)}) == 1
    assert len({id(model.base_of(task)) for task in (A, B, C)}) == 3


def test_separate_flows_do_not_depend_on_any_other_task(tiny: Config) -> None:
    config = tiny.updated({"separate": True})
    one, other = train(config, [A, B]), train(config, [B, A])
    for task in (A, B):
        assert module_digest(one.base_of(task)) == module_digest(other.base_of(task))
        assert module_digest(one.banks[task]) == module_digest(other.banks[task])
        assert torch.equal(scores(one, task), scores(other, task))
    assert module_digest(one.base_of(A)) != module_digest(one.base_of(B))


def test_separate_and_unfrozen_exclude_each_other(tiny: Config) -> None:
    with pytest.raises(ConfigError, match="exclude each other"):
        tiny.updated({"separate": True, "freeze_base": False})


def test_positional_seeding_breaks_order_invariance(tiny: Config) -> None:
    config = tiny.updated({"seeding": "positional"})
    one, other = train(config, [A, B, C]), train(config, [A, C, B])
    assert module_digest(one.base) == module_digest(other.base)
    assert module_digest(one.banks[B]) != module_digest(other.banks[B])
    assert not torch.equal(scores(one, B), scores(other, B))


def test_a_task_of_two_classes_is_trained_on_both(tiny: Config) -> None:
    both = (*A, *B)
    joint = train(tiny, [both])
    parts = [features(A, tiny), features(B, tiny)]
    again = new_model(tiny, both)
    list(train_task(again, both, [torch.cat(parts)]))
    assert module_digest(joint.base) == module_digest(again.base)
    only = new_model(tiny, both)
    list(train_task(only, both, [parts[0], parts[0]]))
    assert module_digest(joint.base) != module_digest(only.base)


def test_patches_are_gathered_across_classes_in_the_order_asked() -> None:
    parts = [torch.arange(n).view(n, 1, 1, 1).float() + 10 * n for n in (3, 1, 4)]
    whole, patches = torch.cat(parts), MappedPatches(parts)
    asked = torch.tensor([7, 0, 3, 2, 4])
    assert len(patches) == 8
    assert torch.equal(patches.gather(asked), whole[asked])


VARIANTS: Mapping[str, dict[str, Any]] = {
    "film": {"adapter": "film"},
    "multi-scale": {"multiscale": "on", "multiscale.kernel": 3},
    "task gate": {"mixer.gate": "task"},
    "plain subnet": {"flow.context_kernel": 0},
    "no mixer": {"mixer.kernel": 0},
    "no lora": {"lora": "off"},
    "no task bias": {"task_bias": False},
    "8 dia blocks": {"dia.blocks": 8},
    "mole only, 20 blocks": {"dia.blocks": 0, "flow.blocks": 20},
    "dia only": {"flow.blocks": 0},
    "unbounded": {"adapter.bounds": "none", "adapter.init": "task0"},
    "soft, fixed affine": {"flow.clamp": "soft", "flow.train_global_affine": False},
    "no adapter, no code": {"adapter": "none", "position": "none"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_later_tasks_leave_every_variants_base_and_banks_unchanged(name: str, tiny: Config) -> None:
    config = tiny.updated(VARIANTS[name] | {"training.weight_decay": 0.5})
    model = train(config, [A, B])
    frozen = [model.base, model.banks[A], model.banks[B]]
    before, scored = [module_digest(m) for m in frozen], [scores(model, t) for t in (A, B)]
    list(train_task(model, C, [features(C, config)]))
    assert [module_digest(m) for m in frozen] == before
    assert all(torch.equal(scores(model, t), s) for t, s in zip((A, B), scored, strict=True))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_of_every_variants_bank_moves(name: str, tiny: Config) -> None:
    config = tiny.updated(VARIANTS[name] | {"training.warmup_epochs": 0, "training.batch_size": 10})
    fresh = new_model(config, A)
    fresh.new_bank(A)
    start = {key: p.clone() for key, p in fresh.new_bank(B).named_parameters()}
    trained = dict(train(config, [A, B]).banks[B].named_parameters())
    assert start.keys() == trained.keys()
    assert [key for key in start if torch.equal(start[key], trained[key])] == []


@pytest.mark.parametrize("name", VARIANTS)
def test_every_parameter_of_every_variants_base_moves_with_task_0(name: str, tiny: Config) -> None:
    config = tiny.updated(VARIANTS[name])
    start = dict(new_model(config, A).base.named_parameters())
    trained = dict(train(config, [A]).base.named_parameters())
    assert [key for key in start if torch.equal(start[key], trained[key])] == []


def test_a_stage_that_changes_frozen_bytes_fails(
    tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = train(tiny, [A])
    step = AdamW.zero_grad

    def meddling(*args: Any, **named: Any) -> None:
        model.banks[A].get_parameter("adapter.gamma_raw").data[0] += 1e-7
        step(*args, **named)

    monkeypatch.setattr(AdamW, "zero_grad", meddling)
    with pytest.raises(FrozenStateError, match="bank bottle"):
        list(train_task(model, B, [features(B, tiny)]))


def test_film_is_that_of_framework(tiny: Config) -> None:
    config = tiny.updated({"adapter": "film", "adapter.gate": 0.3})
    model = new_model(config, A)
    first, later = model.new_bank(A).adapter, model.new_bank(B).adapter
    assert isinstance(first, Film) and isinstance(later, Film)
    later.load_state_dict(first.state_dict())
    draws = torch_stream("film")
    for film in (first, later):
        film.double()
    with torch.no_grad():
        for one, other in zip(first.parameters(), later.parameters(), strict=True):
            one.add_(torch.randn(one.shape, generator=draws, dtype=torch.float64))
            other.copy_(one)
    x = torch.randn(2, *GRID, 16, generator=draws, dtype=torch.float64)
    mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    f = (x - mean) / (var + 1e-5).sqrt() * first.norm_weight + first.norm_bias
    f = first.gamma * f + first.beta
    y = f + first.mlp(f) / (1 + torch.exp(-first.gate))
    torch.testing.assert_close(later(x), y, rtol=0, atol=1e-12)
    torch.testing.assert_close(first(x), 0.9 * x + 0.1 * y, rtol=0, atol=1e-12)


def test_film_starts_as_the_papers() -> None:
    config = Config().updated({"adapter": "film", "patches.dim": 400, "dia.blocks": 0})
    bank = MoLEFlow(config.updated({"flow.blocks": 0}), GRID, 0, A).new_bank(A)
    film = bank.adapter
    assert isinstance(film, Film)
    assert [
        tuple(layer.weight.shape) for layer in film.mlp if isinstance(layer, torch.nn.Linear)
    ] == [
        (200, 400),
        (200, 200),
        (400, 200),
    ]
    assert film.gate.item() == 0.5
    last = film.mlp[-1]
    assert isinstance(last, torch.nn.Linear)
    assert last.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not last.bias.any()


@pytest.mark.parametrize(
    ("change", "base_trains_later"),
    [({}, False), ({"freeze_base": False}, True), ({"separate": True}, True)],
)
def test_the_optimizer_of_every_stage_holds_exactly_what_trains(
    change: dict[str, Any], base_trains_later: bool, tiny: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[AdamW] = []

    def spy(*arguments: Any) -> AdamW:
        built.append(build_optimizer(*arguments))
        return built[-1]

    monkeypatch.setattr("moleflow.training.steps.build_optimizer", spy)
    config = tiny.updated({"training.dia_lr": 0.25} | change)
    model = train(config, [A, B])
    for task, optimizer, with_base in ((A, built[0], True), (B, built[1], base_trains_later)):
        owned = list(model.banks[task].parameters())
        owned += list(model.base_of(task).parameters()) if with_base else []
        held = optimizer.parameters
        assert sorted(map(id, held)) == sorted(map(id, owned))
        dia = {id(p) for p in model.banks[task].dia.parameters()}
        rates = {id(p): group.multiple for group in optimizer.groups for p in group.parameters}
        assert {rates[p] for p in dia} == {0.25}
