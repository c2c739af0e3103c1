"""What `moleflow plan` prints for people."""

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from moleflow.wording import counted
from orchestration.views.answers import PlanAnswer
from orchestration.views.display import duration, new_table
from orchestration.views.status import Page

KINDS = {
    "starting": "start of workers",
    "features": "features",
    "base": "bases",
    "adapter": "later tasks",
    "besides": "evaluation and the rest",
}
GB = 1e9


def plan_page(found: PlanAnswer, *, inline: bool = False) -> Page:
    """Counts, seconds, warnings; the list of trials where there is one.

    Args:
        inline: one trial after the other, in one process.
    """
    trials, tasks = found.trials, found.tasks
    head = f"{found.study}: {found.question}"
    parts: list[RenderableType] = [Text(head, style="bold"), Text(_trials(found))]
    if found.parts:
        parts += [Text(), _parts(found), Text()]
    train, test = (sum(getattr(one, name) for one in found.classes) for name in ("train", "test"))
    parts.append(
        Text(
            f"{counted(len(found.classes), 'class')} in {found.data}: "
            f"{counted(train, 'training picture')}, {counted(test, 'test picture')}"
        )
    )
    share = f" ({tasks.distinct / tasks.asked:.0%})" if tasks.asked else ""
    parts.append(
        Text(
            f"{counted(tasks.asked, 'task')} asked for, {tasks.in_trials} in distinct trials, "
            f"{tasks.distinct} distinct{share}"
        )
    )
    parts.append(Text(_to_train(found)))
    if trials.left:
        parts += [Text(), Text(f"seconds from {found.basis}"), _seconds(found), Text()]
        parts += [Text(line) for line in _totals(found, inline)]
    parts += [Text(f"warning: {line}", style="yellow") for line in found.warnings]
    if found.runs is not None:
        parts += [Text(), _runs(found)]
    return Page(parts)


def _trials(found: PlanAnswer) -> str:
    trials = found.trials
    text = f"{counted(trials.asked, 'trial')} asked for, {trials.distinct} distinct"
    if not found.known:
        return f"{text}; what exists already is not known without the data and weights"
    there = [(trials.on_record, "on record"), (trials.elsewhere, "finished by other studies")]
    told = [f"{number} {what}" for number, what in there if number] or ["none on record"]
    return f"{text}; {', '.join(told)}, {trials.left} left"


def _to_train(found: PlanAnswer) -> str:
    tasks = found.tasks
    parts = [f"{tasks.to_train} to train"]
    if tasks.twice:
        parts.append(f"{tasks.twice} of them a second time, to show that orders cannot matter")
    if found.known:
        parts.append(f"{tasks.stored} in the store")
    return ", ".join(parts)


def _totals(found: PlanAnswer, inline: bool) -> list[str]:
    saved = max(0.0, found.alone - found.computing)
    share = f" ({saved / found.alone:.0%})" if found.alone else ""
    hours = found.hours * saved / found.computing if found.computing else 0.0
    what = "GPU" if found.device == "gpu" else "CPU"
    many = "a cluster's workers" if not found.workers else counted(found.workers, "worker")
    with_more = f"with {many}; {duration(found.critical_path)} with any number"
    sizes = ", ".join(f"{name} {size / GB:.2f}" for name, size in found.disk.items())
    return [
        f"{_number(found.hours)} {what} hours; sharing saves {_number(hours)}{share}",
        f"{duration(found.wall)} {'in one process' if inline else with_more}",
        f"{sum(found.disk.values()) / GB:.2f} GB of disk ({sizes})",
    ]


def _number(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 1 else f"{hours:.2f}"


def _parts(found: PlanAnswer) -> Table:
    table = new_table("part", "asked", "distinct", "new")
    for one in found.parts:
        table.add_row(*map(Text, (one.name, str(one.asked), str(one.distinct), str(one.new))))
    return table


def _seconds(found: PlanAnswer) -> Table:
    table = new_table("", "number", "each", "all")
    for one in found.stages:
        each = f"{one.seconds / one.stages:.1f} s" if one.stages else ""
        cells = (KINDS[one.kind], str(one.stages), each, duration(one.seconds))
        table.add_row(*map(Text, cells))
    return table


def _runs(found: PlanAnswer) -> Table:
    table = new_table("", "trial", "role", "seed", "what", "ends after")
    for one in found.runs or ():
        axes = [f"{name} {value}" for name, value in one.axes.items() if name != "order"]
        cells = (str(one.place), one.trial[:8], one.role, str(one.seed), "; ".join(axes))
        table.add_row(*map(Text, cells), Text(duration(one.ends)))
    return table
