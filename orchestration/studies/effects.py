"""What a study varies in vain: known from its plan, before anything runs."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from moleflow.config import Config
from moleflow.inert import effective_settings, inert_fields
from moleflow.profiles import PROFILES
from moleflow.wording import counted
from orchestration.studies.expansion import Plan, Trial, unmatched
from orchestration.studies.study import Study
from orchestration.studies.trial_keys import digest

PLACES = ("task0", "order", "ordering")
"""Axes that say what is learned when; the others make a setting."""
MOST_NAMED = 3
"""Settings, or values, that a sentence names; others are counted."""


def without_effect(plan: Plan) -> list[str]:
    """What a plan varies or sets that cannot change a number, a sentence each: fields that the rest
    of the config switches off, and settings that differ in nothing that counts.

    Takes a fifth of a millisecond per trial; imports neither torch nor Ray.
    """
    varied = _varied_in_vain(plan)
    told = [_sentence(*what, values, plan) for what, values in varied.items()]
    each = [trials for values in varied.values() for trials in values.values()]
    explained = {trial.key for trials in each for trial in trials}
    return [
        *told,
        *_set_in_vain(plan),
        *_same_settings(plan, explained),
        *merged(plan),
        *unmatched(plan),
    ]


def merged(plan: Plan) -> list[str]:
    """Settings that a study, or one part of a union, names more than once: they are one trial per
    order and seed."""
    told: dict[str, None] = {}
    for trial in plan.trials:
        names: dict[str, dict[str, None]] = {}
        for axes in (trial.axes, *trial.also) if trial.also else ():
            names.setdefault(axes.get("part", ""), {})[setting_name(axes)] = None
        told |= {" and ".join(each): None for each in names.values() if len(each) > 1}
    return [f"{names}: one setting under several names, run once" for names in told]


def setting_name(axes: Mapping[str, str]) -> str:
    """What the trials of one setting are called, whatever their orders and seeds."""
    return ", ".join(f"{name} = {value}" for name, value in axes.items() if name not in PLACES)


def part_of(study: Study, axes: Mapping[str, str]) -> Study:
    """The part of a union that asks for a trial under these axes; a study that is no union is its
    own."""
    found, path = study, axes.get("part", "")
    while found.parts:
        name = next(n for n in found.parts if path == n or path.startswith(f"{n}/"))
        found, path = found.parts[name], path[len(name) + 1 :]
    return found


def _varied_in_vain(plan: Plan) -> dict[tuple[str, str], dict[str, list[Trial]]]:
    """By field and what switches it off: trials by the value that their study gives it."""
    alike: dict[tuple[Config, int, str], list[Trial]] = {}
    for trial in plan.trials:
        what = (trial.config, len(trial.sequence), trial.axes.get("part", ""))
        alike.setdefault(what, []).append(trial)
    found: dict[tuple[str, str], dict[str, list[Trial]]] = {}
    bases = dict[str, dict[str, Any]]()
    for (config, tasks, part), trials in alike.items():
        if part not in bases:
            bases[part] = part_of(plan.study, trials[0].axes).base.flat()
        own, before = config.flat(), bases[part]
        for field, reason in inert_fields(config, tasks).items():
            if _changed(field, own, before):
                values = found.setdefault((field, reason), {})
                values.setdefault(_text(own[field]), []).extend(trials)
    return found


def _changed(field: str, own: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a config has another value than its base; what came with a branch that the base does
    not have was not chosen."""
    return own[field] != before[field] if field in before else "." not in field


def _sentence(field: str, reason: str, values: dict[str, list[Trial]], plan: Plan) -> str:
    trials = [trial for of in values.values() for trial in of]
    where = _some(dict.fromkeys(setting_name(trial.axes) for trial in trials), "; ")
    of = f"{len(trials)} of {counted(len(plan.trials), 'trial')}"
    return f"{field} = {_some(values, ', ')} changes nothing, as {reason} ({where}: {of})"


def _some(names: Collection[str], joined_by: str) -> str:
    known = list(names)
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return joined_by.join(known[:MOST_NAMED]) + more


def _set_in_vain(plan: Plan) -> Iterator[str]:
    """Fields of a base that are set to what no profile has, and act in no trial."""
    inert = {(t.config, len(t.sequence)): t for t in plan.trials}
    each = [inert_fields(config, tasks) for config, tasks in inert]
    everywhere = set(each[0]).intersection(*each[1:]) if each else set[str]()
    known = [profile().flat() for profile in PROFILES.values()]
    bases = dict.fromkeys(part_of(plan.study, t.axes).base for t in inert.values())
    settings = {(field, _text(value)) for base in bases for field, value in base.flat().items()}
    usual = {(field, _text(value)) for profile in known for field, value in profile.items()}
    for field, value in sorted(settings - usual):
        if field in everywhere:
            yield f"{field} = {value} changes nothing, as {each[0][field]} (all trials)"


def _same_settings(plan: Plan, explained: Collection[str]) -> Iterator[str]:
    """Settings whose trials must come out alike, though nothing that differs is switched off."""
    alike: dict[str, list[Trial]] = {}
    for trial in plan.trials:
        place = [trial.sequence, trial.seed, trial.weights, sorted(trial.fingerprints.items())]
        settings = effective_settings(trial.config, len(trial.sequence))
        alike.setdefault(digest([settings, place]), []).append(trial)
    told: dict[str, None] = {}
    for trials in alike.values():
        if len(trials) > 1 and not any(trial.key in explained for trial in trials):
            told[" and ".join(setting_name(trial.axes) for trial in trials)] = None
    yield from (f"{names}: the same settings in other words, with equal numbers" for names in told)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
