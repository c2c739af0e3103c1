"""Doubt from the test pictures: other pictures of the same classes would have given other numbers.

From what trials keep of every picture after their last task, so for metrics at the end of the
sequence: its score, and what it contributes to the pixel metrics of its class. Nothing is kept of
earlier tasks.
S seeds, K scorings, C classes.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float

from moleflow.metrics.catalogue import TITLES
from moleflow.wording import counted
from orchestration.records.ledger import Record
from orchestration.sharing.roles import order_free
from reports.evidence import Evidence, Setting, keys, trained_alike
from reports.kept_scores import PIXELS, ClassScores, class_scores
from reports.performance import in_whole_seeds, measured
from reports.statistics import (
    DRAWN,
    ESTIMATES,
    ClassImages,
    Doubt,
    ImagesAlone,
    OverImages,
    between_groups,
    doubt,
    images_alone,
)
from reports.variants import Compared

TOLERANCE = 1e-9
"""Of a metric of kept scores to the recorded one: sums may have been taken in other orders."""
CHECKED = "image_auroc"
"""The metric by which kept scores are known to be those of a record, as contributions are by their
own."""
FEW = "fewer than two test pictures of a kind"
SEPARATED = "all trials separate it perfectly: samples of these pictures tell nothing"
METRICS: Final[tuple[str, ...]] = tuple(name for name in TITLES if name in ESTIMATES)
"""What kept scores tell the doubt of."""


Scores: TypeAlias = Mapping[str, ClassScores]
"""Of a trial, by class."""
Pictures: TypeAlias = tuple[tuple[str, str], ...]
"""Of a class: file, and defect or `good`."""
Finals: TypeAlias = Mapping[str, Mapping[str, float]]
"""Of a trial after its last task, by metric and class."""
Parts: TypeAlias = Sequence[tuple[float, Sequence[Record]]]
"""Of a sum: each seed's mean over the records counts so often. A mean is one part that counts once,
a difference has a second that counts -1."""


@dataclass(frozen=True)
class Kept:
    """Scores of trials' test pictures, which are the same pictures in all of them."""

    scores: Mapping[str, Scores]
    """By trial; trials that share what they trained share them."""
    silent: frozenset[str]
    """Trials that kept none that can be read."""
    other: Mapping[str, tuple[str, ...]]
    """Classes of trials that kept scores of other pictures of them than those before, or such as do
    not give the recorded numbers: none of such a trial's scores is used."""
    pixelless: frozenset[str]
    """Trials that have pixel metrics, and scores, but nothing of what pictures contribute to a
    pixel metric: they are of code that did not keep it."""


def kept(evidence: Evidence) -> Kept:
    """Of all finished trials, read once for all reports of a study. Where training does not depend
    on the order, trials that share theirs share their scores at the end: the first file counts
    that gives each one's recorded numbers, before all one that has what pictures contribute."""
    return evidence.once(_read)


def _read(evidence: Evidence) -> Kept:
    files = _Files(evidence)
    found: dict[str, Scores] = {}
    silent, pixelless, other = set[str](), set[str](), dict[str, tuple[str, ...]]()
    pictures: dict[str, Pictures] = {}
    for record, alike in _alike(evidence):
        finals = {m: evidence.measurements.finals(record, m) for m in (CHECKED, *PIXELS)}
        for own in map(files.scores, alike):
            if own is None or _unrecorded(finals, own) or _others(pictures, own):
                continue
            found.setdefault(record.key, own)
            if _contributed(finals, own):
                found[record.key] = own
                break
        if record.key in found:
            used = found[record.key]
            pictures |= {name: of.pictures for name, of in used.items()}
            pixelless |= set() if _contributed(finals, used) else {record.key}
        elif (own := files.scores(record)) is None:
            silent.add(record.key)
        else:
            other[record.key] = tuple(sorted(_unrecorded(finals, own) | _others(pictures, own)))
    return Kept(found, frozenset(silent), other, frozenset(pixelless))


class _Files:
    """Each is read when it is first asked for."""

    def __init__(self, evidence: Evidence):
        self._evidence = evidence
        self._known: dict[str, Scores | None] = {}
        self._names: dict[tuple[str, Pictures], Pictures] = {}

    def scores(self, record: Record) -> Scores | None:
        if record.key not in self._known:
            own = class_scores(self._evidence, record)
            self._known[record.key] = own and {n: self._lean(n, of) for n, of in own.items()}
        return self._known[record.key]

    def _lean(self, name: str, of: ClassScores) -> ClassScores:
        """Names are held once: they take far more than the numbers."""
        pictures = self._names.setdefault((name, of.pictures), of.pictures)
        return replace(of, pictures=pictures)


def _alike(evidence: Evidence) -> Iterator[tuple[Record, list[Record]]]:
    """Every finished trial, with those that share what it trained, itself among them."""
    groups: dict[object, list[Record]] = {}
    places: list[tuple[Record, object]] = []
    for record in evidence.finished:
        free = order_free(record.config)
        place = (record.config.model_dump_json(), trained_alike(record)) if free else record.key
        groups.setdefault(place, []).append(record)
        places.append((record, place))
    return ((record, groups[place]) for record, place in places)


def _others(pictures: Mapping[str, Pictures], scores: Scores) -> set[str]:
    """Classes of other pictures than those before."""
    return {name for name, of in scores.items() if pictures.get(name, of.pictures) != of.pictures}


def _contributed(finals: Finals, scores: Scores) -> bool:
    """Whether pictures of every class that has a pixel metric have their contributions to it."""
    return all(m in scores[name].contributions for m in PIXELS for name in finals.get(m, {}))


def tells(evidence: Evidence, found: Kept, metric: str, record: Record) -> bool:
    """Whether what a trial kept tells the metric's doubt."""
    kept_any = record.key in found.scores
    finals = {metric: evidence.measurements.finals(record, metric)}
    return kept_any and _contributed(finals, found.scores[record.key])


def _unrecorded(finals: Finals, scores: Scores) -> set[str]:
    """Classes of which the trial's image AUROC is not that of the scores, or a pixel metric not
    that of the contributions."""
    return {
        name
        for name, of in scores.items()
        if CHECKED not in of.recorded
        or not all(_same(value, finals[m].get(name)) for m, value in of.recorded.items())
    }


def _same(value: float, recorded: float | None) -> bool:
    return recorded is not None and abs(value - recorded) <= TOLERANCE


@dataclass(frozen=True)
class Doubted:
    """A mean over classes at the end of the sequence, or a difference of two, with its doubt."""

    metric: str
    classes: tuple[str, ...]
    values: Float[np.ndarray, "s c"]
    """Each a mean over orders."""
    scores: tuple[Scores, ...]
    over_images: tuple[OverImages, ...]
    """By class."""
    weights: Float[np.ndarray, "s k"]
    """Of scorings in the seeds' values."""
    both: Doubt
    trials: tuple[str, ...]
    left_out: int
    """Trials of seeds of which a trial has no scores."""

    @cached_property
    def alone(self) -> ImagesAlone:
        """From the pictures, were the seeds all there are."""
        draw = DRAWN.get(self.metric)
        drawn = [draw(one, self.weights) for one in self.images] if draw else []
        return images_alone(self.both.mean, self.over_images, drawn)

    @property
    def images(self) -> Iterator[ClassImages]:
        """By class, each made when it is asked for: all of its scores beside each other."""
        return (_class(name, self.scores, self.metric) for name in self.classes)

    @property
    def pictures(self) -> tuple[int, int]:
        """Good and anomalous, of all classes."""
        every = [self.scores[0][name].anomalous for name in self.classes]
        anomalous = sum(int(one.sum()) for one in every)
        return sum(map(len, every)) - anomalous, anomalous

    @property
    def separated(self) -> int:
        """Classes whose scores separate perfectly in every trial: samples of these images tell
        nothing of their doubt."""
        return sum(bool((one.values == 1).all()) for one in self.over_images)

    def of_class(self, name: str) -> "Doubted | str":
        """One of its classes by itself; in words why pictures tell nothing of it."""
        c = self.classes.index(name)
        over, values = self.over_images[c], self.values[:, [c]]
        if (over.values == 1).all():
            return SEPARATED
        anomalous = self.scores[0][name].anomalous
        smaller = min(int(anomalous.sum()), int((~anomalous).sum()))
        both = doubt(values, [over.covariance], [smaller])
        return replace(self, classes=(name,), values=values, over_images=(over,), both=both)

    @property
    def from_images(self) -> float:
        """Standard deviation of the mean."""
        return math.sqrt(self.both.images)

    @property
    def from_seeds(self) -> float | None:
        return None if self.both.seeds is None else math.sqrt(self.both.seeds)


def of_setting(evidence: Evidence, setting: Setting, found: Kept, metric: str) -> Doubted | str:
    """Over seeds that have every order; in words why there is none."""
    records = in_whole_seeds(measured(evidence, setting, metric))
    return doubted(evidence, found, metric, [(1, records)])


def of_difference(
    evidence: Evidence, compared: Compared, found: Kept, metric: str
) -> Doubted | str:
    """Variant minus baseline, over its pairs."""
    parts = [(factor, [pair[i] for pair in compared.pairs]) for i, factor in enumerate((-1, 1))]
    return doubted(evidence, found, metric, parts)


def doubted(evidence: Evidence, found: Kept, metric: str, parts: Parts) -> Doubted | str:
    """Of a sum, paired by seed: every part has every seed."""
    asked = metric, tuple((factor, tuple(keys(records))) for factor, records in parts)
    return evidence.once(lambda one: _doubted(one, found, metric, parts), "doubt", *asked)


def _doubted(evidence: Evidence, found: Kept, metric: str, parts: Parts) -> Doubted | str:
    terms = [(i, record) for i, (_, records) in enumerate(parts) for record in records]
    lacking = {record.seed for _, record in terms if not tells(evidence, found, metric, record)}
    used = [(i, record) for i, record in terms if record.seed not in lacking]
    if not used:
        return _lacking(found, [record for _, record in terms])
    finals = [evidence.measurements.finals(record, metric) for _, record in used]
    classes = tuple(sorted(finals[0]))
    if any(set(one) != set(classes) for one in finals):
        return "not all trials have it of the same classes"
    weights = _weights(used, [factor for factor, _ in parts])
    values = weights @ np.array([[one[name] for name in classes] for one in finals])
    scores, weights = _different([found.scores[record.key] for _, record in used], weights)
    images = [_class(name, scores, metric) for name in classes]
    few = [one.name for one in images if one.smaller < 2]
    if few:
        return f"{FEW}: {', '.join(few)}"
    over = tuple(ESTIMATES[metric](one, weights) for one in images)
    both = doubt(values, [one.covariance for one in over], [one.smaller for one in images])
    trials = tuple(dict.fromkeys(keys(record for _, record in used)))
    left_out = len({record.key for _, record in terms}) - len(trials)
    return Doubted(metric, classes, values, tuple(scores), over, weights, both, trials, left_out)


@dataclass(frozen=True)
class Together:
    """What other test pictures would do to several means at once."""

    covariance: Float[np.ndarray, "g g"]
    trials: tuple[str, ...]
    left_out: int
    """Trials of seeds of which a trial has no scores."""


def together(
    evidence: Evidence, found: Kept, metric: str, groups: Sequence[Sequence[Record]]
) -> Together | str:
    """Of means over classes and seeds, each over its records: all have the same seeds, and were
    tested on the same pictures. In words why it is not known."""
    terms = [(i, record) for i, records in enumerate(groups) for record in records]
    lacking = {record.seed for _, record in terms if not tells(evidence, found, metric, record)}
    used = [(i, record) for i, record in terms if record.seed not in lacking]
    if not used:
        return _lacking(found, [record for _, record in terms])
    seeds = sorted({record.seed for _, record in used})
    rows = [i * len(seeds) + seeds.index(record.seed) for i, record in used]
    weights = np.zeros((len(groups) * len(seeds), len(used)))
    weights[rows, range(len(used))] = 1 / np.bincount(rows)[rows]
    scores, weights = _different([found.scores[record.key] for _, record in used], weights)
    classes = sorted(evidence.measurements.finals(used[0][1], metric))
    if any(sorted(evidence.measurements.finals(r, metric)) != classes for _, r in used):
        return "not all trials have it of the same classes"
    images = [_class(name, scores, metric) for name in classes]
    few = [one.name for one in images if one.smaller < 2]
    if few:
        return f"{FEW}: {', '.join(few)}"
    each = [ESTIMATES[metric](one, weights).covariance for one in images]
    trials = tuple(keys(record for _, record in used))
    return Together(between_groups(each, len(groups)), trials, len(terms) - len(trials))


def shared(
    evidence: Evidence, found: Kept, metric: str, runs: Sequence[Sequence[Record]]
) -> float | None:
    """Variance of a class's value that other test pictures would give all runs alike, as a mean
    over classes; None where the scores of a trial are not known.

    Args:
        runs: trials that share their training, whose mean is a value.
    """
    records = [record for run in runs for record in run]
    if metric not in METRICS or not all(tells(evidence, found, metric, of) for of in records):
        return None
    weights = np.zeros((len(runs), len(records)))
    for i, first in enumerate(np.cumsum([0, *map(len, runs[:-1])])):
        weights[i, first : first + len(runs[i])] = 1 / len(runs[i])
    classes = sorted({name for r in records for name in evidence.measurements.finals(r, metric)})
    scores, weights = _different([found.scores[record.key] for record in records], weights)
    if any(name not in one for name in classes for one in scores):
        return None
    images = [_class(name, scores, metric) for name in classes]
    if len(runs) < 2 or any(one.smaller < 2 for one in images):
        return None
    each = [ESTIMATES[metric](one, weights).covariance for one in images]
    apart = ~np.eye(len(runs), dtype=bool)
    return max(0.0, float(np.mean([of[apart].mean() for of in each])))


def _lacking(found: Kept, records: Sequence[Record]) -> str:
    if not records:
        return "no seed has finished every order"
    counts = [
        sum(record.key in of for record in records)
        for of in (found.silent, found.other, found.scores)
    ]
    told = (
        "kept no scores that can be read",
        "kept scores that are not those of its record",
        "kept nothing of what pictures contribute to it",
    )
    said = [
        f"{n} of {counted(len(records), 'trial')} {what}"
        for n, what in zip(counts, told, strict=True)
        if n
    ]
    return "; ".join(said)


def _weights(
    terms: Sequence[tuple[int, Record]], factors: Sequence[float]
) -> Float[np.ndarray, "s k"]:
    """Of records in the seeds' values: each is of a part, and shares its factor with those of its
    seed."""
    seeds = sorted({record.seed for _, record in terms})
    places = [(part, seeds.index(record.seed)) for part, record in terms]
    alike = Counter(places)
    table = np.zeros((len(seeds), len(terms)))
    for k, (part, s) in enumerate(places):
        table[s, k] = factors[part] / alike[part, s]
    return table


def _different(
    scores: Sequence[Scores], weights: Float[np.ndarray, "s k"]
) -> tuple[list[Scores], Float[np.ndarray, "s d"]]:
    """What trials share counts once, with the sum of their weights."""
    places: dict[int, list[int]] = {}
    for i, one in enumerate(scores):
        places.setdefault(id(one), []).append(i)
    each = [scores[of[0]] for of in places.values()]
    return each, np.stack([weights[:, of].sum(axis=1) for of in places.values()], axis=1)


def _class(name: str, scores: Sequence[Scores], metric: str) -> ClassImages:
    values = np.stack([one[name].of(metric) for one in scores])
    return ClassImages(name, scores[0][name].anomalous, values)
