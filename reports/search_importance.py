"""Which of the searched settings moved what the search makes large."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moleflow.metrics.catalogue import TITLES
from moleflow.wording import counted
from orchestration.records.objective import metric_of
from orchestration.studies.search import Distribution, Integer, LogUniform, Search, Uniform
from reports.digits import p_value
from reports.document import Cell, Number, Source, Table, Value, Words, computed, table
from reports.evidence import keys
from reports.proposals import Proposed, finished
from reports.statistics import ALPHA, NOISE, adjusted, search_chances, search_importance

TOP = 0.4
"""Share of proposals that are the best. A tenth of the few that searches have is two or three."""
FEWEST = 16
"""Finished proposals. Of so many, the one setting of three that does nearly all stands out in about
four searches of five, and of twelve in two of five."""
Values = list[float] | list[str]


@dataclass(frozen=True)
class Importance:
    """Of the searched settings, from finished proposals."""

    shares: Mapping[str, float]
    p: Mapping[str, float]
    """Of shuffled outcomes that set the best as far apart; Holm over settings."""
    proposals: tuple[Proposed, ...]

    def source(self, by: object) -> Source:
        of = [record for one in self.proposals for record in one.records]
        return computed(by, keys(of))  # pyright: ignore[reportArgumentType]


def importance(found: Sequence[Proposed], search: Search) -> Importance | Words:
    """Or why there is none."""
    done = finished(found)
    if len(done) < FEWEST:
        source = computed(importance, keys([r for one in done for r in one.records]))
        return (
            "Which setting matters is not told: ",
            Number(counted(len(done), "finished proposal"), source),
            f" of the {FEWEST} from which on the best ones say more of settings than of chance.",
        )
    outcome = [one.value or 0.0 for one in done]
    if max(outcome) - min(outcome) <= NOISE:
        return "No setting matters: every proposal that finished has the same value."
    values = {field: on_scale(done, field, space) for field, space in search.space.items()}
    shares = search_importance(values, outcome, TOP)
    chances = search_chances(values, outcome, TOP)
    p = dict(zip(chances, adjusted(list(chances.values())), strict=True))
    return Importance(shares, p, tuple(done))


def on_scale(done: Sequence[Proposed], field: str, space: Distribution) -> Values:
    """Numbers, their logarithms where these are drawn evenly, words where values are listed."""
    texts = [one.values[field] for one in done]
    match space:
        case LogUniform():
            return [math.log(json.loads(text)) for text in texts]
        case Uniform() | Integer():
            return [float(json.loads(text)) for text in texts]
        case _:
            return texts


def sentence(found: Importance) -> Words:
    """Which stand out from chance."""
    source, n = found.source(sentence), f"n = {len(found.proposals)} proposals"
    clear = [name for name in _ordered(found) if found.p[name] <= ALPHA]
    if not clear:
        most = _ordered(found)[0]
        return (
            "No setting stands out from chance (", Number(n, source),
            f"): {most} has the largest share, ", Number(_share(found, most), source), ".",
        )  # fmt: skip
    told: list[str | Number] = ["What matters more than by chance (", Number(n, source), "): "]
    for i, name in enumerate(clear):
        told += [", " if i else "", f"{name} with ", Number(_share(found, name), source)]
    return (*told, f" of what tells the best {100 * TOP:.0f} % of proposals from all.")


def _ordered(found: Importance) -> list[str]:
    return sorted(found.shares, key=lambda name: -found.shares[name])


def _share(found: Importance, name: str) -> str:
    return f"{100 * found.shares[name]:.0f} %"


def importance_table(found: Importance, search: Search) -> Table:
    """A line per setting, the largest share first."""
    source, n = found.source(importance_table), len(found.proposals)
    rows: list[list[Cell | str]] = []
    data: list[dict[str, Value]] = []
    for name in _ordered(found):
        cells = (f"{100 * found.shares[name]:.1f} %", p_value(found.p[name]))
        rows.append([name, *(Cell(text, source=source) for text in cells)])
        line: dict[str, Value] = {"searched": name, "share": found.shares[name]}
        data.append(line | {"p_holm": found.p[name], "proposals": n})
    learned = (
        "; TPE proposes where values were good, so that p is rough"
        if search.method == "tpe"
        else ""
    )
    caption = (
        f"How differently the best {100 * TOP:.0f} % of ",
        Number(f"{n} proposals", found.source(sentence)),
        f" by {TITLES[metric_of(search)]} lie from all in each setting, as shares (PED-ANOVA, "
        "Watanabe et al. 2023), and how often shuffled outcomes set them as far apart (p, Holm "
        f"over settings{learned})",
    )
    header = ("Setting", "Share", "p")
    return table("search_importance", caption, header, rows, data, source)
