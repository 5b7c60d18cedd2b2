"""The channel between two actors: bounded, in order, handed over where nobody need wait."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from inboxes import items_of, receive
from trio.testing import wait_all_tasks_blocked

from gestura._actors.inbox import Inbox


class Owner:
    """An owner that keeps what it gets, and where it ran: handed over, or in its own task.

    Args:
        inbox: its own.
        behind: where what comes of an item would go.
    """

    def __init__(self, inbox: Inbox[Any], behind: Inbox[Any] | None = None) -> None:
        self.got: list[Any] = []
        self.handed_over: list[Any] = []
        self.failure: ValueError | None = None
        self._inbox = inbox
        inbox.hand_over_to(self, behind)

    def take(self, item: Any) -> None:
        if isinstance(item, Exception):
            raise item
        self.handed_over.append(item)
        self.got.append(item)

    async def run(self) -> None:
        try:
            async for item in items_of(self._inbox):
                self.got.append(item)
        except ValueError as error:
            self.failure = error
        finally:
            self._inbox.close()


class Leaver:
    """Takes nothing of an item, and leaves the rest to the owner."""

    def __init__(self, inbox: Inbox[Any]) -> None:
        self._inbox = inbox

    def take(self, item: Any) -> None:
        self._inbox.put_back(f"rest of {item}")


def full() -> Inbox[Any]:
    """An inbox without room."""
    inbox = Inbox[Any](1)
    inbox.send_nowait("in the way")
    return inbox


async def test_a_parked_owner_is_handed_items(nursery):
    """While the owner is parked on an empty inbox, items are taken at once, and nobody is woken."""
    inbox = Inbox[Any](2)
    owner = Owner(inbox)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    inbox.send_nowait(1)
    inbox.send_nowait(2)

    assert [1, 2] == owner.got == owner.handed_over
    assert 0 == inbox.deepest_queue


async def test_without_room_behind_items_are_queued(nursery):
    """What could not go on without waiting is left to the owner's own task."""
    inbox = Inbox[Any](2)
    owner = Owner(inbox, full())
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    inbox.send_nowait(1)
    assert [] == owner.got
    await wait_all_tasks_blocked()

    assert [1] == owner.got
    assert [] == owner.handed_over


async def test_nothing_overtakes_what_is_queued(nursery):
    """Once an item is queued, later ones are queued behind it, even if they could be handed over by then."""
    inbox, behind = Inbox[Any](4), full()
    owner = Owner(inbox, behind)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    inbox.send_nowait(1)
    behind.pop()
    inbox.send_nowait(2)
    await wait_all_tasks_blocked()

    assert [1, 2] == owner.got


@given(st.lists(st.sampled_from(["send", "room", "no room", "let run"]), max_size=40), st.integers(1, 3))
@example(["no room", "send", "room", "send"], 2)
def test_the_order_is_kept(steps, capacity):
    """Whatever is handed over and whatever is queued, the owner gets all items in the order they were sent."""

    async def main():
        inbox, behind = Inbox[Any](capacity), Inbox[Any](1)
        owner = Owner(inbox, behind)
        sent = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(owner.run)
            for step in steps:
                match step:
                    case "send":
                        await inbox.send(sent)
                        sent += 1
                    case "let run":
                        await wait_all_tasks_blocked()
                    case "room" if not behind.is_empty():
                        behind.pop()
                    case "no room" if behind.is_empty():
                        behind.send_nowait("in the way")
            inbox.end()
        return owner.got, sent, inbox.deepest_queue

    got, sent, deepest = trio.run(main)

    assert list(range(sent)) == got
    assert deepest <= capacity


async def test_a_full_inbox_makes_senders_wait_in_turn(nursery):
    """Senders that find no room wait, and go on in the order they came."""
    inbox = Inbox[Any](1)
    await inbox.send(0)
    with pytest.raises(trio.WouldBlock):
        inbox.send_nowait(1)
    for item in (1, 2):
        nursery.start_soon(inbox.send, item)
        await wait_all_tasks_blocked()

    got = []
    for _ in range(3):
        got.append(await receive(inbox))
        await wait_all_tasks_blocked()

    assert [0, 1, 2] == got


async def test_what_take_raises_is_raised_in_the_owners_task(nursery):
    """The sender has nothing to do with a failure of its neighbour's."""
    inbox = Inbox[Any](2)
    owner = Owner(inbox)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    failure = ValueError("mine")
    inbox.send_nowait(failure)
    inbox.send_nowait("queued, since the owner is about to fail")
    await wait_all_tasks_blocked()

    assert failure is owner.failure
    with pytest.raises(trio.BrokenResourceError):
        inbox.send_nowait("too late")


async def test_what_take_leaves_is_for_the_owner(nursery):
    """`put_back` queues the rest of an item before whatever comes later."""
    inbox = Inbox[Any](2)
    got = []

    async def own():
        inbox.hand_over_to(Leaver(inbox))
        got.extend([item async for item in items_of(inbox)])

    nursery.start_soon(own)
    await wait_all_tasks_blocked()
    inbox.send_nowait("first")
    inbox.send_nowait("second")
    inbox.end()
    await wait_all_tasks_blocked()

    assert ["rest of first", "second"] == got


async def test_the_end_comes_after_the_last_item(nursery):
    """Closing the sending end ends the owner's iteration once the queue is empty."""
    inbox = Inbox[Any](2)
    await inbox.send(1)
    inbox.end()

    assert [1] == [item async for item in items_of(inbox)]


async def what_a_waiting_sender_is_told(nursery, inbox, leave):
    """The class of what a sender that waits for room raises when somebody leaves; `None` while it waits on."""
    told = []

    async def wait_for_room():
        try:
            await inbox.send(1)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            told.append(type(error))

    nursery.start_soon(wait_for_room)
    await wait_all_tasks_blocked()
    leave()
    await wait_all_tasks_blocked()
    return told[0] if told else None


async def test_a_closed_inbox_lets_waiting_senders_know(nursery):
    """A sender that waits for room when the owner leaves is told so."""
    inbox = full()

    assert trio.BrokenResourceError is await what_a_waiting_sender_is_told(nursery, inbox, inbox.close)


async def test_a_cancelled_owner_is_handed_nothing(nursery):
    """An owner that has left its wait is no longer parked: items are queued for whoever comes back to them."""
    inbox = Inbox[Any](2)
    owner = Owner(inbox)
    with trio.move_on_after(0):
        await receive(inbox)

    inbox.send_nowait(1)

    assert [] == owner.got
    assert 1 == await receive(inbox)


async def test_nothing_is_sent_after_the_end(nursery):
    """Whoever waits for room when it is said that no more items come is told so, as is whoever sends later."""
    inbox = full()

    assert trio.ClosedResourceError is await what_a_waiting_sender_is_told(nursery, inbox, inbox.end)
    with pytest.raises(trio.ClosedResourceError):
        inbox.send_nowait(2)
    assert ["in the way"] == [item async for item in items_of(inbox)]


@pytest.mark.parametrize("leaves", [False, True])
async def test_whoever_waits_for_an_idle_owner_is_told(nursery, leaves):
    """Once the owner has taken all and is parked, or has left; and at once where it is so already."""
    inbox, told = full(), []

    async def wait():
        await inbox.wait_idle()
        told.append(True)

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    assert [] == told

    if leaves:
        inbox.close()
    else:
        nursery.start_soon(Owner(inbox).run)
    await wait_all_tasks_blocked()
    await inbox.wait_idle()

    assert [True] == told
