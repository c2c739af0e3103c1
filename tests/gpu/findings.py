"""What the parts of the run find: checks that hold or not, figures, and what could not be done."""

from collections.abc import Mapping
from dataclasses import dataclass

NEEDS_CUDA = "needs CUDA"


@dataclass(frozen=True)
class Check:
    """A law, looked at."""

    name: str
    holds: bool
    found: str
    wanted: str

    def line(self) -> str:
        return (
            f"{'ok  ' if self.holds else 'FAIL'} {self.name}: {self.found} (wanted {self.wanted})"
        )


@dataclass(frozen=True)
class Figure:
    """Something measured."""

    name: str
    values: Mapping[str, float | str]

    def line(self) -> str:
        told = (f"{k} {v if isinstance(v, str) else f'{v:.4g}'}" for k, v in self.values.items())
        return f"     {self.name}: {', '.join(told)}"


@dataclass(frozen=True)
class Skipped:
    """What this device cannot show."""

    name: str
    why: str = NEEDS_CUDA

    def line(self) -> str:
        return f"skip {self.name}: skipped: {self.why}"


Finding = Check | Figure | Skipped


def within(name: str, found: float, limit: float) -> Check:
    """That a number is at most its limit; one that is not finite never is."""
    return Check(name, found <= limit, f"{found:.3g}", f"<= {limit:g}")


def same(name: str, *found: str) -> Check:
    """That hashes are one and the same."""
    short = ", ".join(dict.fromkeys(text[:12] for text in found))
    return Check(name, len(set(found)) == 1, short, f"{len(found)} times the same")
