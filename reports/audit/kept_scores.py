"""Plain lists of scores that trials keep of test pictures, and what each picture contributes to a
metric of its class: a second time, without the code of the reports."""

import bisect
import csv
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from moleflow.streams import numpy_stream
from reports.audit.records import Records, Trial, finished

PIXELS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro")
CHECKED = "image_auroc"
"""The metric by which scores are known to be those of a record."""
SCORE = "score_routed"
DISTANCE = "squared_distance "
"""Begins the names of columns of distances to tasks."""
SAME = 1e-9
"""How far a recorded one may be from that of kept scores."""
F1_DRAWS = 1000
Contributions = tuple[list[float], list[float]]
"""Of good and of anomalous pictures."""


@dataclass(frozen=True)
class Scores:
    """Of a class's pictures in one trial."""

    pictures: tuple[tuple[str, bool], ...]
    """File, and whether it is anomalous."""
    values: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]]
    """What each contributes to a pixel metric; their mean is the metric."""
    sent: Mapping[str, int]
    """Pictures by the task that the router sent them to."""

    def of(self, anomalous: bool, metric: str = CHECKED) -> list[float]:
        """Of one kind, in the file's order."""
        values = self.parts[metric] if metric in PIXELS else self.values
        kinds = (is_so for _, is_so in self.pictures)
        return [v for is_so, v in zip(kinds, values, strict=True) if is_so is anomalous]


def rows_of(records: Records, trial: Trial) -> list[dict[str, str]]:
    """What a trial keeps of each test picture, by column.

    Raises:
        OSError: there is no such file.
        ValueError: it is damaged.
    """
    path = records.artifacts(trial.key) / "scores.csv"
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            head, *rows = csv.reader(file)
        except csv.Error as error:
            raise ValueError(str(error)) from error
    return [dict(zip(head, row, strict=True)) for row in rows]


def kept(records: Records) -> dict[str, dict[str, Scores]]:
    """By trial and class, of finished trials whose scores, or those of a trial that trained the
    same, give what is recorded."""
    known = records.known.get("scores of pictures")
    if known is not None:
        return known
    trials, files = finished(records.trials), every_file(records)
    pictures: dict[str, object] = {}
    found: dict[str, dict[str, Scores]] = {}
    for trial in trials:
        alike = (files[t.key] for t in trials if t is not trial and _trained_alike(t, trial))
        for own in chain([files[trial.key]], alike):
            if own is None or not _recorded(trial, own):
                continue
            if any(pictures.get(n, of.pictures) != of.pictures for n, of in own.items()):
                continue
            pictures |= {name: of.pictures for name, of in own.items()}
            found.setdefault(trial.key, own)
            if _contributed(trial, own):
                found[trial.key] = own
                break
    records.known["scores of pictures"] = found
    return found


def every_file(records: Records) -> dict[str, dict[str, Scores] | None]:
    """By finished trial, each its own, whatever the record says; None as of `read`."""
    known = records.known.get("files of scores")
    if known is None:
        known = {trial.key: read(records, trial) for trial in finished(records.trials)}
        records.known["files of scores"] = known
    return known


def _contributed(trial: Trial, scores: Mapping[str, Scores]) -> bool:
    """Whether they tell of each pixel metric of the trial what pictures contribute to it."""
    return all(
        metric in of.parts
        for name, of in scores.items()
        for metric in PIXELS
        if trial.value(metric, "step", "routed", name, len(trial.sequence)) is not None
    )


def _trained_alike(one: Trial, other: Trial) -> bool:
    return one.training == other.training


def read(records: Records, trial: Trial) -> dict[str, Scores] | None:
    """None where there is no such file, or not one of the trial's classes."""
    rows: dict[str, list[tuple[str, bool, float, dict[str, float]]]] = {}
    sent: dict[str, Counter[str]] = {}
    try:
        for row in rows_of(records, trial):
            anomalous = row["defect"] not in ("", "good")
            parts = {m: float(row.get(f"pseudo_value {m}") or "nan") for m in PIXELS}
            one = (row["picture"], anomalous, float(row[SCORE]), parts)
            rows.setdefault(row["class"], []).append(one)
            sent.setdefault(row["class"], Counter())[row.get("routed_to", "")] += 1
    except (OSError, KeyError, ValueError):
        return None
    values = [value for of in rows.values() for _, _, value, _ in of]
    if set(rows) != set(trial.classes) or not all(map(math.isfinite, values)):
        return None
    found: dict[str, Scores] = {}
    for name, of in rows.items():
        each = {m: tuple(parts[m] for *_, parts in of) for m in PIXELS}
        whole = {m: values for m, values in each.items() if all(map(math.isfinite, values))}
        pictures = tuple((picture, anomalous) for picture, anomalous, *_ in of)
        found[name] = Scores(pictures, tuple(v for *_, v, _ in of), whole, sent[name])
    return found


def auroc(of: Scores) -> float | None:
    """Of images; None where one kind is missing."""
    good, bad = of.of(False), of.of(True)
    return statistics.fmean(_above(bad, good)) if good and bad else None


def _recorded(trial: Trial, scores: Mapping[str, Scores]) -> bool:
    for name, of in scores.items():
        value = trial.value(CHECKED, "step", "routed", name, len(trial.sequence))
        given = auroc(of)
        if given is None or (value is not None and abs(value - given) > SAME):
            return False
        for metric, parts in of.parts.items():
            value = trial.value(metric, "step", "routed", name, len(trial.sequence))
            if value is None or abs(value - statistics.fmean(parts)) > SAME:
                return False
    return True


def _above(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Of each one the share of the others that lie below it, equal ones half."""
    ordered = sorted(others)
    twice = [bisect.bisect_left(ordered, v) + bisect.bisect_right(ordered, v) for v in ones]
    return [count / (2 * len(ordered)) for count in twice]


def of_ranks(of: Scores) -> Contributions:
    """What good and anomalous pictures contribute to the AUROC: their shares (DeLong 1988)."""
    good, bad = of.of(False), of.of(True)
    return (
        [(1 - share) / len(good) for share in _above(good, bad)],
        [share / len(bad) for share in _above(bad, good)],
    )


def of_pixels(of: Scores, metric: str) -> Contributions:
    """What good and anomalous pictures contribute to a metric of their pixels."""
    good, bad = (of.of(kind, metric) for kind in (False, True))
    every = len(good) + len(bad)
    return [v / every for v in good], [v / every for v in bad]


def of_precision(of: Scores) -> Contributions:
    """What one more picture of its score would do to average precision, good or anomalous."""
    good, bad = sorted(of.of(False)), sorted(of.of(True))
    n, p = len(good), len(bad)

    def above(score: float) -> tuple[int, int]:
        """Anomalous pictures, and all, that score no less."""
        hits = p - bisect.bisect_left(bad, score)
        return hits, hits + n - bisect.bisect_left(good, score)

    precisions = [hits / every for hits, every in map(above, bad)]
    value = statistics.fmean(precisions)

    def loss(score: float, hit: bool) -> float:
        """Of all thresholds that this score passes."""
        passed = [above(b) for b in bad if b <= score]
        return math.fsum((every * hit - hits) / every**2 for hits, every in passed) / p

    def gain(score: float) -> float:
        hits, every = above(score)
        return (hits / every - value) / p

    return (
        [loss(score, False) for score in of.of(False)],
        [gain(score) + loss(score, True) for score in of.of(True)],
    )


def of_best_f1(of: Scores, name: str) -> list[float]:
    """Largest F1 in each of the report's samples: every threshold that is the score of an anomalous
    picture, by counting which of those drawn pass it."""
    good, bad = (np.array(of.of(kind)) for kind in (False, True))
    draw = numpy_stream("reports", "bootstrap over images", name)
    passed: list[Any] = []
    for own in (bad, good):
        drawn = draw.integers(len(own), size=(F1_DRAWS, len(own)))
        passes = (own[:, None] >= np.unique(bad)).astype(float)
        often = np.array([np.bincount(row, minlength=len(own)) for row in drawn])
        passed.append(often @ passes)
    hits, wrong = passed
    return (2 * hits / (hits + wrong + len(bad))).max(axis=1).tolist()
