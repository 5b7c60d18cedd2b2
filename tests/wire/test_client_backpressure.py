"""Over real sockets: a consumer that stops reading stops the server, and one that leaves is gone at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from doors import Leave, by_an_exception, by_break
from scripting import text
from servers import CHUNKED_HEAD, Peer, chunk, serve
from trio.testing import wait_all_tasks_blocked

import gestura
from gestura._actors.read_ahead import READ_AHEAD_BYTES
from gestura.chunks import Text
from gestura.config import ProviderSettings, StreamingConfig
from gestura.transport._aiohttp_session import SLICE_BYTES

AT_ONCE = 0.5
"""Seconds. It takes a millisecond or two; a machine that is busy with other tests may need more."""

WORDS = "x" * 50_000
"""What one event says: so large that the kernel's buffers don't hide what ours hold."""

IN_THE_KERNEL = 7_000_000
"""Linux holds up to 6 MiB for a receiver, and the server's own end is set to 64 KiB."""

IN_THE_TRANSPORT = 1_000_000
"""aiohttp holds half a mebibyte, we 64 KiB."""


def open_client(url: str):
    settings = ProviderSettings(kind="openai_chat", model="m", base_url=url)
    return gestura.open_client(StreamingConfig(primary="a", providers={"a": settings}))


class Talker:
    """A server that talks for ever, as fast as it is read, until the client has gone."""

    def __init__(self, event: bytes) -> None:
        self._wire = chunk(event)
        self.sent = 0
        self.gone = trio.Event()

    async def __call__(self, peer: Peer) -> None:
        try:
            await peer.read_request()
            await peer.send(CHUNKED_HEAD)
            while True:
                await peer.send(self._wire)
                self.sent += len(self._wire)
        finally:
            self.gone.set()


async def until_still(talker: Talker) -> int:
    """What the server has sent when it can send no more."""
    before = -1
    while before != talker.sent:
        before = talker.sent
        await wait_all_tasks_blocked(0.1)
    return before


async def test_a_consumer_that_stops_reading_stops_the_reads():
    """The server gets rid of what may be read ahead and of what the buffers hold, and no byte more; then it goes on.

    256 chunks fit the channel, but each is 50 kB here: a mebibyte of them is enough.
    """
    talker = Talker(text(WORDS))
    async with (
        serve(talker, send_buffer=65_536) as server,
        open_client(server.url) as client,
        client.stream("Hi") as stream,
    ):
        assert await anext(stream) == Text(WORDS)
        stopped_at = await until_still(talker)
        assert await until_still(talker) == stopped_at
        read = stream.statistics().actors[0].items
        assert READ_AHEAD_BYTES <= read <= READ_AHEAD_BYTES + SLICE_BYTES
        assert stopped_at < read + IN_THE_TRANSPORT + IN_THE_KERNEL

        for _ in range(300):
            assert await anext(stream) == Text(WORDS)
        assert await until_still(talker) > stopped_at


async def test_one_stream_that_is_not_read_holds_up_no_other():
    """Beside it another stream of the same client has its whole answer."""
    stuck, number = Talker(text(WORDS)), 0

    async def behave(peer: Peer) -> None:
        nonlocal number
        number += 1
        if number == 1:
            await stuck(peer)
            return
        await peer.read_request()
        await peer.send(CHUNKED_HEAD, chunk(text("Hello") + b"data: [DONE]\n\n"), chunk(b""))

    async with (
        serve(behave, send_buffer=65_536) as server,
        open_client(server.url) as client,
        client.stream("Hi") as unread,
    ):
        await anext(unread)
        await until_still(stuck)

        assert "Hello" == str(await client.ask("Hi"))


async def by_a_deadline(stream: gestura.ChunkStream) -> None:
    with trio.fail_after(0.05):
        while True:
            await anext(stream)


async def behind_a_full_channel(stream: gestura.ChunkStream) -> None:
    await wait_all_tasks_blocked(0.1)


@pytest.mark.parametrize("leave", [by_break, by_an_exception, by_a_deadline, behind_a_full_channel])
async def test_leaving_early_closes_the_socket_at_once(leave: Callable[[gestura.ChunkStream], Awaitable[None]]):
    """The server sees its client go, whichever way the block is left, amid a flood."""
    talker = Talker(text("x") * 20)
    async with serve(talker, send_buffer=65_536) as server, open_client(server.url) as client:
        try:
            async with client.stream("Hi") as stream:
                await leave(stream)
        except (Leave, trio.TooSlowError):
            pass
        with trio.fail_after(AT_ONCE):
            await talker.gone.wait()


@pytest.mark.parametrize("strike", ["cancel", "pause"])
async def test_a_token_closes_the_socket_at_once(strike: str):
    """Though the server is silent, it sees its client go; and the user has the ending."""
    gone, silent = trio.Event(), trio.Event()

    async def say_a_word(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD, chunk(text("Hel")))
        silent.set()
        await peer.wait_gone()
        gone.set()

    token = gestura.CancellationToken()
    async with (
        serve(say_a_word) as server,
        open_client(server.url) as client,
        client.stream("Hi", token=token) as stream,
    ):
        assert await anext(stream) == Text("Hel")
        await silent.wait()
        await trio.to_thread.run_sync(getattr(token, strike))
        with trio.fail_after(AT_ONCE):
            ending = await anext(stream)
            await gone.wait()

    assert {"cancel": gestura.Cancelled, "pause": gestura.Paused}[strike] is type(ending)
