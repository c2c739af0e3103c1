"""Features of classes: found in a store or made, in one way for whoever needs them."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import torch

from moleflow.config import Config
from moleflow.data.catalog import ClassData, fingerprint
from moleflow.errors import DataError, WeightsError
from moleflow.features.backbone import Backbone, load_backbone, weights_identity
from moleflow.features.cache import extract_features
from moleflow.selection import write_defects


class Extraction:
    """How features are made where no store has them: with one backbone, loaded when it is needed.

    What is extracted stays in a store for good, under a key that says of which files and weights
    it is, so both are looked at, and not remembered.
    """

    def __init__(self, config: Config, weights: str, device: torch.device):
        """Args:
        weights: what the backbone's weights must be (`weights_identity`).
        """
        self._config = config
        self._weights = weights
        self._device = device

    def of(self, data: ClassData, files: str) -> Callable[[Path], None]:
        """What makes the features of a class in a folder.

        Args:
            files: the fingerprint that the class's files must have.

        Returns:
            A function that raises DataError where the files are other ones or cannot be read, and
            WeightsError where the weights are.
        """

        def make(folder: Path) -> None:
            _check_files(data, files)
            extract_features(data, self._config, self._backbone, self._device, folder)

        return make

    def of_defects(self, data: ClassData, files: str, bits: int | None) -> Callable[[Path], None]:
        """What draws defects on held-out pictures of a class, and writes their features.

        Args:
            bits: that values of its 16-bit pictures use.

        Returns:
            As `of`.
        """

        def make(folder: Path) -> None:
            _check_files(data, files)
            write_defects(data, self._config, self._backbone, self._device, bits, folder)

        return make

    def check_weights(self) -> None:
        """Raises:
        WeightsError: the backbone's weights are not what they must be.
        """
        config = self._config.backbone
        if weights_identity(config) != self._weights:
            raise WeightsError(
                f"backbone.weights: {config.weights} is not what was asked for ({self._weights}); "
                "put that file back, or run the study again to plan it anew"
            )

    @cached_property
    def _backbone(self) -> Backbone:
        self.check_weights()
        return load_backbone(self._config.backbone)


def _check_files(data: ClassData, files: str) -> None:
    if fingerprint(data) != files:
        raise DataError(
            f"files of class {data.name} have changed since they were checked; run the "
            "command again"
        )
