"""The channel between two actors: bounded, in order, handed over where nobody need wait."""

from __future__ import annotations

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from gestura._actors.inbox import open_inbox


class Owner:
    """An owner that keeps what it gets, and where it ran: handed over, or in its own task."""

    def __init__(self, receive, *, room=lambda: True):
        self.got = []
        self.handed_over = []
        self.failure = None
        self._receive = receive
        receive.hand_over_to(self._take, room)

    def _take(self, item):
        if isinstance(item, Exception):
            raise item
        self.handed_over.append(item)
        self.got.append(item)

    async def run(self):
        with self._receive:
            try:
                async for item in self._receive:
                    self.got.append(item)
            except ValueError as error:
                self.failure = error


async def test_a_parked_owner_is_handed_items(nursery):
    """While the owner is parked on an empty inbox, items are taken at once, and nobody is woken."""
    send, receive = open_inbox(2)
    owner = Owner(receive)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    send.send_nowait(1)
    send.send_nowait(2)

    assert [1, 2] == owner.got == owner.handed_over
    assert 0 == receive.deepest_queue


async def test_without_room_behind_items_are_queued(nursery):
    """What could not go on without waiting is left to the owner's own task."""
    send, receive = open_inbox(2)
    owner = Owner(receive, room=lambda: False)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    send.send_nowait(1)
    assert [] == owner.got
    await wait_all_tasks_blocked()

    assert [1] == owner.got
    assert [] == owner.handed_over


async def test_nothing_overtakes_what_is_queued(nursery):
    """Once an item is queued, later ones are queued behind it, even if they could be handed over by then."""
    room = False
    send, receive = open_inbox(4)
    owner = Owner(receive, room=lambda: room)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    send.send_nowait(1)
    room = True
    send.send_nowait(2)
    await wait_all_tasks_blocked()

    assert [1, 2] == owner.got


@given(st.lists(st.sampled_from(["send", "room", "no room", "let run"]), max_size=40), st.integers(1, 3))
@example(["no room", "send", "room", "send"], 2)
def test_the_order_is_kept(steps, capacity):
    """Whatever is handed over and whatever is queued, the owner gets all items in the order they were sent."""

    async def main():
        room = True
        send, receive = open_inbox(capacity)
        owner = Owner(receive, room=lambda: room)
        sent = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(owner.run)
            with send:
                for step in steps:
                    match step:
                        case "send":
                            await send.send(sent)
                            sent += 1
                        case "let run":
                            await wait_all_tasks_blocked()
                        case _:
                            room = step == "room"
        return owner.got, sent, receive.deepest_queue

    got, sent, deepest = trio.run(main)

    assert list(range(sent)) == got
    assert deepest <= capacity


async def test_a_full_inbox_makes_senders_wait_in_turn(nursery):
    """Senders that find no room wait, and go on in the order they came."""
    send, receive = open_inbox(1)
    await send.send(0)
    with pytest.raises(trio.WouldBlock):
        send.send_nowait(1)
    for item in (1, 2):
        nursery.start_soon(send.send, item)
        await wait_all_tasks_blocked()

    got = []
    for _ in range(3):
        got.append(await anext(receive))
        await wait_all_tasks_blocked()

    assert [0, 1, 2] == got


async def test_what_take_raises_is_raised_in_the_owners_task(nursery):
    """The sender has nothing to do with a failure of its neighbour's."""
    send, receive = open_inbox(2)
    owner = Owner(receive)
    nursery.start_soon(owner.run)
    await wait_all_tasks_blocked()

    failure = ValueError("mine")
    send.send_nowait(failure)
    send.send_nowait("queued, since the owner is about to fail")
    await wait_all_tasks_blocked()

    assert failure is owner.failure
    with pytest.raises(trio.BrokenResourceError):
        send.send_nowait("too late")


async def test_what_take_leaves_is_for_the_owner(nursery):
    """`put_back` queues the rest of an item before whatever comes later."""
    send, receive = open_inbox(2)
    got = []

    async def own():
        receive.hand_over_to(lambda item: receive.put_back(f"rest of {item}"))
        got.extend([item async for item in receive])

    nursery.start_soon(own)
    await wait_all_tasks_blocked()
    send.send_nowait("first")
    send.send_nowait("second")
    send.close()
    await wait_all_tasks_blocked()

    assert ["rest of first", "second"] == got


async def test_the_end_comes_after_the_last_item(nursery):
    """Closing the sending end ends the owner's iteration once the queue is empty."""
    send, receive = open_inbox(2)
    with send:
        await send.send(1)

    assert [1] == [item async for item in receive]


async def test_a_closed_inbox_lets_waiting_senders_know(nursery):
    """A sender that waits for room when the owner leaves is told so."""
    send, receive = open_inbox(1)
    await send.send(0)
    told = []

    async def wait_for_room():
        try:
            await send.send(1)
        except trio.BrokenResourceError:
            told.append(True)

    nursery.start_soon(wait_for_room)
    await wait_all_tasks_blocked()
    receive.close()
    await wait_all_tasks_blocked()

    assert [True] == told


async def test_a_cancelled_owner_is_handed_nothing(nursery):
    """An owner that has left its wait is no longer parked: items are queued for whoever comes back to them."""
    send, receive = open_inbox(2)
    taken = []
    receive.hand_over_to(taken.append)
    with trio.move_on_after(0):
        await anext(receive)

    send.send_nowait(1)

    assert [] == taken
    assert 1 == await anext(receive)
