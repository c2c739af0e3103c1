"""Seeds and test pictures in tables of other things: beside each mean over classes at the end of a
sequence, and beside each difference of two, the interval over both."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from moleflow.metrics.catalogue import TITLES
from moleflow.wording import counted, plural
from orchestration.records.ledger import Record
from reports.digits import bracketed, good_and_anomalous, percent, some
from reports.document import (
    DASH,
    Block,
    Cell,
    Number,
    Text,
    Value,
    Words,
    computed,
    note,
)
from reports.evidence import Evidence, keys
from reports.picture_doubt import METRICS, Doubted, Kept, Together
from reports.statistics import SEEDS_FOR_INTERVAL, summarise

Interval = tuple[float, float] | None
Known = Doubted | str
"""In words why nothing is known."""
Decided = tuple[str, Known, Interval]
"""A name, a difference, and its interval over seeds."""
Maker = Callable[..., object]
HEADER = "with pictures"
"""Of the column, which stands right of the number that it is of."""
NEGATIVE = "estimate of pictures below 0: no sign of them"
ALONE = "; over seeds alone"
"""Of a table whose intervals test pictures are not in, for the end of its caption."""
NO_SCORES = "trials kept no scores that tell it"
FEW_SEEDS = "intervals are given from three seeds on"
HOW = (
    "Test pictures: a class is tested on some tens of pictures, the same in every trial, so no "
    "further seed takes their doubt away. What other pictures of these classes would change is "
    "estimated from the score of every picture: of image AUROC with DeLong’s covariance and, for "
    "the pictures’ own interval, a bootstrap of 2,000 samples that draws good and anomalous "
    "pictures of each class apart; of image AP from the influence of each picture; of image "
    "F1-max from 1,000 such samples, in each of which the best threshold is found anew (for as "
    "many pictures: of very many, F1-max is lower); of pixel metrics from the influence of each "
    "picture with all of its pixels, which are no sample of their own. The half width of the "
    "interval of both is the root of the sum of squares of those of each, so that it holds at "
    "least 95 %. Classes are fixed."
)
NOT_KEPT = (
    "Earlier steps: trials keep what is told of every test picture after the last task alone. The "
    "doubt of earlier steps from test pictures cannot be told, and their intervals are over seeds "
    "alone."
)


def has_pictures(metric: str, definition: str = "final_mean") -> bool:
    """Whether kept scores tell what other test pictures would do to it."""
    return metric in METRICS and definition == "final_mean"


def intervals(one: Doubted) -> tuple[Interval, Interval]:
    """Over seeds, and over seeds and pictures: from three seeds on."""
    of_seeds = summarise(float(value) for value in one.values.mean(axis=1))
    enough = len(one.values) >= SEEDS_FOR_INTERVAL
    return of_seeds.interval if of_seeds else None, one.both.interval if enough else None


def both(one: Known, beside: Interval = None) -> Interval:
    """Over seeds and pictures, from three seeds on; where another interval over seeds stands
    beside it, that one with the pictures."""
    if isinstance(one, str):
        return None
    return one.both.beside(beside) if beside else intervals(one)[1]


def both_cell(one: Known, by: Maker, beside: Interval = None) -> Cell:
    """The interval over seeds and test pictures; with fewer than three seeds, below a dash, what
    pictures alone leave open."""
    if isinstance(one, str):
        return Cell(DASH, one, computed(by))
    interval = both(one, beside)
    notes = [] if interval else [f"standard error {percent(one.from_images)} from pictures"]
    notes += [f"{counted(one.left_out, 'trial')} left out"] if one.left_out else []
    notes += [NEGATIVE] if one.both.images_negative else []
    return Cell(bracketed(interval), "\n".join(notes), computed(by, one.trials))


def both_note(one: Known) -> str:
    """The same below a mean, where several stand in a line; nothing where nothing is known."""
    if isinstance(one, str):
        return ""
    interval = both(one)
    if interval is None:
        return f"standard error {percent(one.from_images)} from pictures"
    return f"{bracketed(interval)} {HEADER}{f'; {NEGATIVE}' if one.both.images_negative else ''}"


def both_fields(one: Known, beside: Interval = None) -> dict[str, Value]:
    """The same for the table's file."""
    known = None if isinstance(one, str) else one
    low, high = both(one, beside) or (None, None)
    good, anomalous = known.pictures if known else (None, None)
    return {
        "sd_seeds": known.from_seeds if known else None,
        "sd_pictures": known.from_images if known else None,
        "both_low": low,
        "both_high": high,
        "seeds_both": len(known.values) if known else 0,
        "good": good,
        "anomalous": anomalous,
        "trials_left_out": known.left_out if known else None,
        "why_not": why_not(one),
    }


def caption(made: Sequence[Known]) -> tuple[str | Number, ...]:
    """What the column shows, for the end of a table's caption; empty where nothing is known."""
    every: dict[tuple[int, int], list[str]] = {}
    for one in made:
        if not isinstance(one, str):
            every.setdefault(one.pictures, []).extend(one.trials)
    if not every:
        return ()
    words: list[str | Number] = [
        f"; “{HEADER}”: the 95 % interval over seeds and test pictures (n = "
    ]
    for i, ((good, bad), trials) in enumerate(sorted(every.items())):
        told = Number(good_and_anomalous(good, bad), computed(caption, trials))
        words += [" or ", told] if i else [told]
    return (*words, ")")


def explained(evidence: Evidence, found: Kept) -> list[Block]:
    """Trials without scores that can be used, what was done, and what cannot be told."""
    return [*lacking(found, evidence.finished), note(HOW), note(NOT_KEPT)]


def lacking(found: Kept, records: Sequence[Record]) -> list[Text]:
    """Trials whose scores cannot be used, so that what is said of pictures is said without them."""
    silent, other, pixelless = (
        [key for key in keys(records) if key in of]
        for of in (found.silent, found.other, found.pixelless)
    )
    told: list[Text] = []
    if silent:
        told.append(Text(_told(silent, records, "kept no scores that can be read")))
    if other:
        what = "kept scores that do not give the recorded numbers, or are of other pictures"
        named = {key: f"{key} of {' and of '.join(found.other[key])}" for key in other}
        told.append(Text(_told(other, records, what, named), "bad"))
    if pixelless:
        what = "are of code that did not keep what pictures contribute to pixel metrics"
        told.append(Text(_told(pixelless, records, what)))
    return told


def _told(
    trials: Sequence[str],
    records: Sequence[Record],
    what: str,
    named: Mapping[str, str] | None = None,
) -> Words:
    """How many of the records these trials are, and what is to be said of them.

    Args:
        named: what a trial is called; its key where nothing is given.
    """
    names = [named[key] if named else key for key in trials]
    told = f" {what} ({some(names)}): the doubt from test pictures is of the seeds without them."
    if len(trials) == len(records) and not named:
        told = f" {what}: that doubt from test pictures is not known."
    return (
        "Of ",
        Number(f"{len(records)}", computed(lacking, keys(records))),
        f" {plural(len(records), 'finished trial')}, ",
        Number(f"{len(trials)}", computed(lacking, trials)),
        told,
    )


def sentence(metric: str, made: Sequence[tuple[str, Known]]) -> Words:
    """Which of the two sources leaves more open, of one mean, or of several with their names."""
    lead = f"{TITLES[metric]} on other seeds and other test pictures: "
    known = [(name, one) for name, one in made if not isinstance(one, str)]
    if not known:
        return (f"{lead}not known (", *because([one for _, one in made]), ").")
    words: list[str | Number] = [lead, "test pictures leave open "]
    words += _from_least_to_most(known, lambda one: one.from_images, _of_pictures)
    words += [*_below_zero([one for _, one in known]), ", seeds "]
    several = [(name, one) for name, one in known if one.from_seeds is not None]
    if several:
        words += _from_least_to_most(several, lambda one: one.from_seeds or 0.0, _of_seeds)
    else:
        words.append("are one, which says nothing of others")
    if len(known) == 1:
        ((_, one),) = known
        source, interval = computed(sentence, one.trials), both(one)
        if interval:
            words += ["; 95 % interval with both ", Number(f"{bracketed(interval)} %", source)]
    unknown = [name for name, one in made if isinstance(one, str)]
    words.append(f". Not known of {', '.join(unknown)}." if unknown else ".")
    return (*words, *without(one for _, one in known))


def why_not(one: Known) -> str:
    """Why nothing is known; empty where something is."""
    return one if isinstance(one, str) else ""


def because(made: Iterable[Known]) -> list[str | Number]:
    """Why nothing is known of these, each reason once."""
    why = dict.fromkeys(one for one in made if isinstance(one, str) and one)
    told = [word for one in why for word in ("; ", Number(one, computed(why_not)))][1:]
    return told or ["nothing has finished"]


def _below_zero(known: Sequence[Doubted]) -> list[str | Number]:
    """Of how many the estimate of what pictures do is negative; nothing where it is of none."""
    below = sum(one.both.images_negative for one in known)
    if not below:
        return []
    source = computed(_below_zero, [key for one in known for key in one.trials])
    many = [" in ", Number(f"{below} of {len(known)}", source)] if len(known) > 1 else []
    return [" (estimate below 0", *many, ": no sign of them)"]


def without(made: Iterable[Doubted | Together]) -> tuple[str | Number, ...]:
    """Says that trials are left out of these, for want of scores that can be used."""
    every = list(made)
    most = max(every, key=lambda one: one.left_out, default=None)
    if most is None or not most.left_out:
        return ()
    up_to = "up to " if len({one.left_out for one in every}) > 1 else ""
    trials = Number(counted(most.left_out, "trial"), computed(without, most.trials))
    return (f" Left out: {up_to}", trials, " of seeds of which scores cannot be used.")


def _from_least_to_most(
    known: Sequence[tuple[str, Doubted]],
    size: Callable[[Doubted], float],
    of_what: Callable[[Doubted], Number],
) -> list[str | Number]:
    """The smallest and the largest, with what of: once, where it is the same for both."""
    ordered = sorted(known, key=lambda named: size(named[1]))
    texts = [f"{percent(size(one))} points" for _, one in ordered]
    most = of_what(ordered[-1][1])
    alike = len(ordered) == 1 or texts[0] == texts[-1]
    words: list[str | Number] = []
    for i in (-1,) if alike else (0, -1):
        name, one = ordered[i]
        named = [] if len(ordered) == 1 else ["each"] if alike else [name]
        told = [of_what(one)] if i or of_what(one).text != most.text else []
        points = Number(texts[i], computed(sentence, one.trials))
        words += [] if words else ["a standard error of "]
        words += [points, " (", *named, *([", "] if named and told else []), *told]
        words.append(")" if i else ") to ")
    return words


def _of_pictures(one: Doubted) -> Number:
    return Number(good_and_anomalous(*one.pictures), computed(sentence, one.trials))


def _of_seeds(one: Doubted) -> Number:
    return Number(f"n = {counted(len(one.values), 'seed')}", computed(sentence, one.trials))


def held(by: Maker, metric: str, decided: Sequence[Decided], trials: Sequence[str]) -> Words:
    """Of differences that are not zero over seeds: which stay so over pictures, too."""
    found = [(name, both(one, beside)) for name, one, beside in decided]
    clear = [name for name, of in found if of and (of[0] > 0 or of[1] < 0)]
    lost = [name for name, of in found if of and of[0] <= 0 <= of[1]]
    unknown = [name for name, of in found if not of]
    words: list[str | Number] = [f"{TITLES[metric]}, with other test pictures too: "]
    if len(unknown) == len(found):
        told = all(isinstance(one, Doubted) for _, one, _ in decided)
        return (*words, f"not known ({FEW_SEEDS if told else NO_SCORES}).")
    words.append(Number(f"{len(clear)} of {len(decided)}", computed(by, trials)))
    are, stay = ("is", "stays") if len(decided) == 1 else ("are", "stay")
    differences = plural(len(decided), "difference")
    words.append(f" {differences} that {are} not zero over seeds {stay} clear of it")
    words.append(f"; on other pictures there may be none: {some(lost)}" if lost else "")
    words.append(f"; not known: {some(unknown)}" if unknown else "")
    each = [one for _, one, _ in decided if not isinstance(one, str)]
    return (*words, ".", *without(each))
