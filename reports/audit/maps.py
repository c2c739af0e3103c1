"""The second way to what stands under pictures of anomaly maps: from lists of places and scores."""

import csv
from collections.abc import Iterator, Mapping, Sequence

from reports.audit.kept_scores import kept
from reports.audit.records import Records, Trial
from reports.audit.words import Allowed, Rule

SHEET, PLACES = "anomaly_maps.png", "anomaly_maps.csv"


def shown_trial(trials: Sequence[Trial], records: Records) -> Allowed:
    """The one that pictures are of, which finished and kept its sheet of maps, and its seed."""
    kept = [
        trial
        for trial in trials
        if trial.status == "finished" and (records.artifacts(trial.key) / SHEET).is_file()
    ]
    return Allowed(frozenset(text for one in kept for text in (one.key, str(one.seed))))


def shares_below(trials: Sequence[Trial], records: Records) -> Allowed:
    """Of each picture that is shown, the share of its class's good ones that score lower: by the
    scores that were kept of all, and by the list of places where none were."""
    return Allowed(values=tuple(share for trial in trials for share in _shares(trial, records)))


def _shares(trial: Trial, records: Records) -> Iterator[float]:
    path = records.artifacts(trial.key) / PLACES
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        shown = list(csv.DictReader(file))
    scores = kept(records).get(trial.key)
    for row in shown:
        if scores is None:
            yield float(row["above_good"])
            continue
        own = scores[row["class"]]
        good = own.of(anomalous=False)
        score = dict(zip((name for name, _ in own.pictures), own.values, strict=True))
        yield sum(one < score[row["picture"]] for one in good) / len(good) if good else 0.0


RULES: Mapping[str, Rule] = {
    "reports.maps.strip": shown_trial,
    "reports.maps._shown": shares_below,
}
