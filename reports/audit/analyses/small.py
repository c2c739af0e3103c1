"""The second way to what an analysis says of small and textured anomalies: from its pictures."""

from collections.abc import Callable, Iterator

from reports.audit.analyses.analysed import (
    LINES,
    Analysed,
    Says,
    Should,
    Table,
    column_of,
    numbers,
    within,
)
from reports.audit.analyses.weights import correlation
from reports.audit.samples import mean

AREA, BEATEN, PIXELS = "area [share]", "beats_good [share]", "area [px]"
TEXTURE = "texture [share]"
DETECTED, SMALL, QUANTILES = 0.95, 0.005, 4


def area(of: Analysed) -> Iterator[Should]:
    """Groups, classes and correlations, from the table of pictures."""
    pictures = of.tables["area_pictures"]
    every = sum(of.pictures(n, "test_anomalous") for n in of.own if of.trial.data[n]["masks"])
    yield Should("area_pictures", 0, LINES, every)
    cells = [float(one[PIXELS]) / float(one[AREA]) for one in pictures if float(one[AREA])]
    for i, one in enumerate(pictures):
        yield Should("area_pictures", i, "detected", str(float(one[BEATEN]) >= DETECTED))
        yield Should(
            "area_pictures", i, AREA, float(one[PIXELS]) / round(cells[0]) if cells else 0.0
        )
    groups = [*_groups(pictures)] if pictures else []
    yield from column_of("area", "group", [name for name, _ in groups])
    for i, (_, own) in enumerate(groups):
        yield from _group(i, own)
    yield from _classes(of, pictures)
    yield from _correlations(of, pictures)


def _groups(pictures: Table) -> Iterator[tuple[str, Table]]:
    """As many in each quarter as can be; equal areas in the table's order."""
    places = sorted(range(len(pictures)), key=lambda i: float(pictures[i][AREA]))
    quarter = {place: rank * QUANTILES // len(places) for rank, place in enumerate(places)}
    for k in range(QUANTILES):
        own = [one for i, one in enumerate(pictures) if quarter[i] == k]
        yield f"area quantile {k + 1} of {QUANTILES}", own
    small = [float(one[AREA]) < SMALL for one in pictures]
    for name, wanted in ((f"area below {SMALL:.1%}", True), (f"area from {SMALL:.1%}", False)):
        yield (
            name,
            [one for one, is_small in zip(pictures, small, strict=True) if is_small is wanted],
        )


def _hits(pictures: Table) -> int:
    return sum(float(one[BEATEN]) >= DETECTED for one in pictures)


def _share(line: int, table: str, pictures: Table) -> Iterator[Should]:
    hits, n = _hits(pictures), len(pictures)
    low, high = within(hits, n)
    yield Should(table, line, "detected [share]", hits / n if n else None)
    yield Should(table, line, "detected_low_95", low)
    yield Should(table, line, "detected_high_95", high)


def _group(line: int, own: Table) -> Iterator[Should]:
    areas = numbers(own, AREA)
    ends: dict[str, Callable[[list[float]], float]] = {"smallest": min, "largest": max}
    yield Should("area", line, "pictures", len(own))
    for name, end in ends.items():
        yield Should("area", line, f"{name}_{AREA}", end(areas) if areas else None)
    yield from _share(line, "area", own)
    for name in (BEATEN, "pixel_auroc", "pixel_ap"):
        yield Should("area", line, f"mean_{name}", mean(numbers(own, name)))
    chance = mean([float(one[AREA]) for one in own if one["pixel_ap"]])
    yield Should("area", line, "mean_chance_pixel_ap", chance)


def _classes(of: Analysed, pictures: Table) -> Iterator[Should]:
    table = "area_classes"
    yield from column_of(table, "class", of.own)
    for i, name in enumerate(of.own):
        own = [one for one in pictures if one["class"] == name]
        yield Should(table, i, "good_test_pictures", of.pictures(name, "test_good"))
        yield Should(table, i, "anomalous_pictures", of.pictures(name, "test_anomalous"))
        for metric in ("image_auroc", "pixel_ap"):
            value = of.at_the_end(metric, "oracle", name)
            yield Should(table, i, metric, value, recorded=True)
        if own:
            # Whom each anomalous picture beats, on average, is the AUROC.
            yield Should(table, i, "image_auroc", mean(numbers(own, BEATEN)))
        yield from _share(i, table, own)


def _correlations(of: Analysed, pictures: Table) -> Iterator[Should]:
    classes = of.tables["area_classes"]
    pairs = [(pictures, AREA, other) for other in (BEATEN, "pixel_auroc", "pixel_ap")]
    pairs += [(classes, TEXTURE, other) for other in ("image_auroc", "pixel_ap")]
    yield Should("area_correlations", 0, LINES, 2 * len(pairs))
    for i, (table, x, y) in enumerate(pairs):
        for j, kind in enumerate(("pearson", "spearman")):
            named = {"of": x, "with": y, "coefficient": kind}
            yield from correlation("area_correlations", 2 * i + j, table, named, (x, y))


def area_says(of: Analysed) -> Says:
    pictures = of.tables["area_pictures"]
    if not pictures:
        return Says("There is no anomalous test picture with a mask.")
    small = [one for one in pictures if float(one[AREA]) < SMALL]
    large = [one for one in pictures if float(one[AREA]) >= SMALL]
    told = "Detected: {} of {} anomalies below {}% of the picture and {} of {} larger ones."
    return Says(told, [_hits(small), len(small), 100 * SMALL, _hits(large), len(large)])
