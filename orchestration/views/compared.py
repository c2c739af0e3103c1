"""What runs of a study were expected to take, beside what they took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from moleflow.data.sequences import task_name
from moleflow.wording import counted
from orchestration.records.forecasts import Forecast
from orchestration.sharing.groups import Keys
from orchestration.views.record_brief import RecordBrief


@dataclass(frozen=True)
class Comparison:
    """Of a forecast: what of it has come about, as expected and as it was."""

    forecast: Forecast
    tasks: int
    """Trained since."""
    expected: float
    """Seconds of training these."""
    took: float
    trials: int
    """Finished since."""
    expected_at_work: float
    """Seconds of these."""
    took_at_work: float

    @property
    def sentence(self) -> str:
        """For people; empty where nothing has come about."""
        if not self.tasks and not self.trials:
            return ""
        parts: list[str] = []
        if self.tasks:
            parts.append(f"{counted(self.tasks, 'task')} {_against(self.expected, self.took)}")
        if self.trials:
            took = _against(self.expected_at_work, self.took_at_work)
            parts.append(f"{counted(self.trials, 'trial')} {took}")
        return f"expected from {self.forecast.basis}: {', '.join(parts)}"


def compared(
    forecasts: Sequence[Forecast], keys: Keys, briefs: Mapping[str, RecordBrief]
) -> list[Comparison]:
    """Each forecast with what was made between it and the next one."""
    ends = [*(one.made for one in forecasts[1:]), float("inf")]
    return [
        _compared(forecast, end, keys, briefs)
        for forecast, end in zip(forecasts, ends, strict=True)
    ]


def _compared(
    forecast: Forecast, end: float, keys: Keys, briefs: Mapping[str, RecordBrief]
) -> Comparison:
    tasks: list[tuple[float, float]] = []
    trials: list[tuple[float, float]] = []
    for key, one in briefs.items():
        if one.adopted_from or not forecast.made <= one.started or not one.ended <= end:
            continue
        names = [task_name(task) for task in keys.trial(key).sequence]
        for learned in one.learned:
            if learned.source != "made" or learned.task not in names:
                continue
            expected = forecast.tasks.get(keys.tasks[key][names.index(learned.task)])
            if expected is not None:
                tasks.append((expected, learned.seconds))
        if one.status == "finished" and key in forecast.trials:
            trials.append((forecast.trials[key], one.duration))
    return Comparison(forecast, *_sums(tasks), *_sums(trials))


def _sums(pairs: Sequence[tuple[float, float]]) -> tuple[int, float, float]:
    return len(pairs), fsum(a for a, _ in pairs), fsum(b for _, b in pairs)


def _against(expected: float, took: float) -> str:
    share = f" ({took / expected - 1:+.0%})" if expected else ""
    return f"{expected:.0f} s, took {took:.0f} s{share}"
