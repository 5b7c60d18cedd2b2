"""How far the reader may be ahead of the user: a mebibyte, and then it waits until all of it was taken.

Queues are bounded in batches and chunks, but one of these may be as large as a limit admits, and a server that sends
nothing but the largest could fill every place with one. So each mebibyte the reader stops until every actor is parked
on an empty inbox and no chunk waits for the user: what is on its way is then at most a mebibyte, and the one event that
had not ended before. Streams of a usual size never come to it, and a user who keeps up is waited for a moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from gestura._actors.deadlines import Progress
from gestura._actors.inbox import Inbox
from gestura._actors.outlet import Sink

__all__ = ["READ_AHEAD_BYTES", "ReadAhead"]

READ_AHEAD_BYTES: Final = 1024 * 1024
"""A thousandth of what a limit of the usual size would let wait, and some thousands of events."""


@attrs.define(eq=False)
class ReadAhead:
    """What one attempt has read since its actors and its user last had nothing to do.

    Args:
        inboxes: those that what is read passes through, in the order of the flow.
        sink: where chunks wait for the user.
        progress: is told of waits for the user.
    """

    inboxes: Sequence[Inbox[Any]]
    sink: Sink
    progress: Progress
    _bytes: int = attrs.field(default=0, init=False)

    def has_room(self, count: int = 0) -> bool:
        """Whether `count` more bytes don't use it up. Where there is no room, the reader is to `wait`."""
        return self._bytes + count < READ_AHEAD_BYTES

    def add(self, count: int) -> None:
        """So many more bytes were read."""
        self._bytes += count

    async def wait(self) -> None:
        """Until every actor is idle and the user has taken every chunk. Only the reader may wait: it feeds them all."""
        self._bytes = 0
        for inbox in self.inboxes:  # in the order of the flow: once one is idle, nothing comes to it any more
            await inbox.wait_idle()
        self.progress.waits_for_consumer(True)
        try:
            await self.sink.wait_caught_up()
        finally:
            self.progress.waits_for_consumer(False)
