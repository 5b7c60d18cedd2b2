"""What is told on stderr while nothing comes: on a terminal, a line that says what is awaited, and for how long.

In the middle of a sentence it stands behind the last word, in brackets, as far as there is room. The cursor stays where
it was, so that the next word, or the `^C` of a user who has had enough, is written over it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from gestura._actors.groups import bare_errors
from gestura.cli.display.streams import columns_of, is_styled
from gestura.cli.display.word_wrap import wrapped
from gestura.cli.terminal_text import visible_line

__all__ = ["WaitingLine", "open_waiting_line"]

PATIENCE = 1.0  # seconds before it shows: most of what comes comes sooner, and should not flicker


@attrs.define
class WaitingLine:
    """The line. It waits from the beginning, at the start of a line.

    Args:
        what: is awaited; may change while the line is shown.
    """

    what: str
    _since: float | None = attrs.field(factory=trio.current_time, init=False)
    """Since when nothing has come; `None` while nothing is awaited."""
    _column: int = attrs.field(default=0, init=False)
    _shown: bool = attrs.field(default=False, init=False)

    def note(self, text: str) -> None:
        """Leave `text` on a line of its own, and go on."""
        self._erase()
        line = wrapped(f"gestura: {visible_line(text)}", columns_of(sys.stderr))
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def vanish(self) -> None:
        """Before this returns, and until `wait` is called."""
        self._since = None
        self._erase()

    def wait(self, column: int = 0) -> None:
        """From now on nothing has come.

        Args:
            column: where the cursor stands on its line.
        """
        self._since = trio.current_time()
        self._column = column

    async def show(self) -> None:
        """Show it whenever nothing has come for a while."""
        while True:
            quiet = trio.current_time() - self._since if self._since is not None else 0.0
            if quiet < PATIENCE:
                await trio.sleep(PATIENCE - quiet)
            else:
                self._draw(quiet)
                await trio.sleep(1)

    def _draw(self, quiet: float) -> None:
        gap, end = (" [", "]") if self._column else ("", "")
        seconds = f": {quiet:.0f} s{end}"
        room = (columns_of(sys.stderr) or 0) - self._column - len(gap) - len(seconds) - 1  # only one line can be erased
        if self._column and room < 0:
            return
        words = f"\x1b[2m{gap}{visible_line(self.what)[: max(0, room)]}{seconds}\x1b[0m"
        self._shown = True
        sys.stderr.write(f"\x1b7\x1b[K{words}\x1b8" if self._column else f"\r\x1b[K{words}")
        sys.stderr.flush()

    def _erase(self) -> None:
        if self._shown:
            self._shown = False
            sys.stderr.write("\x1b[K" if self._column else "\r\x1b[K")
            sys.stderr.flush()


@asynccontextmanager
async def open_waiting_line(what: str) -> AsyncIterator[WaitingLine]:
    """A waiting line on stderr, if that is a terminal, until the block is left."""
    line = WaitingLine(what)
    with bare_errors():
        async with trio.open_nursery() as nursery:
            if is_styled(sys.stderr):
                nursery.start_soon(line.show)
            try:
                yield line
            finally:
                line.vanish()
                nursery.cancel_scope.cancel()
