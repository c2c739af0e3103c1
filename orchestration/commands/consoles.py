"""The two consoles of the command line: results, and messages about them."""

import json
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from orchestration.plain import visible

if TYPE_CHECKING:  # the list of commands is there at once
    from moleflow.settings import Settings


class Terminal(Console):
    """What stands in files is shown and never obeyed: control characters become visible signs.

    Where the reader of a pipe has gone, or the disk behind a file is full, a command ends; one that
    works for others goes on without it (`outlive`). What is said about results ends none."""

    lasting = False
    lost = False
    """Whether a reader has gone, or nothing more can be written."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else visible(segment.text)
            yield segment if text == segment.text else segment._replace(text=text)

    def outlive(self) -> None:
        """From now on nothing is said to a reader that has gone, and no command ends by it."""
        self.lasting = True

    def on_broken_pipe(self) -> None:
        error = sys.exception()
        if not (self.lasting or self.stderr) and error is not None:
            raise error
        self._say_no_more()

    def _check_buffer(self) -> None:
        """Rich's own way out is for pipes alone."""
        try:
            super()._check_buffer()
        except BrokenPipeError:
            raise
        except OSError as error:
            if not (self.lasting or self.stderr):
                raise OutputLost(error) from error
            self._say_no_more()
            if not self.stderr:
                err.print(f"[yellow]warning:[/] {OutputLost(error)}: nothing more is written there")

    def _say_no_more(self) -> None:
        self.quiet = self.lost = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())  # Python flushes at its end
        os.close(nowhere)


class OutputLost(Exception):
    """Standard output takes nothing more, and its reader has not gone: a disk is full."""

    def __init__(self, error: OSError):
        super().__init__(f"standard output cannot be written ({error.strerror or error})")


@contextmanager
def to_output() -> Generator[TextIO]:
    """Standard output, for what is no message.

    Raises:
        OutputLost: it takes nothing more.
    """
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:  # another file's
            raise
        raise OutputLost(error) from error


if not os.environ.get("COLUMNS", "").strip("0 "):
    os.environ.pop("COLUMNS", None)  # of a terminal that does not know how wide it is
out = Terminal(highlight=False, emoji=False, soft_wrap=True)
err = Terminal(highlight=False, emoji=False, soft_wrap=True, stderr=True)


def answer(found: "Settings") -> None:
    """Print what programs read, and nothing else: in ASCII, so that no name can do harm."""
    text = json.dumps(found.model_dump(mode="json"), indent=1)
    out.print(text, markup=False, soft_wrap=True)
