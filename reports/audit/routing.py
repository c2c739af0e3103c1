"""The second way to what is said of the router: from plain records, and picture by picture from the
plain lists that trials keep."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from moleflow.wording import counted
from reports.audit.kept_scores import DISTANCE, rows_of
from reports.audit.records import Records, Trial, finished
from reports.audit.second_way import Expected, Line, described, over_trials
from reports.audit.words import Allowed, Rule

SAME = 1e-12
"""Means that are one, summed in another order."""
Distances = tuple[str, str, str, Fraction, Fraction]
"""Picture, its kind, the task it went to, squared distance to its own task and to the nearest
other."""


def accuracy(line: Line) -> Expected:
    """At a step, at the end, or of each trial at the step that it learned the class at."""
    if line.cells["definition"] != "just learned":
        return over_trials(line)
    name = line.cells["class"]
    found: dict[str, float] = {}
    for trial in line.finished:
        for step, task in enumerate(trial.sequence, start=1):
            value = trial.value("routing_accuracy", "step", "routed", name, step)
            if name in task and value is not None:
                found[trial.key] = value
    return Expected(described(list(found.values())), frozenset(found))


def _lost(trials: Sequence[Trial], metric: str, name: str) -> dict[str, tuple[float, float]]:
    kind = "step" if name else "final_mean"
    found: dict[str, tuple[float, float]] = {}
    for trial in trials:
        step = len(trial.sequence)
        pair = [trial.value(metric, kind, way, name, step) for way in ("oracle", "routed")]
        if pair[0] is not None and pair[1] is not None:
            found[trial.key] = pair[0], pair[1]
    return found


def cost(line: Line) -> Expected:
    """Means of both, and their differences by way of exact fractions."""
    pairs = _lost(line.finished, line.cells["metric"], line.cells["class"])
    oracle, routed = zip(*pairs.values(), strict=True)
    lost = [float(Fraction(a) - Fraction(b)) for a, b in pairs.values()]
    ways = {"oracle": described(oracle), "routed": described(routed)}
    both = {way: of["mean"] for way, of in ways.items()}
    both |= {f"{way}_sd": of["sd"] for way, of in ways.items()}
    return Expected(described(lost) | both, frozenset(pairs))


def _pictures(records: Records, trial: Trial, name: str) -> Iterator[Distances]:
    own = next("+".join(task) for task in trial.sequence if name in task)
    for row in rows_of(records, trial):
        if row["class"] == name:
            far = {
                column.removeprefix(DISTANCE): Fraction(text)
                for column, text in row.items()
                if column.startswith(DISTANCE)
            }
            mine = far.pop(own)
            kind = row["defect"] or "good"
            yield row["picture"], kind, row["routed_to"], mine, min(far.values())


def _named(line: Line) -> list[Trial]:
    return [trial for trial in line.finished if trial.key in line.named]


def margins(line: Line) -> Expected:
    """Of a class, over pictures and the trials that the line names."""
    name, trials = line.cells["class"], _named(line)
    pictures = [one for trial in trials for one in _pictures(line.records, trial, name)]
    own = {"+".join(task) for trial in trials for task in trial.sequence if name in task}
    ratios = sorted(other / mine for *_, mine, other in pictures)
    return Expected(
        {
            "pictures": len(pictures),
            "trials": len(trials),
            "misrouted": sum(to not in own for _, _, to, _, _ in pictures),
            "smallest": float(ratios[0]),
            "q05": between(ratios, Fraction(5, 100)),
            "median": between(ratios, Fraction(1, 2)),
        }
    )


def between(values: Sequence[Fraction], share: Fraction) -> float:
    """Quantile of rising values, linear between ranks."""
    rank = share * (len(values) - 1)
    low = int(rank)
    high = min(low + 1, len(values) - 1)
    return float(values[low] + (values[high] - values[low]) * (rank - low))


def misrouted(line: Line) -> Expected:
    """Of a picture, over the trials that the line names."""
    name, picture = line.cells["class"], line.cells["picture"]
    wrong: list[str] = []
    ratios: list[Fraction] = []
    kinds: set[str] = set()
    for trial in _named(line):
        own = next("+".join(task) for task in trial.sequence if name in task)
        for which, kind, to, mine, other in _pictures(line.records, trial, name):
            if which == picture:
                ratios.append(other / mine)
                kinds.add(kind)
                wrong += [to] if to != own else []
    numbers = {"trials": len(ratios), "misrouted": len(wrong), "to": ", ".join(sorted(set(wrong)))}
    return Expected(
        {**numbers, "smallest_ratio": float(min(ratios)), "kind": "".join(sorted(kinds))}
    )


def sentence(trials: Sequence[Trial], records: Records) -> Allowed:
    """What misrouting costs at the end, mean over classes."""
    values: list[float] = []
    counts: set[str] = set()
    for metric in records.margins:
        lost = [one - other for one, other in _lost(trials, metric, "").values()]
        found = described(lost)
        values += [v for v in (found["mean"], found["sd"]) if isinstance(v, float)]
        counts |= {f"n = {len(lost)} trial" + "s" * (len(lost) != 1)}
    return Allowed(frozenset(counts), tuple(values))


def lowest(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of all classes and steps, the lowest mean over trials of the router's accuracy."""
    means: list[tuple[float, int]] = []
    for name in {name for trial in trials for name in trial.classes}:
        for step in range(1, max(len(trial.sequence) for trial in trials) + 1):
            known = [t.value("routing_accuracy", "step", "routed", name, step) for t in trials]
            values = [value for value in known if value is not None]
            means += [(statistics.mean(values), step)] if values else []
    least = min(means)[0] if means else 0.0
    steps = {step for mean, step in means if mean - least < SAME}
    return Allowed(
        frozenset(f"{counted(step, 'task')} known" for step in steps), (least,) if means else ()
    )


def smallest(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of all pictures the smallest ratio."""
    ratios = [
        other / mine
        for trial in trials
        for name in trial.classes
        for *_, mine, other in _pictures(records, trial, name)
    ]
    least = (float(min(ratios)),) if ratios else ()
    return Allowed(values=least)


def told(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many trials pictures are of, and of how many that share no training nothing is kept."""
    named = {trial.key for trial in trials}
    own = [of for of in records.settings if any(trial.key in named for trial in of)]
    each = {_apart(t) for of in own for t in finished(of) if len(t.sequence) > 1}
    lost = len(each - {_apart(trial) for trial in trials})
    return Allowed(frozenset({counted(len(trials), "trial"), f"{lost} more"}))


def _apart(trial: Trial) -> tuple[object, ...]:
    """What of the trial tells what the router does when all tasks are known."""
    return trial.training if trial.order_free else (trial.key,)


def pictures_misrouted(trials: Sequence[Trial], records: Records) -> Allowed:
    """How many different ones some trial sent to another task."""
    found: set[tuple[str, str]] = set()
    for trial in trials:
        for task in trial.sequence:
            for name in task:
                of = _pictures(records, trial, name)
                found |= {(name, picture) for picture, _, to, _, _ in of if to != "+".join(task)}
    return Allowed(frozenset({counted(len(found), "picture")}))


def share(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of these trials' images, how many went to their own task."""
    own, others = (sum(trial.sent[i] for trial in trials) for i in (0, 1))
    return Allowed(values=(own / (own + others),) if own + others else ())


def of_settings(trials: Sequence[Trial], records: Records) -> Allowed:
    """As `sentence`, and of how many settings the trials are."""
    named, numbers = {trial.key for trial in trials}, sentence(trials, records)
    many = sum(any(trial.key in named for trial in of) for of in records.settings)
    return Allowed(numbers.texts | {f"{many} settings"}, numbers.values)


WAYS: Mapping[str, Callable[[Line], Expected]] = {
    "reports.routing.accuracy_table": accuracy,
    "reports.routing.cost_table": cost,
    "reports.routed_pictures.margins_table": margins,
    "reports.routed_pictures.misrouted_table": misrouted,
}
RULES: Mapping[str, Rule] = {
    "reports.routing.sentence": sentence,
    "reports.routing_answer._choices": share,
    "reports.routing_answer._cost": of_settings,
    "reports.routing.accuracy_figure": lowest,
    "reports.routed_pictures.margins_figure": smallest,
    "reports.routed_pictures.told": told,
    "reports.routed_pictures.misrouted_table": pictures_misrouted,
}
