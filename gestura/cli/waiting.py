"""What is told on stderr before an answer comes: on a terminal, a line that says what is awaited, and for how long."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from gestura._actors.groups import bare_errors
from gestura.cli.streams import columns_of, is_styled
from gestura.cli.terminal_text import visible_line
from gestura.cli.word_wrap import wrapped

__all__ = ["WaitingLine", "open_waiting_line"]

PATIENCE = 1.0  # seconds before it shows: most answers begin sooner, and should not flicker


@attrs.define
class WaitingLine:
    """The line.

    Args:
        what: is awaited; may change while the line is shown.
    """

    what: str
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _shown: bool = attrs.field(default=False, init=False)

    def note(self, text: str) -> None:
        """Leave `text` on a line of its own, and go on."""
        self._erase()
        line = wrapped(f"gestura: {visible_line(text)}", columns_of(sys.stderr))
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def vanish(self) -> None:
        """For good, before this returns."""
        self._scope.cancel()
        self._erase()

    async def show(self) -> None:
        """Show it until it vanishes."""
        started = trio.current_time()
        with self._scope:
            await trio.sleep(PATIENCE)
            while True:
                self._shown = True
                seconds = f": {trio.current_time() - started:.0f} s"
                room = (columns_of(sys.stderr) or 0) - len(seconds) - 1  # only one line can be erased
                words = visible_line(self.what)[: max(0, room)]
                sys.stderr.write(f"\r\x1b[K\x1b[2m{words}{seconds}\x1b[0m")
                sys.stderr.flush()
                await trio.sleep(1)

    def _erase(self) -> None:
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@asynccontextmanager
async def open_waiting_line(what: str) -> AsyncIterator[WaitingLine]:
    """A waiting line on stderr, if that is a terminal, until it is told to vanish or the block is left."""
    line = WaitingLine(what)
    with bare_errors():
        async with trio.open_nursery() as nursery:
            if is_styled(sys.stderr):
                nursery.start_soon(line.show)
            try:
                yield line
            finally:
                line.vanish()
