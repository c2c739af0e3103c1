"""The command line about running studies: `moleflow stop` and `moleflow logs`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from moleflow.wording import counted
from orchestration.commands.consoles import out
from orchestration.commands.options import RootOption
from orchestration.driver.driving import request_stop
from orchestration.records.events import read_events
from orchestration.records.layout import Root
from orchestration.records.plans import read_plan
from orchestration.runners.runner import left_to_run
from orchestration.studies.study import check_name
from orchestration.views.logs import event_lines, find_trial, follow, head, printed

DONE = 0


def stop(
    study: str,
    *,
    wait: Annotated[float, Parameter(help="Seconds to wait until its driver has ended.")] = 60.0,
    root: RootOption = Path("runs"),
) -> int:
    """Stop a study that runs, here or on another machine, as Ctrl-C would; it can be resumed."""
    place = Root.at(root)
    place.check_format()
    driver = request_stop(check_name(study), place, wait)
    if driver is not None:
        _say(f"the driver of {study} (process {driver.pid} on {driver.host}) has ended")
        if not place.study(study).asked.exists():
            _say("it had planned no trials yet")
            return DONE
    plan = read_plan(study, place)
    if driver is None:
        _say(f"no driver runs study {study}; there is nothing to stop")
    left = len(left_to_run(plan, place))
    many = counted(len(plan.trials), "trial")
    _say(f"{left} of {many} are left; `moleflow run` takes them up again")
    return DONE


def logs(
    trial: Annotated[str, Parameter(help="A trial's key or its beginning; or STUDY/ and that.")],
    *,
    epochs: Annotated[bool, Parameter(help="Every epoch, not stages and metrics only.")] = False,
    follow_it: Annotated[
        bool, Parameter(name="--follow", help="Go on until the trial ends.")
    ] = False,
    root: RootOption = Path("runs"),
) -> int:
    """Show what a trial did, and what its processes printed."""
    folder, key = find_trial(trial, Root.at(root))
    _say(head(folder, key))
    if follow_it:
        for line in follow(folder, key, epochs):
            _say(line)
        _say(head(folder, key))
        return DONE
    for line in event_lines(read_events(folder.events(key), _say), epochs):
        _say(line)
    text = printed(folder, key)
    if text:
        _say(f"\n{folder.log(key)}:")
        _say(text.rstrip("\n"))
    return DONE


def _say(text: str) -> None:
    out.print(text, markup=False)
