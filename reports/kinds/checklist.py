"""What reviewers ask of any study: error bars, seeds, selection, compute, hardware, licences, raw
numbers. Written beside every study's reports."""

from collections.abc import Iterable, Sequence

from moleflow.wording import counted
from reports import made, papers, provenance
from reports.digits import percent, seconds
from reports.document import (
    DASH,
    Block,
    Cell,
    Document,
    Facts,
    Line,
    Number,
    Section,
    Table,
    Text,
    Value,
    Words,
    computed,
    table,
)
from reports.evidence import Evidence, keys
from reports.statistics import SEEDS_FOR_INTERVAL, summarise

SUBJECT = "Checklist"
LICENCES = {
    papers.DATA: "MVTec AD: CC BY-NC-SA 4.0, so no commercial use (by the names of the classes; "
    "whether these are its files is for you to say)"
}
MOST_SHOWN = 60
"""Trials that the page lists; all are in the file."""


def document(evidence: Evidence) -> Document:
    """Answers to the checklists of conferences, from plan and ledger."""
    return Document(
        title=evidence.plan.name,
        subject=SUBJECT,
        question=evidence.plan.study.question,
        answer=(*made.incomplete(evidence), *_answer(evidence)),
        sections=(
            Section("Error bars", (Facts(tuple(_bars(evidence))),)),
            Section("How settings were chosen", tuple(_selection(evidence))),
            Section("Compute", (compute_table(evidence), *_compute(evidence))),
            Section("Data, weights and code", (Facts(tuple(_things(evidence))),)),
            Section("Every trial", (trials_table(evidence),)),
        ),
        headline="",
        end=made.end(evidence),
    )


def _answer(evidence: Evidence) -> Sequence[Block]:
    counts = dict(provenance.facts(evidence))
    source = computed(provenance.facts, keys(evidence.records))
    words: Words = (
        "What was run: ",
        Number(counts["Trials"], source),
        ". Compute of all of it, with what did not finish: ",
        Number(counts["Compute"], source),
        ".",
    )
    return [Text(words)]


def _bars(evidence: Evidence) -> Iterable[tuple[str, Words]]:
    seeds = sorted({trial.seed for trial in evidence.plan.trials})
    enough = len(seeds) >= SEEDS_FOR_INTERVAL
    yield (
        "What varies",
        "The seed: initialisation, order of batches, permutations of the flow, all from named "
        "streams of that seed"
        + (", and orders, where a table says that it is over trials" if _orders(evidence) else "")
        + ". Test pictures are the same for all and are not in these error bars.",
    )
    yield (
        "Test pictures",
        "What other test pictures would change is in intervals of their own, at the end of the "
        "sequence alone (columns called “with pictures”, and the table of seeds and test "
        "pictures): good and anomalous pictures of each class are a sample, pixels of one picture "
        "are none, and classes are fixed. Pages say of which metrics it is known.",
    )
    yield "Behind ±", "The sample standard deviation (n − 1), over what the table says, with its n."
    yield (
        "Intervals",
        "95 %, Student’s t over seeds, each a mean over its orders"
        + ("." if enough else f"; with {counted(len(seeds), 'seed')} none is given."),
    )
    yield (
        "Tests",
        "Paired by seed: t-test for a difference, two one-sided t-tests (TOST) for equivalence "
        f"inside a margin ({_margins(evidence)}), Holm’s p-values within a table.",
    )
    yield "Assumed", "Differences between seeds are independent and roughly normal; not tested."
    yield "Seeds", f"{', '.join(map(str, seeds))} (n = {len(seeds)}), all of them reported."


def _orders(evidence: Evidence) -> bool:
    return len(evidence.orders) > 1


def _margins(evidence: Evidence) -> str:
    declared = evidence.plan.study.margins
    return ", ".join(
        f"{m.title} {percent(m.margin, 1)} points"
        + (", declared by the study" if m.name in declared else ", the package’s")
        for m in evidence.concluded
    )


def _selection(evidence: Evidence) -> Iterable[Block]:
    search = evidence.plan.study.search_axis
    n = len(evidence.settings)
    if search is not None:
        on_test = search.objective.startswith("test:")
        told = (
            f"By a search over {len(search.space)} fields; what it optimises: {search.objective}."
        )
        yield Text(told, "bad" if on_test else "plain")
        if on_test:
            yield Text(
                "The test set chose: the best number of this search is no estimate of what a new "
                "sample of pictures would give.",
                "bad",
            )
        return
    yield Text(
        "Nothing was chosen by these numbers within the study: every setting was written down "
        f"before it ran, and all {n} of them are in its reports."
        if n > 1
        else "Nothing was chosen: the study runs one setting, written down before it ran."
    )
    yield Text(
        "Whoever picks the best of several settings by a test metric of this study has chosen on "
        "the test set, and has to say so.",
        "note",
    )


def compute_table(evidence: Evidence) -> Table:
    """Seconds of trials by what came of them."""
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    for status in ("finished", "stopped", "diverged", "failed"):
        records = [record for record in evidence.records if record.status == status]
        if not records:
            continue
        source = computed(compute_table, keys(records))
        each = summarise(record.working_seconds for record in records)
        assert each is not None
        total = sum(record.working_seconds for record in records)
        stages = sum(sum(record.seconds.values()) for record in records)
        attempts = sum(record.attempts for record in records)
        texts = (str(len(records)), str(attempts), seconds(each), f"{total / 3600:.2f}")
        texts += (f"{stages / 3600:.2f}",)
        rows.append([status, *(Cell(text, source=source) for text in texts)])
        line: dict[str, Value] = {"status": status, "trials": len(records), "attempts": attempts}
        line |= {"seconds_mean": each.mean, "seconds_sd": each.sd, "hours": total / 3600}
        data.append(Line(line | {"stage_hours": stages / 3600}, source))
    caption = (
        "Wall time in which trials were at work, by what came of them: mean ± sd seconds of a "
        "trial, hours of all, and of them in stages; features and stages taken from other trials "
        "cost these nothing"
    )
    header = ("Came of it", "Trials", "Attempts", "Seconds of one", "Hours", "Hours in stages")
    return table(
        "compute", caption, header, rows, data, computed(compute_table, keys(evidence.records))
    )


def _compute(evidence: Evidence) -> Iterable[Block]:
    facts = dict(provenance.facts(evidence))
    memory = max((record.peak_memory for record in evidence.records), default=0)
    items = [(name, facts[name]) for name in ("Device", "Hosts", "Sharing", "Wall span")]
    items.append(("Largest memory of a trial", f"{memory / 2**30:.2f} GiB" if memory else DASH))
    source = computed(provenance.facts, keys(evidence.records))
    yield Facts(tuple((name, (Number(value, source),)) for name, value in items))


def _things(evidence: Evidence) -> Iterable[tuple[str, Words]]:
    facts = dict(provenance.facts(evidence))
    known = LICENCES[papers.DATA] if papers.same_data(evidence) else ""
    made_here = "made by the program itself; none applies"
    unknown = "not known to this program: it is for you to say"
    synthetic = evidence.plan.study.data == "synthetic"
    source = computed(provenance.facts, keys(evidence.records))
    yield "Licence of the data", made_here if synthetic else known or unknown
    yield "Licence of the weights", unknown
    for name in ("Data", "Backbone", "Weights", "Code", "Versions", "Versions of results"):
        yield name, (Number(facts[name], source),)
    yield (
        "Raw numbers",
        "results.parquet in the study’s folder, one row a number; tables/*.csv here.",
    )


def trials_table(evidence: Evidence) -> Table:
    """One line for every trial that has a record."""
    labels = {t.key: one.label for one in reversed(evidence.settings) for t in one.trials}
    rows: list[list[Cell | str]] = []
    data: list[Line] = []
    final = evidence.measurements.summary
    for record in evidence.records:
        source = computed(trials_table, (record.key,))
        values = [final(record.key, metric.name, "final_mean") for metric in evidence.concluded]
        texts = [f"{record.working_seconds:,.1f}", *map(percent, values)]
        named = [record.key, labels[record.key], evidence.orders[record.order], str(record.seed)]
        rows.append([*named, record.status, *(Cell(text, source=source) for text in texts)])
        line: dict[str, Value] = {"trial": record.key, "setting": labels[record.key]}
        line |= {"order": record.order, "seed": record.seed, "status": record.status}
        line |= {"attempts": record.attempts, "seconds": record.working_seconds}
        line |= {"device": record.device, "host": record.host}
        names = [metric.name for metric in evidence.concluded]
        data.append(Line(line | dict(zip(names, values, strict=True)), source))
    header = ("Trial", "Setting", "Order", "Seed", "Came of it", "Seconds",
              *(metric.title for metric in evidence.concluded))  # fmt: skip
    caption = "Every trial with a record: seconds at work, and metrics at the end, in percent"
    if len(rows) > MOST_SHOWN:
        header, rows = (), []
    whole = computed(trials_table, keys(evidence.records))
    return table("trials", caption, header, rows, data, whole, 5)
