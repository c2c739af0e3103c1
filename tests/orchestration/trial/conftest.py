"""Pictures that trials of several files learn."""

from pathlib import Path

import pytest

from moleflow.data.synthetic import make_synthetic


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_synthetic(tmp_path_factory.mktemp("data") / "synthetic")
