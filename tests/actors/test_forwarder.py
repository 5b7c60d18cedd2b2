"""The user's end of a stream: each class of chunk has its patience, every drop is counted, the order never changes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from inboxes import items_of, opened, receive, receive_all_nowait
from scripting import run_virtually
from trio.testing import MockClock, wait_all_tasks_blocked

from gestura._actors.forwarder import Forwarder
from gestura._actors.inbox import Inbox
from gestura._actors.outlet import Outlet
from gestura._actors.statistics import ActorStatistics, Counts
from gestura.chunks import (
    FinishReason,
    Narration,
    NarrationStage,
    PublicNarration,
    Status,
    StreamChunk,
    Text,
    TokenUsageUpdate,
)
from gestura.delivery import Delivery
from gestura.errors import InternalError, LimitExceeded
from gestura.stages.deltas import Anomaly, Finish, ModelName, Oddity, Terminal
from gestura.usage import TokenUsageStatus


def best_effort(number: int) -> StreamChunk:
    return Status(str(number))


def if_room(number: int) -> StreamChunk:
    return Narration(PublicNarration(str(number), ""), NarrationStage.PROGRESS)


def lossless(number: int) -> StreamChunk:
    return Text(str(number))


MAKE = {Delivery.LOSSLESS: lossless, Delivery.BEST_EFFORT: best_effort, Delivery.IF_ROOM: if_room}


class Rig:
    """An outlet whose user has room for so many chunks."""

    def __init__(self, room: int) -> None:
        self.inbox = Inbox[StreamChunk](room)
        self.counts = Counts()
        self.outlet = Outlet(self.inbox, self.counts)

    def waiting(self) -> list[StreamChunk]:
        """What the user can have at once."""
        return receive_all_nowait(self.inbox)


@pytest.mark.parametrize(
    ("delivery", "waits", "dropped"),
    [
        (Delivery.LOSSLESS, 5.0, {}),
        (Delivery.BEST_EFFORT, 0.1, {"Status": 1}),
        (Delivery.IF_ROOM, 0.0, {"Narration": 1}),
    ],
)
async def test_each_class_has_its_patience(
    autojump_clock: MockClock, delivery: Delivery, waits: float, dropped: dict[str, int]
):
    """On a full channel the lossless wait as long as it takes, best effort 100 ms, and what needs room not at all."""
    rig = Rig(room=1)
    chunk = MAKE[delivery](1)
    async with opened(rig.outlet), trio.open_nursery() as nursery:
        await rig.outlet.send(lossless(0))

        async def make_room() -> None:
            await trio.sleep(5)
            assert [lossless(0)] == rig.waiting()[:1]

        nursery.start_soon(make_room)
        await rig.outlet.send(chunk)
        assert waits == pytest.approx(trio.current_time())

    assert dropped == dict(rig.counts.dropped)


@pytest.mark.parametrize("delivery", Delivery)
async def test_where_there_is_room_nothing_waits(autojump_clock: MockClock, delivery: Delivery):
    """Each class is delivered at once, and nothing is counted."""
    rig = Rig(room=3)
    chunks = [MAKE[delivery](number) for number in range(3)]
    async with opened(rig.outlet):
        for chunk in chunks:
            await rig.outlet.send(chunk)

    assert chunks == rig.waiting()
    assert not rig.counts.dropped
    assert trio.current_time() == 0


async def test_best_effort_is_delivered_when_room_comes_in_time(autojump_clock: MockClock):
    """Within its 100 ms a chunk takes the room that a reader makes."""
    rig = Rig(room=1)
    async with opened(rig.outlet), trio.open_nursery() as nursery:
        await rig.outlet.send(lossless(0))
        nursery.start_soon(rig.outlet.send, best_effort(1))
        await trio.sleep(0.09)
        assert lossless(0) == await receive(rig.inbox)
        assert best_effort(1) == await receive(rig.inbox)

    assert not rig.counts.dropped


async def test_an_announcement_waits_elsewhere(autojump_clock: MockClock):
    """Whoever announces goes on at once; what was announced is delivered when there is room, before the end."""
    rig = Rig(room=1)
    received = []

    async def read_late() -> None:
        await trio.sleep(10)
        received.extend([chunk async for chunk in items_of(rig.inbox)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_late)
        async with opened(rig.outlet):
            rig.outlet.announce(lossless(0))
            rig.outlet.announce(lossless(1))
            rig.outlet.announce(best_effort(2))
            rig.outlet.announce(lossless(3))
            assert trio.current_time() == 0

    assert [lossless(0), lossless(1), lossless(3)] == [
        chunk for chunk in received if chunk.delivery is Delivery.LOSSLESS
    ]
    assert trio.current_time() == pytest.approx(10, abs=0.2)


Operation = tuple[float, str, Delivery]


async def deliver(operations: Sequence[Operation], room: int, pauses: Sequence[float]) -> tuple[list[int], Counter]:
    """Let a task each send or announce, one after another, while the user reads at this pace.

    Returns:
        The numbers of the operations whose chunks came, as they came; and the counts of drops.
    """
    rig, received = Rig(room), []

    async def read() -> None:
        number = 0
        while True:
            await trio.sleep(pauses[number % len(pauses)])
            number += 1
            try:
                received.append(id(await receive(rig.inbox)))
            except trio.EndOfChannel:
                return

    chunks = [MAKE[delivery](number) for number, (_, _, delivery) in enumerate(operations)]
    async with trio.open_nursery() as reading:
        reading.start_soon(read)
        async with opened(rig.outlet), trio.open_nursery() as sending:
            for chunk, (gap, how, _) in zip(chunks, operations, strict=True):
                await trio.sleep(gap)
                if how == "announce":
                    rig.outlet.announce(chunk)
                else:
                    sending.start_soon(rig.outlet.send, chunk)
    order = {id(chunk): number for number, chunk in enumerate(chunks)}
    return [order[each] for each in received], rig.counts.dropped


gaps = st.sampled_from([0.001, 0.001, 0.03, 0.2])


@given(
    st.lists(st.tuples(gaps, st.sampled_from(["send", "announce"]), st.sampled_from(Delivery)), max_size=9),
    st.integers(1, 3),
    st.lists(st.sampled_from([0, 0.01, 0.06, 0.5, 3]), min_size=1, max_size=3),
)
@example([(0.001, "announce", Delivery.LOSSLESS)] + [(0.001, "send", Delivery.LOSSLESS)] * 7, 1, [1])
@example([(0.001, "send", Delivery.LOSSLESS), (0.001, "announce", Delivery.LOSSLESS)] * 4, 1, [1])
@example([(0.001, "announce", Delivery.LOSSLESS), (0.001, "announce", Delivery.BEST_EFFORT)] * 4, 1, [1])
def test_order_is_never_changed(operations: Sequence[Operation], room: int, pauses: Sequence[float]):
    """Of what several tasks send and announce, all that is delivered comes in the order in which it was given.

    The lossless is all there, and of the others exactly what was counted is missing.
    """
    received, dropped = run_virtually(deliver, operations, room, pauses)
    missing = [delivery for number, (_, _, delivery) in enumerate(operations) if number not in received]

    assert sorted(received) == received
    assert Delivery.LOSSLESS not in missing
    assert sorted(dropped.values()) == sorted(Counter(missing).values())


async def test_a_user_who_has_gone_is_told_to_senders_and_not_to_announcers():
    """A sender learns of it and can stop; an announcement is of no use any more, and is forgotten."""
    rig = Rig(room=1)
    async with opened(rig.outlet):
        rig.outlet.announce(lossless(0))
        rig.outlet.announce(lossless(0))
        await wait_all_tasks_blocked()
        rig.inbox.close()
        rig.outlet.announce(lossless(1))
        with pytest.raises(trio.BrokenResourceError):
            await rig.outlet.send(lossless(2))


class Faulty(Inbox[StreamChunk]):
    """An inbox where waiting for room meets a bug."""

    async def send(self, item: StreamChunk) -> None:
        raise ZeroDivisionError("a bug")


async def test_a_bug_met_by_an_announcement_is_told_by_the_drain(nursery: trio.Nursery):
    """It ends the stream that announced, as a bug does, and no task of the user's."""
    outlet = Outlet(Faulty(1), Counts())
    outlet.open(nursery)
    for number in range(3):
        outlet.announce(lossless(number))

    with pytest.raises(ZeroDivisionError):
        await outlet.drain()


async def test_an_outlet_drains_no_more_than_announcements(autojump_clock: MockClock):
    """Whoever waits with a chunk of their own is told that the stream has ended: they may be the one who reads it."""
    rig, told = Rig(room=1), []

    async def send() -> None:
        try:
            await rig.outlet.send(lossless(1))
        except trio.ClosedResourceError:
            told.append(True)

    async with trio.open_nursery() as nursery, opened(rig.outlet):
        await rig.outlet.send(lossless(0))
        nursery.start_soon(send)
        await wait_all_tasks_blocked()

    assert [True] == told
    assert [lossless(0)] == rig.waiting()


async def test_a_closed_outlet_takes_nothing():
    """After its block, sending is an error of its own kind."""
    rig = Rig(room=1)
    async with opened(rig.outlet):
        pass

    with pytest.raises(trio.ClosedResourceError):
        await rig.outlet.send(lossless(0))


def test_an_outlet_that_was_never_opened_announces_nothing():
    """That is a bug of ours, and told as one."""
    with pytest.raises(InternalError):
        Rig(room=1).outlet.announce(lossless(0))


async def test_waits_without_end_are_told(autojump_clock: MockClock):
    """Whoever keeps clocks hears when a wait for the user begins and when it ends, cancelled or not; of no other."""
    rig, heard = Rig(room=1), []
    async with opened(rig.outlet), trio.open_nursery() as nursery:
        await rig.outlet.send(lossless(0))
        await rig.outlet.send(best_effort(0), heard.append)
        with trio.move_on_after(1):
            await rig.outlet.send(lossless(1), heard.append)
        nursery.start_soon(rig.outlet.send, lossless(2), heard.append)
        await wait_all_tasks_blocked()
        assert [True, False, True] == heard
        assert lossless(0) == await receive(rig.inbox)
        assert lossless(2) == await receive(rig.inbox)

    assert [True, False, True, False] == heard


# The actor.

PIECES: list[Any] = [
    ModelName("m"),
    Text("a"),
    Anomaly(Oddity.OTHER_CHOICE),
    Text("b"),
    Finish(FinishReason.STOP),
    Text("c"),
    Terminal(),
    Text("never told"),
]


class Attempted:
    """What an attempt does with what the forwarder tells it."""

    def __init__(self, limit: int = 100) -> None:
        self.shown: list[StreamChunk] = []
        self.noted: list[Any] = []
        self.limit = limit

    def delivered(self, chunk: StreamChunk) -> None:
        self.shown.append(chunk)
        if len(self.shown) > self.limit:
            raise LimitExceeded("the answer", "max_answer_bytes", self.limit)

    def note(self, delta: Any) -> StreamChunk | None:
        self.noted.append(delta)
        return TokenUsageUpdate(1, 2, 50, TokenUsageStatus.GREEN, 0.0) if isinstance(delta, ModelName) else None

    @property
    def is_complete(self) -> bool:
        return any(isinstance(delta, Terminal) for delta in self.noted)

    def waits_for_user(self, waiting: bool) -> None:
        pass

    def next_look(self) -> float:
        return math.inf

    def look_at_clock(self) -> None:
        pass


async def forward_all(
    batches: Sequence[Sequence[Any]], room: int, attempted: Attempted, parked: bool
) -> tuple[list[StreamChunk], ActorStatistics]:
    """What the user receives, when the forwarder is parked between the batches, or has them all in its inbox."""
    rig, received = Rig(room), []
    inbox = Inbox[Any](100)
    forwarder = Forwarder(inbox, rig.outlet, attempted)

    async def read() -> None:
        async for chunk in items_of(rig.inbox):
            received.append(chunk)
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        async with opened(rig.outlet), trio.open_nursery() as acting:
            acting.start_soon(forwarder.run)
            for batch in batches:
                if parked:
                    await trio.sleep(1)
                try:
                    inbox.send_nowait(batch)
                except trio.BrokenResourceError:
                    break
            inbox.end()
    return received, forwarder.statistics()


@given(st.lists(st.integers(0, len(PIECES)), max_size=4), st.integers(1, 3), st.booleans())
def test_chunks_go_out_and_the_rest_is_noted_in_its_place(where: Sequence[int], room: int, parked: bool):
    """However the pieces are batched: up to the end of the answer, chunks in order, and what is to be noted noted."""
    cuts = sorted({0, len(PIECES), *where})
    batches = [PIECES[start:end] for start, end in pairwise(cuts)]
    attempted = Attempted()
    received, statistics = run_virtually(forward_all, batches, room, attempted, parked)

    assert ["a", "b", "c"] == [chunk.text for chunk in received if isinstance(chunk, Text)]
    assert isinstance(received[0], TokenUsageUpdate)
    assert received == attempted.shown
    assert [ModelName, Anomaly, Finish, Terminal] == [type(delta) for delta in attempted.noted]
    assert statistics.items == len(received)


@pytest.mark.parametrize("parked", [False, True])
def test_what_goes_beyond_a_limit_ends_the_forwarding(parked: bool):
    """The exception of whoever counts leaves the forwarder; what was delivered until then stands."""
    attempted = Attempted(limit=1)

    with pytest.raises(ExceptionGroup) as caught:
        run_virtually(forward_all, [[Text("a")], [Text("b")], [Text("c")]], 5, attempted, parked)

    assert caught.group_contains(LimitExceeded)
    assert [Text("a"), Text("b")] == attempted.shown
