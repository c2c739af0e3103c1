"""What a trial keeps so that every order of its tasks can be computed: `artifacts/all_orders.json`.

With a frozen base and banks that know no order, a class's numbers depend on task 0 and on *which*
tasks are known, and on those alone that are nearest to some of its pictures: its rivals.
"""

from pathlib import Path

from moleflow.errors import StoreError
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from moleflow.settings import Settings
from orchestration.records.files import write_atomically

FILE = "all_orders.json"
RIVALS_FILE = "rivals.csv"
FORMAT = 1


class ClassInOrders(Settings):
    """A class's routed metrics, whichever tasks are known beside task 0 and its own."""

    name: str
    task: str
    """Name of its task."""
    rivals: tuple[str, ...]
    """Tasks that some picture of it goes to when they are known, by name; never task 0 nor its
    own, which are known whenever it is."""
    choice: tuple[int, ...]
    """Which of the router's choices is made when a set of rivals is known: rival b is known where
    bit b of the place in this list is set."""
    values: dict[str, tuple[float, ...]]
    """By metric, a number for each of the choices."""
    without: dict[str, str]
    """By metric, why it has no numbers though the class is measured; by `""`, why none has."""


class AllOrders(Settings):
    """Of one trial."""

    trial: str
    format: int = FORMAT
    tasks: tuple[str, ...]
    """By name; task 0 is the first, and the others stand as they were learned."""
    classes: tuple[ClassInOrders, ...]


def write_kept(folder: Path, kept: AllOrders) -> None:
    """Write it into a trial's folder of artifacts.

    Raises:
        StoreError: the folder cannot be written.
    """
    write_atomically(folder / FILE, seal(kept.model_dump_json(indent=1)))


def read_kept(folder: Path, trial: str) -> AllOrders | None:
    """None where the trial kept nothing: its order matters by design, it has one task, or it was
    run by a version that did not.

    Raises:
        StoreError: the file is damaged, or is that of another trial.
    """
    path = folder / FILE
    try:
        found = AllOrders.model_validate_json(unsealed(read_regular(path)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: {str(error).splitlines()[0]}; it is not counted") from None
    if found.trial != trial or found.format != FORMAT:
        raise StoreError(f"{path}: is that of trial {found.trial}, format {found.format}")
    return found
