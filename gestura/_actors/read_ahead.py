"""How far the reader may be ahead of the user: a mebibyte, and then it waits until all of it was taken.

Queues are bounded in batches and chunks, but one of these may be as large as a limit admits, and a server that sends
nothing but the largest could fill every place with one. So each mebibyte the reader stops until every actor is parked
on an empty inbox and no chunk waits for the user: what is on its way is then at most a mebibyte, and the one event that
had not ended before. Streams of a usual size never come to it, and a user who keeps up is waited for a moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gestura._actors.inbox import InboxReceiver

__all__ = ["READ_AHEAD_BYTES", "ReadAhead"]

READ_AHEAD_BYTES: Final = 1024 * 1024
"""A thousandth of what a limit of the usual size would let wait, and some thousands of events."""


class ReadAhead:
    """What one attempt has read since its actors and its user last had nothing to do.

    Args:
        wait_caught_up: returns once no chunk of this attempt waits for the user.
        on_wait: called with true before waiting for the user, and with false after it.
    """

    def __init__(self, wait_caught_up: Callable[[], Any], on_wait: Callable[[bool], None]) -> None:
        self._wait_caught_up = wait_caught_up
        self._on_wait = on_wait
        self._inboxes: list[InboxReceiver[Any]] = []
        self._bytes = 0

    def add(self, inbox: InboxReceiver[Any]) -> None:
        """An inbox that what is read passes through."""
        self._inboxes.append(inbox)

    def has_room(self, count: int) -> bool:
        """Whether `count` more bytes don't use it up."""
        return self._bytes + count < READ_AHEAD_BYTES

    def is_used_up(self, count: int) -> bool:
        """Whether to `wait` now that `count` more bytes were read."""
        self._bytes += count
        return self._bytes >= READ_AHEAD_BYTES

    async def wait(self) -> None:
        """Until every actor is idle and the user has taken every chunk. Only the reader may wait: it feeds them all."""
        self._bytes = 0
        for inbox in self._inboxes:  # in the order of the flow: once one is idle, nothing comes to it any more
            await inbox.wait_idle()
        self._on_wait(True)
        try:
            await self._wait_caught_up()
        finally:
            self._on_wait(False)
