"""The two consoles of the command line: results, and messages about them."""

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from orchestration.plain import visible

if TYPE_CHECKING:  # the list of commands is there at once
    from moleflow.settings import Settings


class Terminal(Console):
    """What stands in files is shown and never obeyed: control characters become visible signs.

    Where the reader of a pipe has gone, a command ends as all commands do; one that works for
    others goes on without it (`outlive`)."""

    lasting = False
    lost = False
    """Whether a reader has gone."""

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
        if not self.lasting and error is not None:
            raise error
        self.quiet = self.lost = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())  # Python flushes at its end
        os.close(nowhere)


out = Terminal(highlight=False, soft_wrap=True)
err = Terminal(highlight=False, soft_wrap=True, stderr=True)


def answer(found: "Settings") -> None:
    """Print what programs read, and nothing else: in ASCII, so that no name can do harm."""
    text = json.dumps(found.model_dump(mode="json"), indent=1)
    out.print(text, markup=False, emoji=False, soft_wrap=True)
