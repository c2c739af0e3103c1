"""What lies in a class's folders and is not taken, told rather than passed over."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from moleflow.data.listing import folders, images_below, is_picture, listed
from moleflow.data.opening import SUFFIXES, holds_picture
from moleflow.data.pictures import Picture

FOREIGN = (
    *(".gif", ".jp2", ".j2k", ".jpe", ".jfif", ".heic", ".heif", ".avif", ".jxl", ".pgm", ".ppm"),
    *(".pnm", ".pbm", ".tga", ".psd", ".dng", ".raw", ".cr2", ".nef", ".arw", ".exr", ".hdr"),
    *(".npy", ".npz", ".mat", ".dcm", ".svg", ".eps", ".pdf", ".ico"),
)
"""Suffixes of pictures that are not read."""
TEXTS = (".txt", ".json", ".xml", ".csv", ".md", ".yaml", ".yml", ".html", ".db", ".ini")
"""Suffixes of what lies beside pictures, often one for each, and is none."""
LIKE_MASKS = ("gt", "mask", "label", "annotation", "segmentation")
"""Words in names of folders that masks may be in; also with an s."""
CALLED_MASK = re.compile(
    r"(.+)[-_. ](?:masks?|gt|labels?|seg|segmentation|annotations?|ground_?truth)", re.IGNORECASE
)
"""How masks are called after their pictures, without suffix."""


def beside_pictures(folder: Path) -> Iterator[str]:
    """Pictures in a folder's folders, and files of other kinds, where only pictures are read."""
    yield from below_pictures(folder)
    yield from of_other_kinds(folder)


def below_pictures(folder: Path) -> Iterator[str]:
    """Pictures in a folder's folders, where only pictures are read."""
    content = listed(folder)
    below = [path for inner, is_folder in content if is_folder for path in images_below(inner)]
    if below:
        yield (
            f"{folder}: {_pictures(below)} in folders below it {_are(below)} not taken; the first "
            f"is {below[0]}. Move them up, into {folder.name}"
        )


def of_other_kinds(folder: Path) -> Iterator[str]:
    """Pictures in a folder that are not read, for what they are or for what they are called."""
    files = [path for path, is_folder in listed(folder) if not is_folder and not is_picture(path)]
    foreign = [path for path in files if _is_foreign(path)]
    if foreign:
        kinds = ", ".join(f"{n} {s}" for s, n in Counter(p.suffix for p in foreign).items())
        yield (
            f"{folder}: {len(foreign)} files of other kinds than are read ({kinds}) are not taken; "
            f"the first is {foreign[0]}. Save them as one of {', '.join(SUFFIXES)}"
        )
    misnamed = [path for path in files if _may_be_picture(path) and holds_picture(path)]
    if misnamed:
        yield (
            f"{folder}: {_pictures(misnamed)} by content, but not by name, {_are(misnamed)} not "
            f"taken; the first is {misnamed[0]}. Let names end with {', '.join(SUFFIXES)}"
        )


def of_other_kinds_below(folder: Path, depth: int) -> Iterator[str]:
    """Of a folder and the folders in it, so many deep."""
    yield from of_other_kinds(folder)
    if depth:
        for inner in folders(folder):
            yield from of_other_kinds_below(inner, depth - 1)


def loose(folder: Path) -> Iterator[str]:
    """Pictures in a folder whose folders say what its pictures are."""
    found = [path for path, is_folder in listed(folder) if not is_folder and is_picture(path)]
    if found:
        yield (
            f"{folder}: {_pictures(found)} in no folder of a kind {_are(found)} not taken; the "
            f"first is {found[0]}"
        )


def unused_masks(truth: Path, test: Sequence[Picture]) -> list[Path]:
    """Masks that belong to no picture."""
    used = {mask for picture in test for mask in picture.masks}
    return [path for path in images_below(truth) if path not in used]


def masks_among(pictures: Sequence[Picture], places: str) -> Iterator[str]:
    """Files called like masks of pictures beside them, where they would count as pictures.

    Args:
        places: where masks belong.
    """
    stems = {picture.path.with_suffix("") for picture in pictures}
    found = [
        picture.path
        for picture in pictures
        if picture.mask is None
        and (called := CALLED_MASK.fullmatch(picture.path.stem))
        and picture.path.parent / called[1] in stems
    ]
    if found:
        yield (
            f"{found[0].parent}: {len(found)} file{'s are' if len(found) > 1 else ' is'} called "
            f"like masks of the pictures beside them and would count as pictures; the first is "
            f"{found[0]}. Move masks to {places}, or rename pictures"
        )


def said_of_masks(unused: Sequence[Path], truth: Path, expected: str) -> str:
    """What is said of masks that belong to no picture."""
    return (
        f"{truth}: {len(unused)} mask{'s' * (len(unused) > 1)} belong{'s' * (len(unused) == 1)} to "
        f"no picture and {_are(unused)} not taken; the first is {unused[0]}. Expected is {expected}"
    )


def other_folders(folder: Path, known: Collection[str]) -> Iterator[tuple[Path, list[Path]]]:
    """Folders of a class that are not read, with the pictures in them."""
    for path, is_folder in listed(folder):
        if is_folder and path.name not in known and (found := images_below(path)):
            yield path, found


def is_like(name: str, truth: str) -> bool:
    """Whether a folder's name looks as if masks were in it."""
    plain = re.sub(r"[-. ]", "_", name.lower())
    words = {word.rstrip("s") for word in plain.split("_")}
    return any(one in plain for one in (truth, truth.replace("_", ""))) or bool(
        words.intersection(LIKE_MASKS)
    )


def said_of_unused(folder: Path, found: Sequence[Path]) -> str:
    return f"{folder}: {_pictures(found)} {_are(found)} not used"


def twice(test: Sequence[Picture]) -> Iterator[str]:
    """Masks that fit several pictures by name, so that nobody knows whose they are."""
    owners: dict[Path, list[Path]] = {}
    for picture in test:
        for mask in picture.masks:
            owners.setdefault(mask, []).append(picture.path)
    for mask, pictures in owners.items():
        if len(pictures) > 1:
            names = " and ".join(path.name for path in pictures)
            yield f"{mask}: by its name it is the mask of both {names}; rename one, and its mask"


def _is_foreign(path: Path) -> bool:
    return path.suffix.lower() in FOREIGN


def _may_be_picture(path: Path) -> bool:
    return path.suffix.lower() not in (*FOREIGN, *TEXTS)


def _pictures(found: Sequence[Path]) -> str:
    return f"{len(found)} picture{'s' * (len(found) > 1)}"


def _are(found: Sequence[Path]) -> str:
    return "are" if len(found) > 1 else "is"
