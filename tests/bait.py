"""Modules that someone left in a folder, by names that programs import."""

from pathlib import Path

NAMES = (
    *("json", "pickle", "threading", "struct", "socket", "random", "tempfile", "sitecustomize"),
    *("ray", "torch", "mlflow", "uvicorn", "numpy", "psutil", "timm", "pydantic", "moleflow"),
)
MODULE = """
import os
with open(os.environ["BAIT"], "a") as file:
    file.write(__file__ + "\\n")
raise ImportError(f"{__file__} is not the module that was meant")
"""


def lay_bait(folder: Path) -> None:
    """Which of them are executed stands in the file that BAIT names in the environment."""
    for name in NAMES:
        (folder / f"{name}.py").write_text(MODULE)
