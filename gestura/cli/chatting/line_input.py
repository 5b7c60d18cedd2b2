"""Where the lines of a chat come from: `LineInput`, and the one for pipes. That for terminals is `line_editor`."""

from __future__ import annotations

import os
import sys
from typing import Final, Protocol

import trio

__all__ = ["Interrupted", "LineInput", "PipedLines"]

READ_SIZE: Final = 64 * 1024


class Interrupted(Exception):
    """Ctrl-C, instead of a line."""


class LineInput(Protocol):
    """Lines that a user writes."""

    async def read(self) -> str | None:
        """The next line, without its end; `None` when there are no more.

        Raises:
            Interrupted: the user pressed Ctrl-C instead.
        """

    async def ask(self, question: str) -> str | None:
        """The answer to a question of ours; `None` where there is nobody to ask, or who will not say.

        Raises:
            Interrupted: the user pressed Ctrl-C instead.
        """

    def interrupt(self) -> bool:
        """Let a `read` or `ask` that waits raise `Interrupted`, and tell whether one will: for Ctrl-C as a signal."""


class PipedLines:
    """The lines of standard input, which nobody edits, and nobody is at to be asked."""

    def __init__(self) -> None:
        self._read = b""
        self._ended = False

    async def read(self) -> str | None:
        while b"\n" not in self._read and not self._ended:
            # Below Python's buffer: a thread abandoned inside it would keep its lock and crash the interpreter's exit.
            data = await trio.to_thread.run_sync(os.read, sys.stdin.fileno(), READ_SIZE, abandon_on_cancel=True)
            self._read += data
            self._ended = not data
        if not self._read:
            return None
        line, _, self._read = self._read.partition(b"\n")
        return line.decode("utf-8", "replace").removesuffix("\r")

    async def ask(self, question: str) -> str | None:  # noqa: ARG002
        await trio.lowlevel.checkpoint()
        return None

    def interrupt(self) -> bool:
        return False  # what waits for a pipe can be cancelled
