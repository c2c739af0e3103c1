"""Which layout a root folder is in, told from the folders of its classes alone."""

from pathlib import Path
from typing import Literal

from moleflow.data.folder_layout import FolderLayout
from moleflow.data.layout import Layout
from moleflow.data.listing import folders
from moleflow.data.visa_layout import SPLIT_CSV, VisaLayout
from moleflow.errors import DataError

Kind = Literal["MVTec layout", "BTAD", "VisA"]

GOOD_FOLDERS: dict[Kind, str] = {"MVTec layout": "good", "BTAD": "ok"}


def recognise(root: Path) -> Layout:
    """The layout of a data set: MVTec (also MPDD, or converted from any other), BTAD or VisA.

    Raises:
        DataError: there is no such folder, it holds no class or classes of several layouts, or
            VisA's list of splits is missing or unusable.
    """
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root}: {state}; name the folder that holds the classes with --data")
    for sign in ("train", "Data/Images"):
        if (root / sign).is_dir():
            raise DataError(
                f"{root}: is itself a class (it holds {sign}/); use its parent, {root.parent}"
            )
    kinds = _kinds(root)
    if len(set(kinds.values())) > 1:
        raise DataError(_mixed(root, kinds))
    listed = (root / SPLIT_CSV).is_file()
    if "VisA" in kinds.values() and not listed:
        raise DataError(
            f"{root}: holds VisA's pictures (CLASS/Data/Images) but not {SPLIT_CSV}, which says "
            "what is for training and what for testing; add it from the VisA archive"
        )
    if "VisA" in kinds.values() or (not kinds and listed):
        return VisaLayout(root)
    if not kinds:
        raise DataError(_no_class(root))
    kind = next(iter(kinds.values()))
    return FolderLayout(root, kind, GOOD_FOLDERS[kind], sorted(kinds))


def _kinds(root: Path) -> dict[str, Kind]:
    return {folder.name: kind for folder in folders(root) if (kind := _kind(folder)) is not None}


def _kind(folder: Path) -> Kind | None:
    """What layout a class is in. One that was converted in place counts as what it became."""
    for split in ("train", "test"):
        good, ok = ((folder / split / name).is_dir() for name in ("good", "ok"))
        if good and ok and split == "train":
            raise DataError(
                f"{folder}: holds train/good (MVTec layout) and train/ok (BTAD); keep one of them"
            )
        if good:
            return "MVTec layout"
        if ok:
            return "BTAD"
    if (folder / "train").is_dir() or (folder / "test").is_dir():
        return "MVTec layout"
    return "VisA" if (folder / "Data" / "Images").is_dir() else None


def _mixed(root: Path, kinds: dict[str, Kind]) -> str:
    groups = [
        f"{kind}: {', '.join(name for name in sorted(kinds) if kinds[name] == kind)}"
        for kind in sorted(set(kinds.values()))
    ]
    return (
        f"{root}: mixes layouts ({'; '.join(groups)}); put the classes of each into a folder of "
        "their own"
    )


def _no_class(root: Path) -> str:
    below = [folder for folder in folders(root) if _kinds(folder)]
    remedy = (
        f"did you mean {below[0]}?"
        if below
        else "name the folder that holds the classes with --data"
    )
    return (
        f"{root}: holds no class (no folder with train/good, train/ok or Data/Images in it); "
        f"{remedy}"
    )
