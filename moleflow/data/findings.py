"""What a person should know of a class's files that can be used: how they are read, what is odd."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from moleflow.data.depth import depth_of
from moleflow.data.examination import Examined
from moleflow.data.pictures import Picture


@dataclass(frozen=True)
class Findings:
    """Sentences about one class."""

    faults: tuple[str, ...] = ()
    """What is probably a mistake, though it can be read."""
    remarks: tuple[str, ...] = ()
    """How files are read that can be read in several ways."""
    cut_off: str = ""
    """What `image.resize=crop` leaves out."""


def findings(train: Sequence[Examined], test: Sequence[Examined]) -> Findings:
    """What was found in the pictures of a class and their masks."""
    return Findings(
        tuple(_inverted(test)),
        (*_depths(train, test), *_grey_edges(test), *_pages([*train, *test])),
        said_of_cut_off([one.picture for one in test if one.cut_off], _masks(test)),
    )


def _inverted(test: Sequence[Examined]) -> Iterator[str]:
    found = [one for one in test if one.inverted]
    if found:
        yield (
            f"{len(found)} of {_masks(test)} masks mark all but a part inside of the picture: are "
            f"they inverted? The first is {found[0].picture.mask}; anomalous pixels are the bright "
            "ones"
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
    found = [one.picture.path for one in seen if one.pages > 1]
    if found:
        yield (
            f"{len(found)} files hold more than one picture, of which the first is used; the first "
            f"file is {found[0]}"
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
