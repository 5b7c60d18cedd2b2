"""A queue of requests that any worker may take, and that none is lost from when a worker dies.

An item that was taken stays in the queue until it is done. Who holds it says so every few seconds; an item whose holder
was silent for long is offered to others, who then look at its stream to see how far it had come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import attrs

__all__ = ["WorkItem", "WorkQueue"]


@attrs.frozen(kw_only=True)
class WorkItem:
    """A request in the queue.

    Args:
        ticket: the queue's own name for it.
        stream_id: the stream to publish the answer as.
        payload: the request.
    """

    ticket: str
    stream_id: str
    payload: bytes


class WorkQueue(Protocol):
    """First in, first out. All methods raise `LogUnreachable`."""

    async def put(self, stream_id: str, payload: bytes) -> None:
        """Add a request. One whose `stream_id` is in the queue already is not added again."""

    async def take(self, holder: str, *, most: int, wait_seconds: float) -> Sequence[WorkItem]:
        """Take items that nobody has taken; wait for one for so long, and then give none. Cancelled, it takes none."""

    async def take_abandoned(self, holder: str, *, most: int, silent_seconds: float) -> Sequence[WorkItem]:
        """Take items whose holder has not told that it keeps them for so long."""

    async def keep(self, holder: str, tickets: Iterable[str]) -> None:
        """Tell that these are still being worked on."""

    async def done(self, ticket: str) -> None:
        """Take the item out of the queue for good. Repeated, it does nothing."""

    async def waiting(self) -> int:
        """How many items nobody has taken."""
