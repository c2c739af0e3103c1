"""Features of classes, from the store or made and put there: extracted once for all trials."""

from collections.abc import Callable
from pathlib import Path

import torch

from moleflow.config import Config
from moleflow.data.catalog import ClassData
from moleflow.features.backbone import Backbone
from moleflow.features.cache import ClassFeatures, extract_features, open_features
from orchestration.records.provenance import device_kind
from orchestration.sharing.keys import features_keys
from orchestration.store.store import Store


def stored_features(
    store: Store,
    config: Config,
    data: ClassData,
    fingerprint: str,
    weights: str,
    device: torch.device,
    backbone: Callable[[], Backbone],
) -> ClassFeatures:
    """Features of a class, mapped from the store.

    Args:
        fingerprint: of the class's files.
        weights: identity of the backbone's weights.
        backbone: called only if the features are not in the store yet.

    Raises:
        DataError: a picture cannot be read.
        StoreError: the store cannot be written.
    """

    def make(folder: Path) -> None:
        extract_features(data, config, backbone(), device, folder)

    prints = {data.name: fingerprint}
    keys = features_keys(config, prints, weights, device_kind(device))
    folder, _ = store.get_or_make("features", keys[data.name], make)
    return open_features(folder)
