"""Which layout a root folder is in, told from the folders of its classes alone."""

import os
import stat
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from moleflow.data.dagm_layout import DagmLayout
from moleflow.data.dataset_layout import Layout, composed
from moleflow.data.folder_layout import AD2, BTAD, LOCO, MVTEC, FolderLayout
from moleflow.data.ksdd_layout import KsddLayout, is_ksdd
from moleflow.data.listing import first_image, folder_names, folders, listed
from moleflow.data.realiad_layout import realiad
from moleflow.data.strays import loose
from moleflow.data.visa_layout import SPLIT_CSV, VisaLayout
from moleflow.errors import DataError
from moleflow.files import is_text, shown

LOCO_DEFECTS = ("logical_anomalies", "structural_anomalies")
VISA = "VisA"
FOLDERS = {names.title: names for names in (MVTEC, BTAD, LOCO, AD2)}


@dataclass
class Found:
    """What the folders of a root are."""

    kinds: dict[Path, str] = field(default_factory=dict[Path, str])
    """Title of the layout of each class."""
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    """Folders that may be classes, and why that cannot be told."""
    others: list[Path] = field(default_factory=list[Path])
    """Folders that are no classes."""


def _refuse_class(root: Path) -> None:
    for sign in ("train", "Data/Images", "Train/Label", "Test/Label"):
        if Path(sign).name in folder_names((root / sign).parent):
            raise DataError(
                f"{root}: is itself a class (it holds {sign}/); use its parent, {root.parent}"
            )


def recognise(root: Path) -> Layout:
    """The layout of a data set: MVTec AD (also MPDD, or converted from any other), MVTec LOCO,
    MVTec AD 2, BTAD, VisA, Real-IAD, DAGM 2007 or KolektorSDD2.

    Raises:
        DataError: there is no such folder, it holds no class or classes of several layouts, or
            VisA's list of splits is missing or unusable.
    """
    if why := _no_folder(root):
        raise DataError(f"{root}: {why}; name the folder that holds the classes with --data")
    special = _special(root)
    if special is not None:
        return special
    _refuse_class(root)
    found = _look(root)
    layout = _layout(root, found)
    layout.unreadable = found.unreadable
    layout.beside = lambda: _beside(root, found)
    return layout


def _no_folder(root: Path) -> str:
    """Why there is no folder to be read, if so."""
    try:
        return "" if stat.S_ISDIR(root.stat().st_mode) else "is not a folder"
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"


def _special(root: Path) -> Layout | None:
    """A layout that is told from the root folder, not from its classes'.

    Raises:
        DataError: it is one, but incomplete or in another distribution.
    """
    if {"img", "ann"} <= folder_names(root / "train"):
        raise DataError(
            f"{root}: holds train/img and train/ann, which is not how the authors of KolektorSDD2 "
            "publish it; unpack their archive (train/NNNNN.png, train/NNNNN_GT.png)"
        )
    return KsddLayout(root) if is_ksdd(root) else realiad(root)


def _layout(root: Path, found: Found) -> Layout:
    titles = set(found.kinds.values())
    if len(titles) > 1:
        raise DataError(_mixed(root, found.kinds))
    has_list = _holds_file(root, SPLIT_CSV)
    if VISA in titles and not has_list:
        raise DataError(
            f"{root}: holds VisA's pictures (CLASS/Data/Images) but not {SPLIT_CSV}, which says "
            "what is for training and what for testing; add it from the VisA archive"
        )
    if VISA in titles or (not titles and has_list):
        return VisaLayout(root)
    if not titles:
        raise DataError(_no_class(root, found))
    title = titles.pop()
    if title == DagmLayout.title:
        return DagmLayout(root, _named(found))
    return FolderLayout(root, FOLDERS[title], _named(found))


def _holds_file(root: Path, inner: Path) -> bool:
    """Raises:
    DataError: its folder is there, and may not be read.
    """
    if inner.parent.name not in folder_names(root):
        return False
    return any(path.name == inner.name and not deep for path, deep in listed(root / inner.parent))


def _named(found: Found) -> dict[str, Path]:
    """Classes by their names, in the form in which they are typed.

    Raises:
        DataError: two names are the same when typed.
    """
    classes: dict[str, Path] = {}
    for folder in found.kinds:
        name = composed(folder.name)
        if name in classes:
            raise DataError(
                f"{classes[name]!s} and {folder.name!a}: both names read {name!r} (one is composed "
                "of other characters); rename one of them"
            )
        classes[name] = folder
    return classes


def _look(root: Path) -> Found:
    found = Found()
    for folder in folders(root):
        if not is_text(folder.name):
            found.unreadable[shown(folder)] = (
                f"{shown(folder)}: its name is not UTF-8, so it cannot be named; rename it"
            )
            continue
        try:
            content = {path.name for path in folders(folder)}
        except DataError as error:
            found.unreadable[composed(folder.name)] = str(error)
            continue
        if "train" in content and is_ksdd(folder):
            found.unreadable[composed(folder.name)] = (
                f"{folder}: is {KsddLayout.title}, a class by itself; name this folder with --data"
            )
            continue
        kind = _kind(folder, content)
        if kind is None:
            found.others.append(folder)
        else:
            found.kinds[folder] = kind
    return found


def _kind(folder: Path, content: Set[str]) -> str | None:
    """What layout a class is in. One that was converted in place counts as what it became.

    Args:
        content: names of its folders.
    """
    train = folder_names(folder / "train") if "train" in content else set[str]()
    test = folder_names(folder / "test") if "test" in content else set[str]()
    if {"good", "ok"} <= train:
        raise DataError(
            f"{folder}: holds train/good (MVTec layout) and train/ok (BTAD); keep one of them"
        )
    if {"Train", "Test"} <= content and (
        "Label" in folder_names(folder / "Train") | folder_names(folder / "Test")
    ):
        return DagmLayout.title
    if "test_public" in content:
        return AD2.title
    if test.intersection(LOCO_DEFECTS):
        return LOCO.title
    for split in (train, test):
        if "good" in split:
            return MVTEC.title
        if "ok" in split:
            return BTAD.title
    if {"train", "test"} & content:
        return MVTEC.title
    return VISA if "Images" in folder_names(folder / "Data") else None


def _beside(root: Path, found: Found) -> Iterator[str]:
    """What lies beside the classes and is not taken, or is taken twice."""
    yield from loose(root)
    for folder in found.others:
        try:
            inner, first = _classes_below(folder), first_image(folder)
        except DataError as error:
            yield str(error)
            continue
        if inner:
            yield (
                f"{folder}: holds classes of its own, which are not taken ({', '.join(inner)}); "
                f"move them up, into {root}, or name {folder} with --data"
            )
        elif first is not None:
            yield (
                f"{folder}: holds pictures and is no class, so they are not taken; the first is "
                f"{first}. A class has a folder train/good (upper and lower case count)"
            )
    places: dict[str, Path] = {}
    for folder in sorted(found.kinds, key=Path.is_symlink):
        same = places.setdefault(os.path.realpath(folder), folder)
        if same != folder:
            yield f"{folder}: is the folder of class {same.name} too (a link): both are the same"


def _mixed(root: Path, kinds: dict[Path, str]) -> str:
    groups = [
        f"{kind}: {', '.join(sorted(path.name for path in kinds if kinds[path] == kind))}"
        for kind in sorted(set(kinds.values()))
    ]
    return (
        f"{root}: mixes layouts ({'; '.join(groups)}); put the classes of each into a folder of "
        "their own"
    )


def _no_class(root: Path, found: Found) -> str:
    below = [folder for folder in folders(root) if _holds_classes(folder)]
    remedy = (
        f"did you mean {below[0]}?"
        if below
        else "name the folder that holds the classes with --data"
    )
    return "\n".join(
        [
            f"{root}: holds no class (no folder with train/good, train/ok or Data/Images in it); "
            f"{remedy}",
            *found.unreadable.values(),
        ]
    )


def _holds_classes(folder: Path) -> bool:
    try:
        return bool(_classes_below(folder))
    except DataError:
        return False


def _classes_below(folder: Path) -> list[str]:
    """Names of the classes that a folder would have as a data set of its own.

    Raises:
        DataError: it would be refused.
    """
    special = _special(folder)
    return special.class_names() if special else [path.name for path in _look(folder).kinds]
