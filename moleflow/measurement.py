"""One number of a sequence's evaluation. Imports no torch: ledgers and tables hold it as it is."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

ChosenBy = Literal["routed", "oracle"]
"""Whether the router or the true task chose the bank."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Measurement:
    """A line of a ledger's record, and of the table of results."""

    step: int
    """Tasks seen when it was measured, from 1."""
    task: int
    """Index of the class's task in the sequence, from 0; -1 for a summary over classes."""
    class_name: str
    """The class; empty for a summary."""
    metric: str
    """Its name in `moleflow.metrics.catalogue`."""
    definition: str
    """`step` (an entry of R), `step_mean` (mean over classes seen), `final_mean`, `on_task_mean`,
    `backward_transfer/last_minus_own`, `backward_transfer/mean_over_pairs`,
    `forgetting/max_minus_last`, `forgetting/first_minus_last`."""
    routing: ChosenBy
    value: float
