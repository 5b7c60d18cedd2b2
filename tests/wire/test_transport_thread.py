"""The transport with a thread of its own: the thread comes and goes with the block, and calls cross in order."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from servers import CHUNKED_HEAD, Peer, chunk, serve

from gestura.errors import TransportError
from gestura.transport import HttpRequest, Transport
from gestura.transport._aiohttp_thread import PAUSE_SECONDS, _LoopThread, _Mailbox, open_thread_transport


async def answer_all(peer: Peer) -> None:
    while True:
        await peer.read_request()
        await peer.answer(b"fine")


async def begin_to_answer(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(CHUNKED_HEAD, chunk(b"data: one\n\n"))
    await peer.wait_gone()


async def fetch(transport: Transport, url: str) -> bytes:
    async with transport.open(HttpRequest(url=url), on_connect=lambda: None) as response:
        return await response.receive_some()


def transport_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "gestura transport"]


# The thread.


class Leave(Exception):
    """A door."""


def by_the_end_of_the_block(_: trio.CancelScope) -> None:
    pass


def by_an_exception(_: trio.CancelScope) -> None:
    raise Leave


def by_ctrl_c(_: trio.CancelScope) -> None:
    raise KeyboardInterrupt


def by_cancelling(scope: trio.CancelScope) -> None:
    scope.cancel()


@pytest.mark.parametrize(
    ("leave", "outcome"),
    [
        (by_the_end_of_the_block, nullcontext()),
        (by_an_exception, pytest.raises(Leave)),
        (by_ctrl_c, pytest.raises(KeyboardInterrupt)),
        (by_cancelling, nullcontext()),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
async def test_every_door_joins_the_thread(
    leave: Callable[[trio.CancelScope], None], outcome: AbstractContextManager[object]
) -> None:
    """The thread lives as long as the block, streams open or not, and a cancelled block still waits for its end."""
    async with serve(begin_to_answer) as server:
        with outcome, trio.CancelScope() as scope:
            async with (
                open_thread_transport() as transport,
                transport.open(HttpRequest(url=server.url), on_connect=lambda: None) as response,
            ):
                assert await response.receive_some() == b"data: one\n\n"
                assert len(transport_threads()) == 1
                leave(scope)
                await trio.lowlevel.checkpoint()

        assert transport_threads() == []


async def test_a_block_that_was_never_used_joins_its_thread() -> None:
    """Opening and closing at once is opening and closing."""
    async with open_thread_transport():
        pass

    assert transport_threads() == []


async def test_one_thread_serves_all_streams() -> None:
    """However many streams are open, there is one thread."""
    async with serve(begin_to_answer) as server, open_thread_transport() as transport, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(fetch, transport, server.url)

        assert len(transport_threads()) == 1


async def test_runs_in_several_threads_have_a_transport_each() -> None:
    """Another thread with a `trio.run` of its own opens another transport, and neither hears of the other."""
    async with serve(answer_all) as server, open_thread_transport() as transport:

        async def elsewhere() -> bytes:
            async with open_thread_transport() as another:
                return await fetch(another, server.url)

        for _ in range(2):
            assert await trio.to_thread.run_sync(trio.run, elsewhere) == b"fine"
            assert await fetch(transport, server.url) == b"fine"

    assert server.connections == 3


async def test_a_thread_that_dies_ends_its_streams(caplog: pytest.LogCaptureFixture) -> None:
    """Should anything end the loop, its streams end in an error and no request hangs."""

    def die() -> None:
        raise SystemExit

    async with serve(begin_to_answer) as server, open_thread_transport() as transport:
        (thread,) = transport_threads()
        async with transport.open(HttpRequest(url=server.url), on_connect=lambda: None) as response:
            assert await response.receive_some() == b"data: one\n\n"
            transport._loop.call_soon_threadsafe(die)
            with pytest.raises(TransportError):
                await response.receive_some()
        await trio.to_thread.run_sync(thread.join)
        with pytest.raises(trio.ClosedResourceError):
            await fetch(transport, server.url)

    assert "stray SystemExit" in caplog.text
    assert transport_threads() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # which is what the test is about
async def test_a_fork_has_no_transport() -> None:
    """A child process, which inherits no thread, is told so instead of waiting for ever."""
    async with open_thread_transport() as transport:
        entering = transport.open(HttpRequest(url="http://127.0.0.1:1/"), on_connect=lambda: None).__aenter__()
        if (child := os.fork()) == 0:
            try:
                entering.send(None)
            except RuntimeError as error:
                os._exit(0 if "fork" in str(error) else 1)
            finally:
                os._exit(2)
        entering.close()
        _, status = await trio.to_thread.run_sync(os.waitpid, child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


# The crossing.


async def test_trio_is_woken_at_most_once_a_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast events come, they share wake-ups, and all arrive."""
    woken_at: list[float] = []
    sent = 0
    wake_now = _LoopThread._wake_trio_now

    def record_and_wake(self: _LoopThread, deliver: Callable[[], None]) -> None:
        wake_now(self, deliver)
        woken_at.append(self._woken_at)

    async def trickle(peer: Peer) -> None:
        nonlocal sent
        await peer.read_request()
        await peer.send(CHUNKED_HEAD)
        while len(woken_at) < 20:
            await peer.send(chunk(b"x"))
            sent += 1
        await peer.send(chunk(b""))

    monkeypatch.setattr(_LoopThread, "_wake_trio_now", record_and_wake)
    async with (
        serve(trickle) as server,
        open_thread_transport() as transport,
        transport.open(HttpRequest(url=server.url), on_connect=lambda: None) as response,
    ):
        received = 0
        while data := await response.receive_some():
            received += len(data)

    assert sent == received
    assert min(after - before for before, after in itertools.pairwise(woken_at)) >= PAUSE_SECONDS * 0.999


@given(st.lists(st.booleans()))
def test_calls_cross_in_order_on_one_wake_up(turns: list[bool]) -> None:
    """However posts and wake-ups interleave, every call comes once, in order, and no wake-up is asked for in vain."""
    came: list[int] = []
    wakes: list[Callable[[], None]] = []
    mailbox = _Mailbox(wakes.append)
    for number, wakes_now in enumerate([*turns, True]):
        mailbox.post(came.append, number)
        assert len(wakes) == 1
        if wakes_now:
            wakes.pop()()
            assert came == list(range(number + 1))

    assert wakes == []


def test_calls_that_are_posted_while_others_are_made_come_later() -> None:
    """A call may post the next: it is made on another wake-up, so that none keeps the other thread for ever."""
    came: list[int] = []
    wakes: list[Callable[[], None]] = []
    mailbox = _Mailbox(wakes.append)
    mailbox.post(lambda: mailbox.post(came.append, 2))
    mailbox.post(came.append, 1)
    wakes.pop(0)()
    assert came == [1]
    wakes.pop(0)()

    assert came == [1, 2]


def test_calls_cross_threads_without_loss() -> None:
    """Posts of one thread, made as fast as it can while the other takes them, all come, in order."""
    count = 20_000
    came: list[int] = []
    rings = threading.Semaphore(0)
    wakes: list[Callable[[], None]] = []

    def wake(deliver: Callable[[], None]) -> None:
        wakes.append(deliver)
        rings.release()

    def post_all() -> None:
        for number in range(count):
            mailbox.post(came.append, number)

    mailbox = _Mailbox(wake)
    poster = threading.Thread(target=post_all)
    poster.start()
    while len(came) < count:
        rings.acquire()
        wakes.pop(0)()
    poster.join()

    assert came == list(range(count))
