"""The command's own ends: what its standard output is, and how to write there without holding up Trio.

A reader may stop (a pager, Ctrl-S, a slow pipe). A write in Trio's thread would stop everything with it and make
deadlines pass for nothing; in a thread of its own it stops only the loop that takes chunks, as backpressure wants it.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

import trio

__all__ = ["columns_of", "is_styled", "rows_of", "write_out"]


def is_styled(stream: TextIO) -> bool:
    """Whether escape sequences are welcome: a terminal that knows them, whose user has not set NO_COLOR."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def columns_of(stream: TextIO) -> int | None:
    """How wide the terminal is that `stream` is; `None` where it is none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def rows_of(stream: TextIO) -> int | None:
    """How high it is; likewise."""
    return shutil.get_terminal_size().lines if stream.isatty() else None


async def write_out(text: str) -> None:
    """Write `text` to standard output, whole, before anything that comes after.

    Cancelled, it leaves at once; how much was written is then unknown.

    Raises:
        BrokenPipeError: nobody reads it any more.
    """
    if text:
        data = text.encode(sys.stdout.encoding, "replace")
        await trio.to_thread.run_sync(_write_all, data, abandon_on_cancel=True)


def _write_all(data: bytes) -> None:
    # Below Python's buffer: a thread abandoned inside it would keep its lock and crash the interpreter's exit.
    raw = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    while data:
        data = data[raw.write(data) or 0 :]
