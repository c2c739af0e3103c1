"""`studies/<study>/study.json`: what was asked, resolved; written by a driver, read by all."""

from collections.abc import Callable, Iterator

from pydantic import ValidationError

from moleflow.errors import StoreError, StudyError
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root, StudyFolder
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.study import check_name

TRIALS, NEXT, END = b'\n "trials": [\n  {', b"\n  },\n  {", b"\n  }\n ]"
"""Before, between and behind the trials of a plan, as it is written: what is inside of one is
indented by more than two spaces."""


def _as_it_is(trial: Trial) -> Trial:
    return trial


def read_plan(name: str, root: Root) -> Plan:
    """The plan that a study was last run with.

    Raises:
        StudyError: this root folder holds no such study.
        StoreError: the root folder is of another format.
    """
    root.check_format()
    path = root.study(check_name(name)).asked
    if not path.exists():
        if root.study(name).driver.exists():
            raise StudyError(f"study {name} is being planned just now; look again in a moment")
        there = root.study_names()
        hint = f"it holds {', '.join(there)}" if there else "no study has been run there"
        raise StudyError(f"no study {name!r} in {root.path}: {hint}; is --root right?")
    return plan_of(root.study(name))


def plan_of(folder: StudyFolder, kept: Callable[[Trial], Trial] = _as_it_is) -> Plan:
    """The plan in a study's folder.

    Args:
        kept: of each trial, before the next is read: of thousands few are in memory whole.

    Raises:
        StudyError: there is none.
        StoreError: it is damaged, or another study's.
    """
    remedy = "run the study again, with what was asked before: it is written anew"
    try:
        plan = _parsed(unsealed(read_regular(folder.asked)), kept)
    except FileNotFoundError:
        raise StudyError(
            f"{folder.asked}: no such study; run it first, or name the --root it was run in"
        ) from None
    except OSError as error:
        raise StoreError(f"{folder.asked}: cannot be read ({error.strerror}); {remedy}") from None
    except ValidationError as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{folder.asked}: not a plan ({reason}); {remedy}") from None
    except ValueError as error:
        raise StoreError(f"{folder.asked}: {error}; {remedy}") from None
    if plan.name != folder.name:
        raise StoreError(f"{folder.asked}: is the plan of study {plan.name}; {remedy}")
    return plan


def _parsed(content: bytes, kept: Callable[[Trial], Trial]) -> Plan:
    """Trial by trial, where there are some."""
    start = content.find(TRIALS)
    end = content.find(END, start)
    if start < 0 or end < 0:
        return Plan.model_validate_json(content)
    without = content[:start] + b'\n "trials": [' + content[end + len(END) - 1 :]
    every = (Trial.model_validate_json(one) for one in _each(content, start + len(TRIALS), end))
    return Plan.model_validate_json(without).model_copy(update={"trials": tuple(map(kept, every))})


def _each(content: bytes, at: int, end: int) -> Iterator[bytes]:
    """Texts of the trials, which end there."""
    while (behind := content.find(NEXT, at, end)) >= 0:
        yield b"{" + content[at:behind] + b"}"
        at = behind + len(NEXT)
    yield b"{" + content[at:end] + b"}"


def write_plan(plan: Plan, folder: StudyFolder) -> None:
    """Raises:
    StoreError: the study's folder cannot be written.
    """
    write_atomically(folder.asked, seal(plan.model_dump_json(indent=1)))
