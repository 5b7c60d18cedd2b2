"""How many streams of each caller run: those begun here, less those that have ended.

A stream ends where its worker is, possibly far away, so whether one has ended is asked when it matters: when its caller
has as many as may run at once, and wants one more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable

from gestura.serving.refused import Refused

__all__ = ["Running"]

RETRY_SECONDS = 1.0
"""What a caller who has too many is told to wait. When one will end, nobody knows."""


class Running:
    """The running streams of all callers.

    Args:
        most: how many one caller may have; `None` is as many as they like, and none is remembered then.
        has_ended: asks whether a stream has, or is gone.
    """

    def __init__(self, most: int | None, has_ended: Callable[[str], Awaitable[bool]]) -> None:
        self._most = most
        self._has_ended = has_ended
        self._of: defaultdict[str, set[str]] = defaultdict(set)

    async def add(self, caller: str, stream_id: str) -> None:
        """The caller begins a stream.

        Raises:
            Refused: as many run as may.
        """
        if self._most is None:
            return
        running = self._of[caller]
        if len(running) >= self._most:
            for each in list(running):
                if await self._has_ended(each):
                    running.discard(each)
        if len(running) >= self._most:
            raise Refused(
                f"at most {self._most} streams at once (max_concurrent_streams)",
                status=429,
                code="too_many_streams",
                retry_after=RETRY_SECONDS,
            )
        running.add(stream_id)

    def forget(self, caller: str, stream_id: str) -> None:
        """The stream was not begun after all."""
        self._of[caller].discard(stream_id)
