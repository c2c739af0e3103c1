"""Two sides of a ratio, measured in turn: other work on the machine then meets both alike."""

import time
from collections.abc import Callable, Mapping, Sequence

HEAD = ("case", "seconds", "ratio", "target")


def fastest(
    sides: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1
) -> dict[str, float]:
    """Least wall time of each side over the rounds, after `warm` rounds that are not counted."""
    best = dict.fromkeys(sides, float("inf"))
    for turn in range(rounds + warm):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            if turn >= warm:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def print_table(rows: Sequence[tuple[str, float, str, str]]) -> None:
    """Case, seconds, ratio and target, in columns."""
    texts = [HEAD, *((case, f"{seconds:.3f}", ratio, goal) for case, seconds, ratio, goal in rows)]
    widths = [max(len(row[k]) for row in texts) for k in range(len(HEAD))]
    for row in texts:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
