"""What is said of a correlation over tasks 0, in a table and in words."""

from reports.digits import p_value
from reports.document import DASH, Cell, Line, Source, Value
from reports.statistics import Correlation

HEADER = ("Metric", "Correlation", "95 % interval", "p", "Tasks 0")


def signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def chance(p: float) -> str:
    """p in a sentence."""
    return "p < 0.001" if p < 0.001 else f"p = {p_value(p)}"


def row(title: str, seen: Correlation, source: Source) -> list[Cell | str]:
    """Below `HEADER`."""
    span = DASH if seen.interval is None else " to ".join(map(signed, seen.interval))
    told = DASH if seen.value is None else signed(seen.value)
    p = DASH if seen.p is None else f"{seen.p:.2f}"
    cells = [Cell(text, source=source) for text in (told, span, p)]
    return [title, *cells, Cell(str(seen.n), source=source)]


def line(metric: str, seen: Correlation, source: Source) -> Line:
    low, high = seen.interval or (None, None)
    values: dict[str, Value] = {"metric": metric, "correlation": seen.value}
    values |= {"correlation_low": low, "correlation_high": high, "p": seen.p}
    return Line(values | {"task_zeros": seen.n}, source)
