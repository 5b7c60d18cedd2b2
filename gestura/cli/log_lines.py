"""What a command that serves for long logs to stderr: lines with the time in front."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["logged_to_stderr"]


@contextmanager
def logged_to_stderr(name: str, level: int) -> Iterator[None]:
    """Write what the logger of this name is told to stderr, for the length of the block.

    Args:
        name: the logger, with all below it.
        level: what is less grave is left out.
    """
    log, handler = logging.getLogger(name), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = log.level
    log.addHandler(handler)
    log.setLevel(level)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
