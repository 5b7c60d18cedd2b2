"""Patience with a log that does not answer: every call may be repeated, so it is, for so long."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import attrs
import trio

from gestura.relay.log import LogUnreachable

__all__ = ["Patience"]

T = TypeVar("T")

FIRST_DELAY: Final = 0.05
LONGEST_DELAY: Final = 1.0
"""Seconds between two tries. A log that is back is found within a second, and one that is not is asked once in it."""


@attrs.frozen
class Patience:
    """How long to wait for a log.

    Args:
        reach_seconds: how long it may be out of reach.
        answer_seconds: how long it may take for one answer, before it counts as out of reach.
    """

    reach_seconds: float
    answer_seconds: float

    async def with_(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` gives, tried again while the log is out of reach.

        Raises:
            LogUnreachable: it was for too long.
        """
        end = trio.current_time() + self.reach_seconds
        delay = FIRST_DELAY
        while True:
            try:
                return await self.once(call)
            except LogUnreachable:
                if (left := end - trio.current_time()) <= 0:
                    raise
            await trio.sleep(min(delay * random.uniform(0.75, 1.25), left))  # noqa: S311  # so that publishers come apart
            delay = min(2 * delay, LONGEST_DELAY)

    async def once(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` gives.

        Raises:
            LogUnreachable: the log is out of reach, or takes too long to answer.
        """
        with trio.move_on_after(self.answer_seconds):
            return await call()
        raise LogUnreachable(f"the log did not answer within {self.answer_seconds:g} s")
