"""The two consoles of the command line: results, and messages about them."""

import os
import sys

from rich.console import Console


class Terminal(Console):
    """Where the reader of a pipe has gone, a command ends as all commands do; one that works for
    others goes on without it (`outlive`)."""

    lasting = False
    lost = False
    """Whether a reader has gone."""

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
