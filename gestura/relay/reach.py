"""Tells the log file of outages: a line when one begins, one when it is over, and one now and then between."""

from __future__ import annotations

import logging
from typing import Final

import trio

__all__ = ["Reach"]

REMIND_SECONDS: Final = 300.0


class Reach:
    """What the log file knows of an outage of the log or the queue, which many calls find for themselves.

    Args:
        what: what is out of reach.
        logger: whose lines these are.
    """

    def __init__(self, what: str, logger: logging.Logger) -> None:
        self._what = what
        self._log = logger
        self._lost: float | None = None
        self._told = 0.0

    def is_lost(self, error: Exception) -> None:
        """A call has failed for this."""
        now = trio.current_time()
        if self._lost is None:
            self._lost = self._told = now
            self._log.warning("%s is out of reach, and tried again: %s", self._what, error)
        elif now - self._told >= REMIND_SECONDS:
            self._told = now
            self._log.warning("%s has been out of reach for %.0f s: %s", self._what, now - self._lost, error)

    def is_back(self) -> None:
        """A call was answered."""
        if self._lost is not None:
            self._log.warning("%s is within reach again, after %.0f s", self._what, trio.current_time() - self._lost)
            self._lost = None
