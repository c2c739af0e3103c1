"""The second way to what an analysis says of the deep invertible adapter: shares that sum to 1."""

from collections.abc import Iterator

from reports.audit.analyses.analysed import Analysed, Says, Should, column_of, numbers
from reports.audit.samples import mean

SHARES = ("scale [share]", "shift [share]", "residual [share]")
MIXED, REST = "residual_linear_mixing [share]", "residual_nonlinear [share]"


def dia_effect(of: Analysed) -> Iterator[Should]:
    """Shares that are what the others leave, and patches of the good test pictures."""
    table = of.tables["dia_effect"]
    yield from column_of("dia_effect", "task", of.tasks if of.config["dia"]["blocks"] else ())
    for i, line in enumerate(table):
        each = float(table[0]["patches"]) / of.pictures(table[0]["task"], "test_good")
        yield Should("dia_effect", i, "patches", each * of.pictures(line["task"], "test_good"))
        if line[SHARES[0]]:
            rest = 1 - float(line[SHARES[0]]) - float(line[SHARES[1]])
            yield Should("dia_effect", i, SHARES[2], rest)
        if line[MIXED]:
            yield Should("dia_effect", i, REST, float(line[SHARES[2]]) - float(line[MIXED]))


def dia_effect_says(of: Analysed) -> Says:
    table = of.tables["dia_effect"]
    if not table:
        return Says("This trial has no deep invertible adapter.")
    shares = [100 * (mean(numbers(table, name)) or 0.0) for name in SHARES]
    sds = [mean(numbers(table, f"sd_{when}")) or 0.0 for when in ("before", "after")]
    return Says(
        "Of the change of z, on average over tasks, scale makes {} %, shift {} %, and what no map "
        "of single channels explains {} %; mean σ goes from {} to {} (N(0, I): {}).",
        [*shares, *sds, 1],
    )
