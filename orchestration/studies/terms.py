"""On what terms a trial runs: what it gets of a machine, and what it may take from other trials.

None of it is in a trial's key: it changes where and how often something is computed, not what.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from moleflow.config_parts import Fraction, NonNegative, Positive
from moleflow.settings import Settings
from orchestration.studies.search import Search

Role = Literal["shared", "witness", "derived", "alone"]
"""How a trial uses the store.

`shared`: takes trained stages that it needs from the store, and puts there what it trains.
`witness`: trains everything anew, so that its hashes can be compared with those of another order.
`derived`: like `shared`, after a certificate has shown that the order of its tasks cannot matter;
on a kind of machine that has no such certificate, like `alone`.
`alone`: computes everything anew, features too (`--no-sharing`, or where a certificate failed).
"""


class Resources(Settings):
    """What one trial gets, and where trials run."""

    cpus_per_trial: Positive = 1.0
    """CPU cores of one trial; its threads are this, rounded down, and at least one."""
    gpus_per_trial: NonNegative = 0.0
    """GPUs of one trial; below 1, trials share a GPU."""
    device: Literal["auto", "cpu"] = "auto"
    """`auto`: the GPU, where a trial is given one; `cpu`: the processor, whatever it is given."""
    memory_per_trial: NonNegative = 0.0
    """Memory of one trial in GB (10^9 bytes): trials are placed so that a node's memory suffices;
    0 places them by CPUs and GPUs alone."""
    tasks_at_once: Annotated[int, Field(ge=0)] = 0
    """Tasks of one trial that are trained side by side, at most, where they do not depend on each
    other; 0: as many as pay, by the size of a step, and fit into the GPU's memory; on a processor
    one. A witness trains one after the other in any case."""
    accelerator: str | None = None
    """Kind of node: an accelerator type that Ray knows (`A100`), or a resource that nodes declare
    (`ray start --resources '{"rtx3090": 1}'`)."""
    address: str | None = None
    """An existing Ray cluster, e.g. `auto` or `10.0.0.1:6379`; none: a cluster of this machine."""
    autoscaling: bool = False
    """Whether that cluster starts nodes for trials that wait: what no node has is not refused."""
    max_retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial is started again after its worker was lost or failed to read or write."""
    stall_limit: Positive = 3600.0
    """Seconds without a word from a trial (an epoch, a stage) after which its worker is ended."""
    wall_limit: NonNegative = 0.0
    """Seconds after which an attempt at a trial is ended; 0 is no limit."""

    @model_validator(mode="after")
    def _schedulable(self) -> Self:
        for name, amount in (("CPUs", self.cpus_per_trial), ("GPUs", self.gpus_per_trial)):
            if amount > 1 and amount != int(amount):
                raise ValueError(
                    f"{name} per trial: {amount} is above 1, so it must be a whole number"
                )
        if self.autoscaling and self.address is None:
            raise ValueError("autoscaling is of a cluster that exists, so it needs an address")
        return self

    @property
    def threads(self) -> int:
        """Threads that a trial computes with."""
        return max(1, int(self.cpus_per_trial))


class Terms(Settings):
    """What the driver decides when a trial starts."""

    resources: Resources = Resources()
    role: Role = "shared"
    verify: Fraction = 0.0
    """Share of the stages taken from the store that are computed again and compared."""
    store: str | None = None
    """Where results of stages live, as a folder or URI (`s3://…`); none: below the root folder."""
    search: Search | None = None
    """What trials of a search are compared by, and stopped, after some of their tasks."""
    revision: str = "unknown"
    """Of the driver's code (`orchestration.records.revision`): a worker may have no checkout."""
