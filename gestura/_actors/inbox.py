"""The channel between two actors: bounded, in order, and handed over where nobody need wait.

Every actor has a task and an inbox of its own. But a model speaks one token at a time, and then all but one of the
tasks are parked on empty inboxes: to wake each of them in turn costs ten times what their stages do. So an owner may
leave with its inbox a `take`, what it does with an item: while the owner is parked, the inbox is empty and what comes
of the item has room, the sender runs `take` at once and wakes nobody. Otherwise the item is queued, the owner woken,
and a full inbox makes the sender wait, as in any channel.

Two rules keep this safe. Queueing an item unmarks the owner as parked, so that no later item overtakes it. What `take`
raises is raised in the owner's task, where it belongs, not in the sender's.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

import attrs
import trio

__all__ = ["InboxReceiver", "InboxSender", "open_inbox"]

Item = TypeVar("Item")


def open_inbox(capacity: int) -> tuple[InboxSender[Item], InboxReceiver[Item]]:
    """A new inbox: the end its senders use, and its owner's end.

    Args:
        capacity: items that may wait.
    """
    state = _Inbox[Item](capacity)
    return InboxSender(state), InboxReceiver(state)


@attrs.define(eq=False)
class _Inbox(Generic[Item]):
    capacity: int
    queue: list[Item] = attrs.field(factory=list, init=False)
    """A list, for there are a few items at most, and an empty deque takes 760 bytes."""
    deepest_queue: int = attrs.field(default=0, init=False)
    parked_owner: trio.lowlevel.Task | None = attrs.field(default=None, init=False)
    take: Callable[[Item], None] | None = attrs.field(default=None, init=False)
    has_room_behind: Callable[[], bool] | None = attrs.field(default=None, init=False)
    failure: BaseException | None = attrs.field(default=None, init=False)
    waiting_senders: trio.lowlevel.ParkingLot | None = attrs.field(default=None, init=False)
    """Made when somebody waits: most streams never do."""
    idle: trio.Event | None = attrs.field(default=None, init=False)
    """Set, if there is one, when the owner parks, or leaves."""
    sender_closed: bool = attrs.field(default=False, init=False)
    receiver_closed: bool = attrs.field(default=False, init=False)

    def put(self, item: Item) -> None:
        """Queue `item`, and let its owner know."""
        self.queue.append(item)
        self.deepest_queue = max(self.deepest_queue, len(self.queue))
        self.wake_owner()

    def wake_owner(self) -> None:
        """Let the owner run, and let nothing be handed over until it is parked again."""
        if self.parked_owner is not None:
            trio.lowlevel.reschedule(self.parked_owner)
            self.parked_owner = None

    def tell_idle(self) -> None:
        """Let whoever waits for it know that the owner has nothing to do."""
        if self.idle is not None:
            self.idle.set()
            self.idle = None

    def stop_waiting(self, _raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        """The owner is cancelled where it is parked."""
        self.parked_owner = None
        return trio.lowlevel.Abort.SUCCEEDED


class InboxSender(Generic[Item]):
    """The end that items are put into. Closed by the actor that sends."""

    __slots__ = ("_inbox",)

    def __init__(self, inbox: _Inbox[Item]) -> None:
        self._inbox = inbox

    def __enter__(self) -> InboxSender[Item]:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def has_room(self) -> bool:
        """Whether an item would be taken or queued without waiting."""
        return len(self._inbox.queue) < self._inbox.capacity

    def send_nowait(self, item: Item) -> None:
        """Hand `item` over, or queue it.

        Raises:
            trio.WouldBlock: the inbox is full.
            trio.BrokenResourceError: its owner has closed it.
        """
        inbox = self._inbox
        if inbox.receiver_closed:
            raise trio.BrokenResourceError
        if (
            inbox.parked_owner is not None
            and inbox.take is not None
            and (inbox.has_room_behind is None or inbox.has_room_behind())
        ):
            try:
                inbox.take(item)
            except BaseException as error:  # noqa: BLE001  # raised in the owner's task
                inbox.failure = error
                inbox.wake_owner()
        elif len(inbox.queue) < inbox.capacity:
            inbox.put(item)
        else:
            raise trio.WouldBlock

    async def send(self, item: Item) -> None:
        """Hand `item` over, or queue it, waiting for room. A checkpoint only where it waits: room is bounded.

        Raises:
            trio.BrokenResourceError: the owner has closed the inbox.
        """
        while True:
            try:
                return self.send_nowait(item)
            except trio.WouldBlock:
                if self._inbox.waiting_senders is None:
                    self._inbox.waiting_senders = trio.lowlevel.ParkingLot()
                await self._inbox.waiting_senders.park()

    def close(self) -> None:
        """No more items come."""
        self._inbox.sender_closed = True
        self._inbox.wake_owner()


class InboxReceiver(Generic[Item]):
    """The owner's end: an asynchronous iterator of the items that were not handed over."""

    __slots__ = ("_inbox",)

    def __init__(self, inbox: _Inbox[Item]) -> None:
        self._inbox = inbox

    def __enter__(self) -> InboxReceiver[Item]:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> InboxReceiver[Item]:
        return self

    async def __anext__(self) -> Item:
        """The next item that was queued. A checkpoint only where it waits: what is queued is bounded.

        Raises:
            whatever `take` raised for an item that was handed over.
        """
        inbox = self._inbox
        while True:
            if inbox.failure is not None:
                failure, inbox.failure = inbox.failure, None
                raise failure
            if inbox.queue:
                if inbox.waiting_senders is not None:
                    inbox.waiting_senders.unpark()
                return inbox.queue.pop(0)
            if inbox.sender_closed or inbox.receiver_closed:
                raise StopAsyncIteration
            inbox.parked_owner = trio.lowlevel.current_task()
            inbox.tell_idle()
            await trio.lowlevel.wait_task_rescheduled(inbox.stop_waiting)

    def hand_over_to(self, take: Callable[[Item], None], has_room_behind: Callable[[], bool] | None = None) -> None:
        """While the owner is parked, run `take` on items instead of waking it.

        Args:
            take: what the owner does with an item. It must not wait, and may leave the rest of an item by `put_back`.
            has_room_behind: whether what comes of an item can go on without waiting; asked before each.
        """
        self._inbox.take = take
        self._inbox.has_room_behind = has_room_behind

    def put_back(self, item: Item) -> None:
        """Queue what `take` could not finish, so that the owner does."""
        self._inbox.put(item)

    @property
    def deepest_queue(self) -> int:
        """The most items that waited at one time."""
        return self._inbox.deepest_queue

    def close(self) -> None:
        """Take no more items: senders are told, and so is the owner, if it is parked."""
        inbox = self._inbox
        inbox.receiver_closed = True
        inbox.queue.clear()
        if inbox.waiting_senders is not None:
            inbox.waiting_senders.unpark_all()
        inbox.wake_owner()
        inbox.tell_idle()

    async def wait_idle(self) -> None:
        """Until the owner is parked on the empty inbox, or has closed it. No checkpoint where it is."""
        inbox = self._inbox
        while inbox.parked_owner is None and not inbox.receiver_closed:
            inbox.idle = inbox.idle or trio.Event()
            await inbox.idle.wait()
