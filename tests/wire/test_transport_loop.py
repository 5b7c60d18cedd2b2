"""The asyncio loop behind the transport is invisible: no groups, no stray errors, nobody else's loop touched."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys

import pytest
import trio
import trio.testing
from servers import CHUNKED_HEAD, Peer, serve

from gestura.errors import ConfigError
from gestura.transport import HttpRequest, Transport
from gestura.transport._aiohttp import open_aiohttp_transport


async def answer_all(peer: Peer) -> None:
    while True:
        await peer.read_request()
        await peer.answer(b"fine")


async def fetch(transport: Transport, url: str) -> bytes:
    async with transport.open(HttpRequest(url=url), on_connect=lambda: None) as response:
        return await response.receive_some()


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_the_blocks_own_exception_comes_out_bare(open_transport, error: BaseException) -> None:
    """Whatever the block raises is raised, itself, in no group."""
    with pytest.raises(type(error)) as caught:
        async with open_transport():
            raise error

    assert caught.value is error


async def test_a_group_of_the_users_comes_out_as_it_is(open_transport) -> None:
    """A group that the block raises is the user's, one exception or not, and stays a group."""
    group = ExceptionGroup("mine", [ValueError()])

    with pytest.raises(ExceptionGroup) as caught:
        async with open_transport():
            raise group

    assert caught.value is group


async def test_a_request_in_the_block_raises_bare_too(open_transport) -> None:
    """An exception inside `open` passes through both blocks."""
    error = ValueError("mine")

    async def ask(url: str) -> None:
        async with (
            open_transport() as transport,
            transport.open(HttpRequest(url=url), on_connect=lambda: None),
        ):
            raise error

    async with serve(answer_all) as server:
        with pytest.raises(ValueError, match="mine") as caught:
            await ask(server.url)

    assert caught.value is error


async def test_an_error_in_on_connect_comes_out(open_transport) -> None:
    """`on_connect` runs in the caller's task: its exception is the caller's."""

    def fail() -> None:
        raise ValueError("mine")

    async def ask(url: str) -> None:
        async with open_transport() as transport, transport.open(HttpRequest(url=url), on_connect=fail):
            pass

    async with serve(answer_all) as server:
        with pytest.raises(ValueError, match="mine"):
            await ask(server.url)


async def test_cancelling_around_the_transport_is_plain_cancelling(open_transport) -> None:
    """A scope outside cancels the block, which unwinds with a loop that still runs, and catches its own."""
    unwound = False

    async with serve(answer_all) as server:
        with trio.CancelScope() as scope:
            async with open_transport() as transport:
                try:
                    scope.cancel()
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(shield=True):
                        unwound = await fetch(transport, server.url) == b"fine"

    assert scope.cancelled_caught
    assert unwound


def raise_stray() -> None:
    raise ValueError("stray canary")


async def fail_unobserved() -> None:
    raise_stray()


async def test_stray_asyncio_errors_are_logged_and_end_nothing(
    open_transport, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that raises, and a task whose exception nobody asks for, are told in the log, without their words."""
    async with serve(answer_all) as server, open_transport() as transport:
        loop = transport._loop
        loop.call_soon_threadsafe(raise_stray)
        loop.call_soon_threadsafe(lambda: loop.create_task(fail_unobserved()) and None)
        loop.call_soon_threadsafe(loop.call_exception_handler, {"message": "Unclosed connection"})
        assert await fetch(transport, server.url) == b"fine"
        gc.collect()  # asyncio complains when it forgets the task
        assert await fetch(transport, server.url) == b"fine"

    records = [record for record in caplog.records if record.name == "gestura.transport"]
    assert [record.levelno for record in records] == [logging.ERROR] * 3
    assert sum("stray ValueError, raised at" in record.getMessage() for record in records) == 2
    assert "canary" not in caplog.text


def strike() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_interrupt_that_strikes_in_asyncio_comes_out_bare(trio_asyncio, streaming: bool) -> None:
    """Ctrl-C may hit trio-asyncio's code as well as ours: it ends the block, alone, streams open or not."""

    async def begin_to_answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD)
        await peer.wait_gone()

    async def be_interrupted(url: str) -> None:
        async with open_aiohttp_transport() as transport:
            if not streaming:
                transport._loop.call_soon(strike)
                await trio.sleep_forever()
            async with transport.open(HttpRequest(url=url), on_connect=lambda: None) as response:
                transport._loop.call_soon(strike)
                await response.receive_some()

    async with serve(begin_to_answer) as server:
        with pytest.raises(KeyboardInterrupt):
            await be_interrupted(server.url)


async def test_the_block_sees_no_asyncio_loop(trio_asyncio, open_transport) -> None:
    """Inside the block, and after it, there is as little of asyncio as before."""
    async with open_transport():
        assert trio_asyncio.current_loop.get() is None
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()

    assert trio_asyncio.current_loop.get() is None


async def test_a_loop_of_the_users_own_goes_on(trio_asyncio, open_transport) -> None:
    """Around the transport or inside it, the user's trio-asyncio loop is the one that the user's code sees."""

    async def running_loop() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async with serve(answer_all) as server, trio_asyncio.open_loop() as outer:
        async with open_transport() as transport:
            assert await trio_asyncio.aio_as_trio(running_loop)() is outer
            assert await fetch(transport, server.url) == b"fine"
            async with trio_asyncio.open_loop() as inner:
                assert await trio_asyncio.aio_as_trio(running_loop)() is inner
                assert await fetch(transport, server.url) == b"fine"
            assert await trio_asyncio.aio_as_trio(running_loop)() is outer
        assert await trio_asyncio.aio_as_trio(running_loop)() is outer


async def test_two_transports_live_side_by_side(open_transport) -> None:
    """Each transport has its own loop and its own connections."""
    async with serve(answer_all) as server, open_transport() as one, open_transport() as other:
        for transport in (one, other, one):
            assert await fetch(transport, server.url) == b"fine"

    assert server.connections == 2


async def test_without_trio_asyncio_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where trio-asyncio can't be imported, as on Python 3.14, a `ConfigError` names the other transport."""
    monkeypatch.setitem(sys.modules, "trio_asyncio", None)

    with pytest.raises(ConfigError, match=r'trio-asyncio.*"thread"'):
        async with open_aiohttp_transport():
            pass
