"""The channel between two actors: bounded, in order, and handed over where nobody need wait.

Every actor has a task and an inbox of its own. But a model speaks one token at a time, and then all but one of the
tasks are parked on empty inboxes: to wake each of them in turn costs ten times what their stages do. So an owner may
leave with its inbox a taker, which does with an item what the owner would: while the owner is parked, the inbox is
empty and there is room for what comes of the item, the sender lets it take the item at once and wakes nobody.
Otherwise the item is queued, the owner woken, and a full inbox makes the sender wait, as in any channel.

Two rules keep this safe. Queueing an item wakes the owner, so that no later item overtakes it. What `take` raises is
raised in the owner's task, where it belongs, not in the sender's.

Both ends are one object, and what an empty inbox does not need is made when it does: a thousand streams have six
thousand of them, and Python's garbage collector visits every object that each holds.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Generic, Protocol, TypeVar

import trio

__all__ = ["Inbox", "Taker"]

Item = TypeVar("Item")
Taken = TypeVar("Taken", contravariant=True)


class Taker(Protocol[Taken]):
    """Does with an item what the owner of the inbox would."""

    def take(self, item: Taken, /) -> None:
        """Take an item. It must not wait, and may leave the rest of the item by `Inbox.put_back`."""


class Inbox(Generic[Item]):
    """Where senders, in any tasks, put items for its owner, who takes them out in one task at a time.

    An owner's loop:

        while inbox.is_open():
            if inbox.is_empty():
                await inbox.wait()
            else:
                do_with(inbox.pop())

    Args:
        capacity: items that may wait.
    """

    __slots__ = (
        "_behind",
        "_capacity",
        "_failure",
        "_idle",
        "_owner",
        "_queue",
        "_refusal",
        "_taker",
        "_waiting_senders",
        "deepest_queue",
        "is_closed",
    )

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._queue: list[Item] | None = None
        """Made when something is queued."""
        self._owner: trio.lowlevel.Task | None = None
        self._taker: Taker[Item] | None = None
        self._behind: Inbox[Any] | None = None
        self._failure: BaseException | None = None
        self._waiting_senders: trio.lowlevel.ParkingLot | None = None
        self._idle: trio.Event | None = None
        self._refusal: type[Exception] | None = None  # what senders are told once nothing can be sent any more
        self.deepest_queue: int = 0
        """The most items that waited at one time."""
        self.is_closed: bool = False
        """Whether the owner has left."""

    # For senders.

    def has_room(self) -> bool:
        """Whether an item would be taken or queued without waiting."""
        return self._queue is None or len(self._queue) < self._capacity

    def send_nowait(self, item: Item) -> None:
        """Hand `item` over, or queue it.

        Raises:
            trio.WouldBlock: the inbox is full.
            trio.BrokenResourceError: its owner has closed it.
            trio.ClosedResourceError: it was said that no more items come.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._taker is not None and self._is_parked() and (self._behind is None or self._behind.has_room()):
            try:
                self._taker.take(item)
            except BaseException as error:  # noqa: BLE001  # raised in the owner's task
                self._failure = error
                self._wake_owner()
        elif self.has_room():
            self.put_back(item)
        else:
            raise trio.WouldBlock

    async def send(self, item: Item) -> None:
        """Hand `item` over, or queue it, waiting for room. A checkpoint only where it waits: room is bounded.

        Raises:
            trio.BrokenResourceError: the owner has closed the inbox.
            trio.ClosedResourceError: it was said that no more items come.
        """
        while not self.has_room() and self._refusal is None:
            if self._waiting_senders is None:
                self._waiting_senders = trio.lowlevel.ParkingLot()
            await self._waiting_senders.park()
        self.send_nowait(item)

    def end(self) -> None:
        """No more items come."""
        self._refusal = trio.ClosedResourceError
        self._let_all_know()

    async def wait_idle(self) -> None:
        """Until the owner is parked on the empty inbox, or has closed it. No checkpoint where it is."""
        while not self._is_parked() and not self.is_closed:
            self._idle = self._idle or trio.Event()
            await self._idle.wait()

    # For the owner.

    def hand_over_to(self, taker: Taker[Item], behind: Inbox[Any] | None = None) -> None:
        """While the owner is parked, let `taker` take items instead of waking it.

        Args:
            taker: takes them.
            behind: where what comes of an item goes on to; without room there, the item waits for the owner.
        """
        self._taker, self._behind = taker, behind

    def is_open(self) -> bool:
        """Whether there is an item, or one may still come.

        Raises:
            whatever the taker raised for an item that was handed over.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return self._queue is not None or self._refusal is None

    def is_empty(self) -> bool:
        """Whether nothing is queued."""
        return self._queue is None

    def pop(self) -> Item:
        """The next item that was queued; there must be one."""
        assert self._queue is not None  # noqa: S101  # the owner has looked
        item = self._queue.pop(0)
        if not self._queue:
            self._queue = None
        if self._waiting_senders is not None:
            self._waiting_senders.unpark()
        return item

    def wait(self) -> Awaitable[None]:
        """Park on the empty inbox, until it may be otherwise. To be awaited at once; a checkpoint."""
        # No coroutine of its own, for most tasks of most streams are parked here most of the time.
        self._owner = trio.lowlevel.current_task()
        self._owner.custom_sleep_data = self  # until somebody wakes it: Trio sees to that
        self._tell_idle()
        return trio.lowlevel.wait_task_rescheduled(_let_go)  # noqa: ASYNC105  # it is the caller who awaits it

    def put_back(self, item: Item) -> None:
        """Queue what the taker could not finish, so that the owner does."""
        if self._queue is None:
            self._queue = [item]
        else:
            self._queue.append(item)
        self.deepest_queue = max(self.deepest_queue, len(self._queue))
        self._wake_owner()

    def close(self) -> None:
        """Take no more items: senders are told, and so is the owner, if it is parked."""
        self.is_closed = True
        self._queue = None
        self._refusal = self._refusal or trio.BrokenResourceError
        self._let_all_know()
        self._tell_idle()

    def _is_parked(self) -> bool:
        return self._owner is not None and self._owner.custom_sleep_data is self

    def _wake_owner(self) -> None:
        """Let the owner run, and let nothing be handed over until it is parked again."""
        if self._owner is not None and self._owner.custom_sleep_data is self:
            trio.lowlevel.reschedule(self._owner)
        self._owner = None

    def _tell_idle(self) -> None:
        """Let whoever waits for it know that the owner has nothing to do."""
        if self._idle is not None:
            self._idle.set()
            self._idle = None

    def _let_all_know(self) -> None:
        self._wake_owner()
        if self._waiting_senders is not None:
            self._waiting_senders.unpark_all()


def _let_go(_raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
    """A parked owner is cancelled: it is parked no more, as Trio clears its `custom_sleep_data`."""
    return trio.lowlevel.Abort.SUCCEEDED
