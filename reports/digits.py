"""How numbers are shown, and how they stand in files."""

from reports.document import DASH, Value
from reports.statistics import Summary


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction in percent; a dash for a missing number."""
    if value is None:
        return DASH
    text = f"{100 * value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def plus_minus(summary: Summary | None) -> str:
    """Mean ± sample standard deviation in percent; `± –` where n = 1."""
    if summary is None:
        return DASH
    return f"{percent(summary.mean)} ± {percent(summary.sd)}"


def low_to_high(summary: Summary | None) -> str:
    """Smallest to largest in percent."""
    return f"{percent(summary.low)} to {percent(summary.high)}" if summary else DASH


def numbers(summary: Summary | None) -> dict[str, Value]:
    """A summary's fields for a CSV file."""
    if summary is None:
        return {"n": 0, "mean": None, "sd": None, "min": None, "max": None}
    return {
        "n": summary.n,
        "mean": summary.mean,
        "sd": summary.sd,
        "min": summary.low,
        "max": summary.high,
    }


def p_value(p: float | None) -> str:
    """Three digits; a dash where there is none."""
    return DASH if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
