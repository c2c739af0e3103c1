"""Which tasks of a sequence can be learned next, and which steps of it measured."""


class TasksLeft:
    """Of a sequence, by places in it.

    A step is measured when all tasks up to it are learned, in whatever order they were.
    """

    def __init__(self, tasks: int, *, order_free: bool):
        """Args:
        order_free: whether tasks after the first do not depend on each other.
        """
        self._tasks = tasks
        self._order_free = order_free
        self._left = list(range(tasks))
        self._measured = 0

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def next(self) -> int:
        """The first that is not learned."""
        return self._left[0]

    @property
    def ready(self) -> tuple[int, ...]:
        """Those that can be learned now, in the order of the sequence."""
        free = self._order_free and 0 not in self._left
        return tuple(self._left if free else self._left[:1])

    def learned(self, index: int) -> range:
        """A task is learned.

        Returns:
            The steps that can be measured now and could not before.
        """
        self._left.remove(index)
        before, self._measured = self._measured, self._left[0] if self._left else self._tasks
        return range(before, self._measured)
