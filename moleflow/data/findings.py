"""What a person should know of a class's files that can be used: how they are read, what is odd."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from moleflow.data.decoding import decode_mask
from moleflow.data.depth import depth_of
from moleflow.data.examination import Examined
from moleflow.data.pictures import Picture
from moleflow.errors import DataError

LEAST_SIDE, FAR = 4, 8
"""Pixels of a picture's shorter side, and times that the others' is as long, that are odd."""


@dataclass(frozen=True)
class Findings:
    """Sentences about one class."""

    faults: tuple[str, ...] = ()
    """What is probably a mistake, though it can be read."""
    remarks: tuple[str, ...] = ()
    """How files are read that can be read in several ways."""
    cut_off: str = ""
    """What `image.resize=crop` leaves out."""


def findings(
    train: Sequence[Examined], test: Sequence[Examined], good_masks: Sequence[Path] = ()
) -> Findings:
    """What was found in the pictures of a class and their masks.

    Args:
        good_masks: of normal pictures; they should mark nothing.
    """
    return Findings(
        (
            *_flat(train, test),
            *_bright(test),
            *_leaked(train, test),
            *_contradicting(test),
            *_marked(good_masks),
        ),
        (
            *_depths(train, test),
            *_grey_edges(test),
            *_pages([*train, *test]),
            *_turned([*train, *test]),
            *_tiny([*train, *test]),
            *_repeated(train, "training"),
            *_repeated(test, "test"),
        ),
        said_of_cut_off([one.picture for one in test if one.cut_off], _masks(test)),
    )


def _flat(train: Sequence[Examined], test: Sequence[Examined]) -> Iterator[str]:
    """Masks that were sorted as pictures; where all are of two colours, so are the photographs."""
    if all(one.flat for one in (*train, *test) if one.digest is not None):
        return
    for seen, kind in ((train, "training"), (test, "test")):
        found = [one.picture.path for one in seen if one.flat]
        if found:
            yield (
                f"{len(found)} of {len(seen)} {kind} pictures have no more than two colours: are "
                f"they masks? They count as pictures; the first is {found[0]}"
            )


def _bright(test: Sequence[Examined]) -> Iterator[str]:
    """Masks that mark more than defects do."""
    for found, marked, doubt in (
        ([one for one in test if one.inverted], "all but a part inside", "inverted"),
        ([one for one in test if one.whole], "all", "filled by mistake"),
    ):
        if found:
            yield (
                f"{len(found)} of {_masks(test)} masks mark {marked} of the picture: are they "
                f"{doubt}? The first is {found[0].picture.mask}; anomalous pixels are the bright "
                "ones"
            )


def _leaked(train: Sequence[Examined], test: Sequence[Examined]) -> Iterator[str]:
    """Test pictures that training sees, pixel for pixel."""
    trained = {one.digest: one.picture.path for one in reversed(train) if one.digest is not None}
    for one in test:
        if one.digest in trained:
            yield (
                f"{one.picture.path}: has the same pixels as {trained[one.digest]}, so training "
                "sees a test picture; remove one of them"
            )


def _contradicting(test: Sequence[Examined]) -> Iterator[str]:
    """Anomalous test pictures that are normal ones too, pixel for pixel."""
    normal = {one.digest: one.picture.path for one in reversed(test) if not one.picture.anomalous}
    for one in test:
        if one.picture.anomalous and one.digest is not None and one.digest in normal:
            yield (
                f"{one.picture.path}: has the same pixels as {normal[one.digest]}, so one picture "
                "counts as anomalous and as normal; remove the wrong one"
            )


def _marked(good_masks: Sequence[Path]) -> Iterator[str]:
    """Masks of normal pictures that mark something, or that cannot be read."""
    for mask in good_masks:
        try:
            if decode_mask(mask).any():
                yield (
                    f"{mask}: marks pixels of a picture that counts as normal, and is not used; "
                    "move the picture to its defect, or remove the mask"
                )
        except DataError as error:
            yield str(error)


def _tiny(seen: Sequence[Examined]) -> Iterator[str]:
    """Pictures far smaller than the others of their class."""
    sides = {one.picture.path: min(one.size) for one in seen if one.size is not None}
    if not sides:
        return
    least = max(LEAST_SIDE, median(sides.values()) / FAR)
    found = [path for path, side in sides.items() if side < least]
    if found:
        yield (
            f"{len(found)} of {len(sides)} pictures are far smaller than the others, or only some "
            f"pixels wide: the first is {found[0]}"
        )


def _repeated(seen: Sequence[Examined], kind: str) -> Iterator[str]:
    """Pictures that count several times."""
    known: dict[tuple[str, bool], Path] = {}
    found: list[tuple[Path, Path]] = []
    for one in seen:
        if one.digest is not None:
            first = known.setdefault((one.digest, one.picture.anomalous), one.picture.path)
            if first != one.picture.path:
                found.append((one.picture.path, first))
    if found:
        yield (
            f"{len(found)} of {len(seen)} {kind} pictures repeat another one of them, pixel for "
            f"pixel: the first is {found[0][0]}, as {found[0][1]}"
        )


def _depths(train: Sequence[Examined], test: Sequence[Examined]) -> Iterator[str]:
    deep = [one.highest for one in train if one.highest is not None]
    tested = [one.highest for one in test if one.highest is not None]
    if not deep:
        if tested:
            yield (
                f"{len(tested)} test pictures have 16 bits per channel, and no training picture: "
                f"their values, {max(tested)} at most, are read as 16 bits; --set image.bits=N "
                "says how many they use"
            )
        return
    bits = depth_of(max(deep))
    if bits < 16:
        yield (
            f"{len(deep)} training pictures have 16 bits per channel and values up to {max(deep)}: "
            f"it looks like {bits} bits, and so they are read; --set image.bits=N says otherwise"
        )
    above = [highest for highest in tested if highest >= 2**bits]
    if above:
        yield (
            f"{len(above)} test pictures have higher values, up to {max(above)}: above "
            f"{2**bits - 1} all is white; --set image.bits={depth_of(max(above))} keeps them apart"
        )


def _grey_edges(test: Sequence[Examined]) -> Iterator[str]:
    found = [one for one in test if one.soft]
    if found:
        yield (
            f"{len(found)} of {_masks(test)} masks have grey edges (saved as JPEG, or resized): "
            "values above half of the highest count as anomalous; the first is "
            f"{found[0].picture.mask}"
        )


def _pages(seen: Sequence[Examined]) -> Iterator[str]:
    found = [file for one in seen for file in one.paged]
    if found:
        files = "files hold" if len(found) > 1 else "file holds"
        yield (
            f"{len(found)} {files} more than one picture, of which the first is used; the first "
            f"file is {found[0]}"
        )


def _turned(seen: Sequence[Examined]) -> Iterator[str]:
    found = [one.picture.path for one in seen if one.turned]
    if found:
        yield (
            f"{len(found)} of {len(seen)} pictures have a tag that says they are stored turned, "
            "and viewers turn them; they are used as they are stored, as masks are drawn on: the "
            f"first is {found[0]}"
        )


def said_of_cut_off(cut: Sequence[Picture], masks: int) -> str:
    """What is said of the pictures whose marked pixels a crop leaves out; empty if there are none.

    Args:
        masks: how many masks the class has.
    """
    if not cut:
        return ""
    rest = "its pixel metrics are not measured" if len(cut) == masks else "they count as normal"
    return (
        f"with image.resize=crop all that {len(cut)} of {masks} masks mark is cut off, so {rest}; "
        f"the first is {cut[0].mask}. image.resize=squash keeps the whole picture"
    )


def _masks(test: Sequence[Examined]) -> int:
    return sum(one.picture.mask is not None for one in test)
