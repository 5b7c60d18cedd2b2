"""trio-asyncio's loop with methods replaced: what asyncio promises of callbacks and timers still holds."""

from __future__ import annotations

import asyncio
import selectors
import socket
from itertools import pairwise

import pytest
import trio
import trio.testing
import trio_asyncio

from gestura.transport._quick_loop import MOST_AT_ONCE, SOCKETS_AT_ONCE, quicken


@pytest.fixture(params=["quick", "stock"])
async def loop(request):
    async with trio_asyncio.open_loop() as loop:
        if request.param == "quick":
            quicken(loop, trio_asyncio)
        yield loop


async def test_callbacks_run_in_order(loop):
    """Callbacks run in the order they were queued, those they queue themselves after those that wait already."""
    ran = []
    done = trio.Event()

    def first():
        ran.append(1)
        loop.call_soon(ran.append, 3)
        loop.call_soon(done.set)

    loop.call_soon(first)
    loop.call_soon(ran.append, 2)
    await done.wait()

    assert [1, 2, 3] == ran


async def test_timers_run_when_they_are_due(loop):
    """Timers run in the order of their times, whatever the order of their making; a cancelled one doesn't."""
    ran = []
    done = trio.Event()
    for delay in (0.03, 0.01, 0.02):
        loop.call_later(delay, ran.append, delay)
    loop.call_later(0.015, ran.append, "cancelled").cancel()
    loop.call_later(0.04, done.set)
    await done.wait()

    assert [0.01, 0.02, 0.03] == ran


async def test_a_flood_of_callbacks_lets_other_tasks_run(loop):
    """Callbacks that queue each other for ever leave Trio's other tasks their turn."""
    count = 0

    def again():
        nonlocal count
        count += 1
        if count < 100 * MOST_AT_ONCE:
            loop.call_soon(again)

    loop.call_soon(again)
    for _ in range(5):
        await trio.lowlevel.checkpoint()

    assert count < 100 * MOST_AT_ONCE


async def test_asyncio_tasks_and_trio_tasks_meet(loop):
    """A coroutine of asyncio's may sleep, and await one of Trio's."""

    async def aio():
        await asyncio.sleep(0)
        await loop.trio_as_future(trio.sleep, 0)
        return "met"

    assert "met" == await loop.run_aio_coroutine(aio())


async def test_a_reader_that_leaves_reading_to_others_is_called_once_for_each_turn(loop):
    """A callback that only starts somebody who reads is not called again and again until that one has read."""
    ours, theirs = socket.socketpair()
    calls = 0
    read = trio.Event()
    with ours, theirs:
        ours.setblocking(False)

        async def take():
            ours.recv(10)
            loop.remove_reader(ours)
            read.set()

        def readable():
            nonlocal calls
            calls += 1
            loop.create_task(take())

        loop.add_reader(ours, readable)
        theirs.send(b"x")
        with trio.fail_after(5):
            await read.wait()

    assert 1 == calls


@pytest.mark.skipif(not hasattr(selectors, "EpollSelector"), reason="only epoll's sockets are watched by one task")
async def test_many_sockets_at_once_let_other_tasks_run():
    """Sockets that are all ready leave Trio's other tasks a turn before the last of them was called."""
    pairs = [socket.socketpair() for _ in range(3 * SOCKETS_AT_ONCE)]
    called, called_at_turns = [], []
    async with trio_asyncio.open_loop() as loop:
        quicken(loop, trio_asyncio)
        for ours, theirs in pairs:
            theirs.send(b"x")
            loop.add_reader(ours, lambda ours=ours: (called.append(ours.recv(1)), loop.remove_reader(ours)))
        with trio.fail_after(5):
            while len(called) < len(pairs):
                await trio.lowlevel.checkpoint()
                called_at_turns.append(len(called))
        for pair in pairs:
            for one in pair:
                one.close()

    # Trio shuffles those who are ready, so that two batches may come between two turns; never all three.
    steps = [after - before for before, after in pairwise([0, *called_at_turns])]
    assert max(steps) <= 2 * SOCKETS_AT_ONCE


@pytest.mark.skipif(not hasattr(selectors, "EpollSelector"), reason="only epoll's sockets are watched by one task")
async def test_a_socket_that_another_closes_is_not_called():
    """A callback may take away a socket that was ready with its own."""
    (a, a_far), (b, b_far) = socket.socketpair(), socket.socketpair()
    called = []
    async with trio_asyncio.open_loop() as loop:
        quicken(loop, trio_asyncio)

        def read(ours, other):
            called.append(ours)
            loop.remove_reader(ours)
            loop.remove_reader(other)
            other.close()

        a_far.send(b"x")
        b_far.send(b"x")
        loop.add_reader(a, read, a, b)
        loop.add_reader(b, read, b, a)
        await trio.testing.wait_all_tasks_blocked(0.01)
        for one in (a, a_far, b, b_far):
            one.close()

    assert 1 == len(called)


async def test_a_writer_is_called_until_it_is_removed(loop):
    """A socket that can be written is told so, again and again, and a reader beside it is not disturbed."""
    ours, theirs = socket.socketpair()
    writes, reads = [], []
    enough, read = trio.Event(), trio.Event()

    def write():
        writes.append(None)
        if len(writes) == 3:
            loop.remove_writer(ours)
            enough.set()

    def take():
        reads.append(ours.recv(10))
        read.set()

    with ours, theirs:
        loop.add_writer(ours, write)
        loop.add_reader(ours, take)
        with trio.fail_after(5):
            await enough.wait()
            theirs.send(b"x")
            await read.wait()
        loop.remove_reader(ours)

    assert [b"x"] == reads
    assert 3 == len(writes)


async def test_an_unknown_version_is_left_alone(monkeypatch):
    """The methods are private, so on a version that nobody looked at they stay as they are."""
    monkeypatch.setattr(trio_asyncio, "__version__", "99.0")
    async with trio_asyncio.open_loop() as loop:
        quicken(loop, trio_asyncio)

        assert "_main_loop_one" not in vars(loop)
        assert "_add_reader" not in vars(loop)
