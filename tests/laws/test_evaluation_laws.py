"""Laws of evaluation: what is computed once, what may be halved, and what no batch mate changes."""

import time

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import nn
from torch.nn import functional as F

from moleflow.config import Config
from moleflow.config_parts import ScoringConfig
from moleflow.data.ahead import done_ahead
from moleflow.device import fitting
from moleflow.evaluation import SequenceEvaluation
from moleflow.metrics.detection import aupro, binary_scores
from moleflow.model import MoLEFlow
from moleflow.scoring import anomaly_maps
from moleflow.streams import numpy_stream, torch_stream
from moleflow.tasks import freeze
from moleflow.tasks.freeze import Digests, Snapshot, module_digest


def patch_scores(images: int, side: int) -> torch.Tensor:
    """Of the size that they have at 768 channels."""
    return 700 + 50 * torch.randn(images, side, side, generator=torch_stream("evaluation laws"))


@pytest.mark.parametrize(("side", "size", "smoothing"), [(28, 224, 4.0), (7, 20, 9.0), (9, 5, 0.5)])
@pytest.mark.parametrize("corners", [True, False])
def test_maps_are_torchs_bilinear_and_scipys_gaussian(
    side: int, size: int, smoothing: float, corners: bool
) -> None:
    patches, config = (
        patch_scores(2, side),
        ScoringConfig(smoothing=smoothing, align_corners=corners),
    )
    square = (size, size)
    large = F.interpolate(
        patches.double().unsqueeze(1), square, mode="bilinear", align_corners=corners
    )
    expected = gaussian_filter(large.squeeze(1).numpy(), (0, smoothing, smoothing))
    found = anomaly_maps(patches, size, config).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-7)


def test_a_map_does_not_depend_on_its_batch() -> None:
    patches = patch_scores(5, 14)
    together = anomaly_maps(patches, 56, ScoringConfig())
    alone = [anomaly_maps(one.unsqueeze(0), 56, ScoringConfig()) for one in patches]
    assert torch.equal(together, torch.cat(alone))


def test_patches_that_score_alike_make_pixels_that_are_tied() -> None:
    flat = torch.full((1, 28, 28), 123.4567)
    assert len(anomaly_maps(flat, 224, ScoringConfig()).unique()) == 1


def test_metrics_are_the_same_of_arrays_and_of_tensors() -> None:
    draws = numpy_stream("evaluation laws", "metrics")
    masks = draws.random((3, 20, 20)) < 0.2
    maps = draws.normal(size=masks.shape).astype(np.float32) + masks
    tensor = torch.from_numpy(maps)
    assert aupro(masks, maps) == aupro(masks, tensor)
    assert binary_scores(masks.ravel(), maps.ravel()) == binary_scores(
        masks.ravel(), tensor.ravel()
    )


def test_batches_are_halved_until_they_fit() -> None:
    tried: list[int] = []

    def work(size: int) -> str:
        tried.append(size)
        if size > 3:
            raise torch.OutOfMemoryError("no room")
        return "done"

    assert fitting(work, 16) == ("done", 2)
    assert tried == [16, 8, 4, 2]


def test_a_batch_of_one_that_does_not_fit_is_an_error() -> None:
    def work(size: int) -> None:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        fitting(work, 4)


@pytest.mark.parametrize("value", [float("nan"), -0.0, 1.0])
def test_a_snapshot_tells_every_byte(value: float) -> None:
    module = nn.BatchNorm1d(3)
    module.weight.data[0], module.running_var[2] = 0.0, float("nan")  # pyright: ignore
    snapshot = Snapshot(module)
    assert snapshot.equals(module)
    module.weight.data[0] = value
    assert not snapshot.equals(module)


def test_a_digest_is_computed_anew_when_a_byte_changes_and_only_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[nn.Module] = []

    def counted(module: nn.Module) -> str:
        hashed.append(module)
        return module_digest(module)

    monkeypatch.setattr(freeze, "module_digest", counted)
    module, digests = nn.Linear(3, 2), Digests()
    assert digests.of(module) == digests.of(module) == module_digest(module)
    assert len(hashed) == 1
    with torch.no_grad():
        module.bias.view(torch.uint8)[5] ^= 1
    assert digests.of(module) == module_digest(module)
    assert len(hashed) == 2


def test_work_done_ahead_keeps_its_order() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number

    assert list(done_ahead(work, range(20), ahead=5)) == list(range(20))


def test_an_error_of_work_done_ahead_comes_in_its_turn() -> None:
    arrived = done_ahead(lambda number: 6 // number, [3, 2, 0, 1], ahead=9)
    assert [next(arrived), next(arrived)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(arrived)


@pytest.mark.parametrize(("top_k", "told"), [(4, 0), (5, 1)])
def test_more_patches_than_there_are_is_told(top_k: int, told: int) -> None:
    model, notes = (
        MoLEFlow(Config().updated({"scoring.top_k": top_k}), (2, 2), 0, ("a",)),
        list[str](),
    )
    SequenceEvaluation(model, (("a",),), {}, {}, note=notes.append)
    assert len(notes) == told
    assert not notes or notes[0] == "scoring.top_k is 5, and pictures have 4 patches: all count"
