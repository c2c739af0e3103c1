"""How much of a plan's training is shared, known before anything runs."""

from dataclasses import dataclass

from orchestration.certificate import Keys


@dataclass(frozen=True)
class Sharing:
    """Trained stages of a plan, on one kind of machine."""

    asked: int
    """Bases and adapters of all trials."""
    distinct: int
    """Those of them with a key of their own."""
    witnesses: int
    """Stages that are trained a second time, to be compared."""
    derived: int
    """Trials that wait for a certificate, and train nothing if it holds."""

    @property
    def sentence(self) -> str:
        """For people."""
        trained = self.distinct + self.witnesses
        if trained >= self.asked:
            return f"{self.asked} {'task' if self.asked == 1 else 'tasks'} to train"
        text = f"{self.asked} tasks, of which {trained} are trained and the rest shared"
        if not self.derived:
            return text
        wait = "1 trial waits" if self.derived == 1 else f"{self.derived} trials wait"
        return (
            f"{text}; {wait} for the order-invariance certificate, for which "
            f"{self.witnesses} tasks are trained twice"
        )


def sharing(keys: Keys) -> Sharing:
    """What the trials of a plan share."""
    witnesses, derived = 0, 0
    for group in {group.id: group for group in keys.groups.values()}.values():
        if group.several:
            witnesses += len(group.orders[0])
            derived += sum(t.sequence not in group.orders[:2] for t in group.trials)
            second = [t for t in group.trials if t.sequence == group.orders[1]]
            derived += len(second) - 1
    return Sharing(
        asked=sum(map(len, keys.tasks.values())),
        distinct=len({key for found in keys.tasks.values() for key in found}),
        witnesses=witnesses,
        derived=derived,
    )
