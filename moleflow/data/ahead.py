"""Work on files by threads, ahead of whoever uses it: decoding leaves Python's lock to others."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def done_ahead(
    work: Callable[[Thing], Result], things: Sequence[Thing], ahead: int
) -> Generator[Result, None, None]:
    """What `work` makes of each thing, in their order, at most so many things ahead.

    As many threads work as torch was given. An error comes when its thing's turn comes.
    """
    with ThreadPoolExecutor(torch.get_num_threads(), "decoding") as threads:
        coming = deque[Future[Result]]()
        try:
            for thing in things:
                coming.append(threads.submit(work, thing))
                if len(coming) > ahead:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
