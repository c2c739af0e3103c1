"""`studies/<study>/study.json`: what was asked, resolved; written by a driver, read by all."""

from pydantic import ValidationError

from moleflow.errors import StoreError, StudyError
from moleflow.files import read_regular
from moleflow.sealed import seal, unsealed
from orchestration.records.files import write_atomically
from orchestration.records.layout import Root, StudyFolder
from orchestration.studies.expansion import Plan
from orchestration.studies.study import check_name


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


def plan_of(folder: StudyFolder) -> Plan:
    """The plan in a study's folder.

    Raises:
        StudyError: there is none.
        StoreError: it is damaged, or another study's.
    """
    remedy = "run the study again, with what was asked before: it is written anew"
    try:
        plan = Plan.model_validate_json(unsealed(read_regular(folder.asked)))
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


def write_plan(plan: Plan, folder: StudyFolder) -> None:
    """Raises:
    StoreError: the study's folder cannot be written.
    """
    write_atomically(folder.asked, seal(plan.model_dump_json(indent=1)))
