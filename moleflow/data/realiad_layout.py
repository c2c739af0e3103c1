"""Real-IAD: `<class>.json` decides the split and what is normal, never the folders.

The lists lie in `realiad_jsons` (or _sv, _fuiad_0.1 ...), the pictures in `realiad_1024` (or 256,
512, raw); both in one root, or lists and classes in one folder. A test picture is normal if it has
no mask or its `anomaly_class` is the list's `normal_class`: the defect of a sample may not be seen
in a view, whose file lies below NG all the same. Every training picture counts as normal.
"""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError

from moleflow.data.dataset_layout import Layout, Places
from moleflow.data.listing import folder_names, folders, listed
from moleflow.data.opening import refuse_other_than_files
from moleflow.data.pictures import GOOD, ClassData, Picture
from moleflow.errors import DataError
from moleflow.settings import Settings

LISTS = "realiad_jsons"
PICTURES = "realiad_"

Name = Annotated[str, Field(min_length=1)]


class Meta(Settings):
    """What holds for a whole list."""

    model_config = ConfigDict(extra="allow")

    prefix: str
    """Folder of the class's pictures."""
    normal_class: Name


class Entry(Settings):
    """One picture."""

    category: str
    anomaly_class: Name
    image_path: Name
    mask_path: Name | None


class ClassList(Settings):
    """`<class>.json`."""

    meta: Meta
    train: tuple[Entry, ...]
    test: tuple[Entry, ...]


class RealIadLayout(Layout):
    """Classes listed by JSON files."""

    title = "Real-IAD"
    places = Places(
        train="in train of its JSON list",
        test="in test of its JSON list",
        test_good="with anomaly_class OK or no mask_path, in test of its JSON list",
        test_anomalous="with a mask_path, in test of its JSON list",
    )

    def __init__(self, root: Path, lists: Path, pictures: Path):
        """Args:
        lists: folder of the JSON lists.
        pictures: folder of the classes' folders.
        """
        super().__init__(root)
        self._lists = {path.stem: path for path in _json_files(lists)}
        self._pictures = pictures
        self._read: dict[str, ClassList] = {}

    def class_names(self) -> list[str]:
        return sorted(self._lists)

    def contradictions(self, name: str) -> list[str]:
        path = self._lists[name]
        try:
            found = _read_list(path)
        except DataError as error:
            return [str(error)]
        self._read[name] = found
        entries = (*found.train, *found.test)
        files = [file for one in entries for file in (one.image_path, one.mask_path) if file]
        outside = [file for file in files if not _is_inside(found.meta.prefix, file)]
        twice = [file for file, n in Counter(one.image_path for one in entries).items() if n > 1]
        return [
            *(f"{path}: {file} points out of the class's folder" for file in outside),
            *(f"{path}: {file} is listed more than once; keep one" for file in twice),
        ]

    def read_class(self, name: str) -> ClassData:
        found = self._list(name)
        train = sorted(self._path(found, one.image_path) for one in found.train)
        test = [self._picture(found, one) for one in found.test]
        return ClassData(
            name,
            tuple(Picture(path, GOOD) for path in train),
            tuple(sorted(test, key=lambda picture: picture.path)),
        )

    def mask_advice(self, picture: Picture) -> str:
        raise AssertionError(f"{picture.path}: without a mask a picture is normal")

    def remarks(self, data: ClassData) -> list[str]:
        found = self._list(data.name)
        normal = found.meta.normal_class
        noisy = sum(one.anomaly_class != normal for one in found.train)
        unseen = sum(one.anomaly_class != normal and one.mask_path is None for one in found.test)
        lines: list[str] = []
        if noisy:
            lines.append(
                f"{noisy} of {len(found.train)} training pictures are listed as anomalous (a list "
                "for noisy training) and trained on as normal ones"
            )
        if unseen:
            lines.append(
                f"{unseen} test pictures of anomalous samples have no mask: the defect is not seen "
                "in that view, and they count as normal"
            )
        return lines

    def _list(self, name: str) -> ClassList:
        if name not in self._read:
            self._read[name] = _read_list(self._lists[name])
        return self._read[name]

    def _picture(self, found: ClassList, one: Entry) -> Picture:
        path = self._path(found, one.image_path)
        if one.mask_path is None or one.anomaly_class == found.meta.normal_class:
            return Picture(path, GOOD)
        return Picture(path, one.anomaly_class, self._path(found, one.mask_path))

    def _path(self, found: ClassList, file: str) -> Path:
        return self._pictures / found.meta.prefix / file


def realiad(root: Path) -> RealIadLayout | None:
    """Real-IAD's layout, if a folder is its root, its lists, or its lists and pictures in one.

    Raises:
        DataError: there are several sets of lists, or several sizes of pictures, or one is missing.
    """
    files = _json_files(root)
    if {path.stem for path in files} & folder_names(root):
        return RealIadLayout(root, root, root)
    if files and root.name.startswith(LISTS):
        above = root.parent.parent if root.parent.name.startswith(LISTS) else root.parent
        return RealIadLayout(root, root, _pictures_beside(root, above))
    sets = [path for path in folders(root) if path.name.startswith(LISTS)]
    if sets:
        lists = _one(root, sets, "sets of lists", "name the one to use with --data")
        inner = lists / lists.name  # as some archives unpack
        lists = inner if not _json_files(lists) and inner.name in folder_names(lists) else lists
        return RealIadLayout(root, lists, _pictures_beside(root, root))
    bare = [path for path in folders(root) if {"OK", "NG"} <= folder_names(path)]
    if bare:
        raise DataError(
            f"{root}: holds Real-IAD's pictures ({bare[0].name}/OK, {bare[0].name}/NG) but not its "
            "JSON lists, which say what is normal; put the <class>.json of one set beside the "
            "classes"
        )
    return None


def _pictures_beside(root: Path, above: Path) -> Path:
    sizes = [
        path
        for path in folders(above)
        if path.name.startswith(PICTURES) and not path.name.startswith(LISTS)
    ]
    if not sizes:
        raise DataError(
            f"{root}: holds Real-IAD's lists, but there are no pictures in {above}/realiad_1024 "
            "(or _256, _512, _raw); unpack them there"
        )
    return _one(root, sizes, "sizes of pictures", "keep the one to use, move the others elsewhere")


def _one(root: Path, found: list[Path], what: str, remedy: str) -> Path:
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{root}: holds several {what} of Real-IAD ({names}); {remedy}")
    return found[0]


def _json_files(folder: Path) -> list[Path]:
    return [path for path, is_folder in listed(folder) if not is_folder and path.suffix == ".json"]


def _read_list(path: Path) -> ClassList:
    refuse_other_than_files(path)
    try:
        return ClassList.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(
            f"{path}: is not a list of Real-IAD ({place}: {first['msg']}); take it from the "
            "archive again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _is_inside(prefix: str, file: str) -> bool:
    path = PurePosixPath(prefix) / file
    return not path.is_absolute() and ".." not in path.parts
