"""The page of all studies of a root folder, and a page that sets two of them against each other."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from moleflow.errors import MoleflowError, StudyError
from moleflow.metrics.catalogue import Metric
from moleflow.metrics.means import mean
from moleflow.wording import counted, from_fewest
from orchestration.plain import uncelled
from orchestration.records.layout import Root, StudyFolder
from orchestration.records.ledger import Ledger, MisfitError, Record
from orchestration.records.plans import plan_of
from orchestration.studies.expansion import Plan
from reports.digits import bracketed, ends, p_value, percent
from reports.document import (
    DASH,
    Cell,
    Document,
    Line,
    Listed,
    Number,
    Section,
    Source,
    Table,
    Text,
    Value,
    Words,
    Written,
    computed,
    note,
    plain,
    table,
    write,
)
from reports.evidence import Evidence, Setting, keys, load
from reports.provenance import differences
from reports.statistics import Contrast, contrast, holm
from reports.variants import baseline_of_all, called

WITH_VERDICTS = (
    "contrasts-*.csv",
    "task0_verdicts*.csv",
    "interactions-*.csv",
    "order_measured*.csv",
)
"""Tables of reports that have a column of verdicts on differences."""
NOTHING_ALIKE = "No setting of one has the name or the config of one of the other."
STATES = ("finished", "stopped", "diverged", "failed")
Place = tuple[str, int]
"""Order and seed."""


def write_index(root: Root) -> Written:
    """All studies: what was asked, what ran, what failed, what is undecided, with links.

    Raises:
        StoreError: it cannot be written.
    """
    known, damaged = list[tuple[Plan, list[Record]]](), list[str]()
    for name in root.study_names():
        try:
            plan = plan_of(root.study(name))
            known.append((plan, _records(plan, root.study(name))))
        except MoleflowError as error:
            damaged.append(f"{name}: {error}")
    shown = studies_table(root, known)
    trials = sum(len(plan.trials) for plan, _ in known)
    source = computed(studies_table, [r.key for _, records in known for r in records])
    done = sum(record.status == "finished" for _, records in known for record in records)
    asks = f"{len(known)} {'study asks' if len(known) == 1 else 'studies ask'}"
    has = f"{done} {'has' if done == 1 else 'have'} finished"
    told = (asks, counted(trials, "trial"), has)
    asking, asked, finished = (Number(text, source) for text in told)
    answer: Words = (asking, " for ", asked, "; ", finished, ".")
    document = Document(
        title=root.path.name,
        subject="All studies",
        question="",
        answer=(Text(answer), *(Text(one, "bad") for one in damaged)),
        sections=(
            Section(
                "Studies",
                (
                    shown,
                    note(
                        "Undecided: verdicts of the study’s reports, as they lie there, that say "
                        "neither better or worse (or different) nor equivalent; below it, those "
                        "that do. Two studies are compared by: moleflow report NAME --against "
                        "OTHER."
                    ),
                ),
            ),
        ),
        headline=plain(answer),
    )
    return write(document, root.index)


def _records(plan: Plan, folder: StudyFolder) -> list[Record]:
    ledger, found = Ledger(folder), list[Record]()
    for trial in plan.trials:
        try:
            record = ledger.read_brief(trial.key)
        except MisfitError:  # counts for nothing; the study's own report names it
            continue
        found += [record] if record is not None else []
    return found


def studies_table(root: Root, known: Sequence[tuple[Plan, Sequence[Record]]]) -> Table:
    """A line for each study."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for plan, records in known:
        source = computed(studies_table, keys(records))
        page = root.study(plan.name).report / "index.html"
        address = f"../studies/{plan.name}/report/index.html" if page.is_file() else ""
        name = Cell(plan.name, "" if address else "no report yet", address=address)
        states = [record.status for record in records]
        counts = {state: states.count(state) for state in STATES}
        hours = sum(record.working_seconds for record in records) / 3600
        told = verdicts_in(root.study(plan.name))
        undecided = f"{told.count('undecided')} of {len(told)}" if told else DASH
        others = Counter(verdict for verdict in told if verdict != "undecided")
        decided = ", ".join(f"{many} {verdict}" for verdict, many in sorted(others.items()))
        missing = len(plan.trials) - len(records)
        texts = [len(plan.trials), *counts.values(), missing, f"{hours:.2f}"]
        cells = (Cell(str(text), source=source) for text in texts)
        kinds = ", ".join(kind.replace("_", " ") for kind in plan.study.reports)
        question = Cell(plan.study.question, kinds)
        rows.append([name, question, *cells, Cell(undecided, decided, source)])
        line: dict[str, Value] = {"study": plan.name, "planned": len(plan.trials), **counts}
        line |= {"not_run": missing, "hours": hours, "verdicts": len(told)}
        data.append(Line(line | {"undecided": told.count("undecided")}, source))
    header = ("Study", "Question", "Planned", *(s.capitalize() for s in STATES), "Not run", "Hours",
              "Undecided")  # fmt: skip
    caption = "Studies of this root folder: trials by what came of them, hours at work"
    whole = computed(studies_table, [r.key for _, records in known for r in records])
    return table("studies", caption, header, rows, data, whole, 2)


def verdicts_in(folder: StudyFolder) -> list[str]:
    """Every verdict that a study's reports have printed; a table that two of them have, once."""
    found: list[str] = []
    for pattern in WITH_VERDICTS:
        of = {p.name: p for p in sorted(folder.report.rglob(f"tables/{pattern}"))}
        found += [verdict for path in of.values() for verdict in _column(path, "verdict")]
    return found


def _column(path: Path, name: str) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [uncelled(row[name]) for row in csv.DictReader(file) if row.get(name)]


def write_against(root: Root, name: str, other: str) -> Written:
    """The settings that two studies have in common, or their baselines, pair by pair.

    Raises:
        StudyError: one was not planned, or they are one.
        StoreError: a plan or a record is damaged, or the page cannot be written.
    """
    if name == other:
        raise StudyError(f"{name} against itself: name two studies")
    ours, theirs = load(root.study(name)), load(root.study(other))
    pairs = _settings(ours, theirs)
    metrics = ours.concluded if pairs else ()
    results = {metric: _results(ours, theirs, pairs, metric) for metric in metrics}
    tables = [against_table(ours, theirs, pairs, *of) for of in results.items()]
    told = [sentence(ours, theirs, pairs, *of) for of in results.items()]
    differ = list(_differences(ours, theirs, pairs))
    document = Document(
        title=f"{name} against {other}",
        subject="Two studies compared",
        question=f"What differs between {name} and {other}, setting by setting?",
        answer=(Listed(tuple(told)) if pairs else Text(NOTHING_ALIKE, "bad"),),
        sections=(
            Section("Differences", tuple(tables)),
            Section("What was done otherwise", (Listed(tuple(differ)),)),
        ),
        headline="\n".join(plain(words)[:100] for words in told or [NOTHING_ALIKE]),
        beside=tuple(
            (one, f"../../studies/{one}/report/index.html")
            for one in (name, other)
            if (root.study(one).report / "index.html").is_file()
        ),
    )
    return write(document, root.index / f"{name}-against-{other}")


def _settings(ours: Evidence, theirs: Evidence) -> list[tuple[Setting, Setting]]:
    """Of one name; of the others, those of one config; where there are none, what each study
    compares with, or its only setting."""
    named = {name.label: one for one in theirs.settings for name in one.names}
    found: dict[int, tuple[Setting, Setting]] = {}
    for mine in ours.settings:
        labels = [name.label for name in mine.names if name.label in named]
        if labels:
            found[mine.number] = mine, named[labels[0]]
    taken = {yours.number for _, yours in found.values()}
    free = [one for one in theirs.settings if one.number not in taken]
    for mine in ours.settings:
        alike = [one for one in free if one.trials[0].config == mine.trials[0].config]
        if mine.number not in found and alike:
            found[mine.number] = mine, alike[0]
    if found:
        return [found[number] for number in sorted(found)]
    if len(ours.settings) == len(theirs.settings) == 1:
        return [(ours.settings[0], theirs.settings[0])]
    mine, yours = baseline_of_all(ours), baseline_of_all(theirs)
    return [] if mine is None or yours is None else [(mine, yours)]


def _values(evidence: Evidence, setting: Setting, metric: str) -> dict[Place, float]:
    final = evidence.measurements.summary
    return {
        (record.order, record.seed): value
        for record in setting.finished
        if (value := final(record.key, metric, "final_mean")) is not None
    }


def _results(
    ours: Evidence, theirs: Evidence, pairs: Sequence[tuple[Setting, Setting]], metric: Metric
) -> list[Contrast | None]:
    """Ours minus theirs, of orders and seeds that both have; verdicts for all together (Holm)."""
    found: list[Contrast | None] = []
    for mine, yours in pairs:
        sides = (_values(theirs, yours, metric.name), _values(ours, mine, metric.name))
        places = sorted(sides[0].keys() & sides[1].keys())
        orders = {order for order, _ in places}
        by_seed = {s: [p for p in places if p[1] == s] for _, s in places}
        seeds = [s for s in sorted(by_seed) if {order for order, _ in by_seed[s]} == orders]
        before, after = ([mean(side[p] for p in by_seed[s]) for s in seeds] for side in sides)
        found.append(contrast(before, after, metric.margin or 0.0) if seeds else None)
    adjusted = iter(holm([one for one in found if one is not None]))
    return [one if one is None else next(adjusted) for one in found]


def against_table(
    ours: Evidence,
    theirs: Evidence,
    pairs: Sequence[tuple[Setting, Setting]],
    metric: Metric,
    results: Sequence[Contrast | None],
) -> Table:
    """A line for each setting that both have."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for (mine, yours), result in zip(pairs, results, strict=True):
        source = _source(against_table, mine, yours)
        line: dict[str, Value] = {
            "setting": mine.label,
            "other": yours.label,
            "metric": metric.name,
        }
        if result is None:
            rows.append([called(mine), DASH, DASH, DASH, DASH, "0"])
            data.append(Line(line | {"seeds": 0}, source))
            continue
        texts = [percent(result.difference), bracketed(result.interval)]
        texts += [p_value(result.p_holm), str(result.n)]
        rows.append([called(mine), result.verdict, *(Cell(t, source=source) for t in texts)])
        line |= {"seeds": result.n, "difference": result.difference, **ends(result.interval)}
        line |= {"p_holm": result.p_holm, "verdict": result.verdict}
        data.append(Line(line, source))
    caption = (
        f"{metric.title} at the end of the sequence, in points: {ours.plan.name} minus "
        f"{theirs.plan.name}, paired by order and seed; verdicts for all lines together (Holm); "
        "intervals over seeds alone"
    )
    header = ("Setting", "Verdict", "Difference", "95 % interval", "p (Holm)", "Seeds")
    every = [key for mine, yours in pairs for key in keys((*mine.finished, *yours.finished))]
    return table(
        f"against-{metric.name}", caption, header, rows, data, computed(against_table, every), 2
    )


def _source(by: object, mine: Setting, yours: Setting) -> Source:
    trials = keys((*mine.finished, *yours.finished))
    return computed(by, trials)  # pyright: ignore[reportArgumentType]


def sentence(
    ours: Evidence,
    theirs: Evidence,
    pairs: Sequence[tuple[Setting, Setting]],
    metric: Metric,
    results: Sequence[Contrast | None],
) -> Words:
    """How many settings have which verdict."""
    known = [one for one in results if one is not None]
    if not known:
        return f"{metric.title}: no order and seed is in both, so nothing is compared."
    counts = Counter("the same" if one.identical else one.verdict for one in known)
    told = ", ".join(f"{verdict} in {n}" for verdict, n in sorted(counts.items()))
    every = [key for mine, yours in pairs for key in keys((*mine.finished, *yours.finished))]
    source = computed(sentence, every)
    number = Number(f"n = {from_fewest((one.n for one in known), 'seed')}", source)
    verdicts = Number(f"{told} of {counted(len(known), 'setting')}", source)
    return (f"{metric.title} (", number, f"): {ours.plan.name} is ", verdicts, ".")


def _differences(
    ours: Evidence, theirs: Evidence, pairs: Sequence[tuple[Setting, Setting]]
) -> Iterable[str]:
    """Fields of the configs, data, seeds: what the two do not share."""
    names = (ours.plan.name, theirs.plan.name)
    for title, values in _facts(ours, theirs).items():
        if values[0] != values[1]:
            yield f"{title}: {values[0]} ({names[0]}), {values[1]} ({names[1]})."
    fields: dict[tuple[str, str, str], None] = {}
    for mine, yours in pairs:
        fields |= dict.fromkeys(differences(mine.trials[0].config, yours.trials[0].config))
    for field, one, two in fields:
        yield f"{field}: {one} ({names[0]}), {two} ({names[1]})."
    if pairs and not fields:
        yield "All settings of the configs that are compared are the same."
    both = len({one.key for one in ours.plan.trials} & {one.key for one in theirs.plan.trials})
    if both:
        yield f"{both} {'trial is' if both == 1 else 'trials are'} in both, and cannot differ."


def _facts(ours: Evidence, theirs: Evidence) -> Mapping[str, tuple[str, str]]:
    def of(evidence: Evidence) -> tuple[str, str, str, str]:
        trials = evidence.plan.trials
        classes = ", ".join(sorted({name for trial in trials for name in trial.classes}))
        prints = {f"{k} {v[:12]}" for trial in trials for k, v in trial.fingerprints.items()}
        seeds = ", ".join(map(str, sorted({trial.seed for trial in trials})))
        code = ", ".join(sorted({git for record in evidence.finished for git in record.revisions}))
        return classes, ", ".join(sorted(prints)), seeds, code

    titles = ("Classes", "Fingerprints of the data", "Seeds", "Code")
    return dict(zip(titles, zip(of(ours), of(theirs), strict=True), strict=True))
