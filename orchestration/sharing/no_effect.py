"""Variants that changed nothing: another config, and the same bits as the baseline's.

Two published ablations were such runs. Found from what records hold, by one function for all that
tell of it: the end of a run, `status`, reports and tags in MLflow.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from moleflow.config import Config
from orchestration.records.layout import StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.sharing.keys import task_keys
from orchestration.studies.axes import Variants
from orchestration.studies.effects import merged, part_of
from orchestration.studies.expansion import Plan, Trial
from orchestration.studies.named_settings import (
    BASE,
    NamedSetting,
    named_settings,
    one_setting_each,
    trials_of,
)
from orchestration.studies.study import Study

Numbers = Mapping[tuple[str, ...], float]


@dataclass(frozen=True)
class Outcome:
    """What a finished trial came to."""

    hashes: Mapping[str, str]
    """As `Record.hashes`."""
    numbers: Numbers
    """By whatever names them: final values, each once."""


@dataclass(frozen=True)
class NoEffect:
    """A setting that equals its baseline in every trial that both have finished."""

    setting: str
    baseline: str
    what: str
    expected: bool
    """Whether the settings say so themselves: only evaluation differs."""
    trials: tuple[str, ...]
    """Keys of the setting's."""

    @property
    def sentence(self) -> str:
        count = len(self.trials)
        return (
            f"{self.setting}: {self.what} (against {self.baseline or BASE}, in "
            f"{count} {'trial' if count == 1 else 'trials'})"
        )


def no_effects(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[NoEffect]:
    """Settings of a plan that changed nothing, to the bit, against the baseline of their part.

    Args:
        outcomes: of the finished trials, by key.
    """
    parts: dict[str, list[NamedSetting]] = {}
    for name in named_settings(plan):
        parts.setdefault(name.part, []).append(name)
    found: dict[tuple[frozenset[str], ...], NoEffect] = {}
    for names in parts.values():
        settings = one_setting_each(names)
        wanted = baseline_config(part_of(plan.study, names[0].axes))
        baseline = next((of for of in settings if of[0].trials[0].config == wanted), None)
        if baseline is None:
            continue
        known = {(t.sequence, t.seed): t for t in _finished(baseline, outcomes)}
        for setting in settings:
            pairs = [
                (known[t.sequence, t.seed], t)
                for t in _finished(setting, outcomes)
                if (t.sequence, t.seed) in known
            ]
            what, expected = _alike(pairs, outcomes)
            if what:
                same = tuple(frozenset(pair[i].key for pair in pairs) for i in (0, 1))
                keys = tuple(trial.key for _, trial in pairs)
                one = NoEffect(setting[0].label, baseline[0].label, what, expected, keys)
                found.setdefault(same, one)  # told once, whichever parts ask for both
    return list(found.values())


def _finished(names: Sequence[NamedSetting], outcomes: Mapping[str, Outcome]) -> list[Trial]:
    return [trial for key, trial in trials_of(names).items() if key in outcomes]


def unexpected(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[NoEffect]:
    """Those of which a person must be told."""
    return [found for found in no_effects(plan, outcomes) if not found.expected]


def cautions(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[str]:
    """What whoever reads a study's numbers must know: that the test set chose, which settings are
    one, and which changed nothing.

    Args:
        outcomes: as in `no_effects`.
    """
    search = plan.study.search_axis
    chosen = [search.caution] if search and search.caution else []
    return [*chosen, *merged(plan), *(one.sentence for one in unexpected(plan, outcomes))]


def baseline_config(study: Study) -> Config:
    """The base config, with the changes of the baselines of a study's axes of variants."""
    changes: dict[str, object] = {}
    for axis in study.axes:
        if isinstance(axis, Variants) and not axis.when:
            changes |= dict(axis.variants[axis.baseline])
    return study.base.updated(changes)


def outcome_of(record: Record) -> Outcome:
    """Of a record that was read whole or in brief."""
    finals = (row for row in record.rows if row.definition == "final_mean")
    return Outcome(record.hashes, {(row.metric, row.routing): row.value for row in finals})


def outcomes_in(folder: StudyFolder, keys: Iterable[str]) -> dict[str, Outcome]:
    """Of the finished trials among these; what is no record counts for nothing here."""
    ledger, found = Ledger(folder), dict[str, Outcome]()
    for key in keys:
        try:
            record = ledger.read_brief(key)
        except MisfitError:
            continue
        if record is not None and record.status == "finished":
            found[key] = outcome_of(record)
    return found


def _alike(pairs: list[tuple[Trial, Trial]], outcomes: Mapping[str, Outcome]) -> tuple[str, bool]:
    """What is the same in all pairs, and whether that is as it should be; else empty."""
    if not pairs or pairs[0][0].config == pairs[0][1].config:
        return "", True

    def all_same(of: Callable[[Outcome], object]) -> bool:
        both = ((of(outcomes[a.key]), of(outcomes[b.key])) for a, b in pairs)
        return all(one and one == other for one, other in both)

    same_weights = all_same(lambda outcome: _hashes(outcome, "base", "bank"))
    if all_same(lambda outcome: outcome.numbers):
        return "no effect: all numbers equal the baseline’s to the bit", False
    if same_weights and all(task_keys(one) == task_keys(other) for one, other in pairs):
        return "trained weights equal the baseline’s to the bit, as evaluation alone differs", True
    if same_weights:
        return "trained weights equal the baseline’s to the bit in spite of other settings", False
    if all_same(lambda outcome: _hashes(outcome, "scores")):
        return "scores of all patches equal the baseline’s to the bit", False
    return "", True


def _hashes(outcome: Outcome, *kinds: str) -> dict[str, str]:
    return {n: h for n, h in outcome.hashes.items() if n.partition(" ")[0] in kinds}
