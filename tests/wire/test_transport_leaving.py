"""Leaving a request, by whatever door and at whatever moment, has closed its socket and ended its task at once."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from servers import CHUNKED_HEAD, Peer, chunk, head, serve

from gestura.errors import TransportError
from gestura.transport import HttpRequest, HttpResponse, Transport

AT_ONCE = 0.5
"""Seconds. It takes a millisecond or two; a machine that is busy with other tests may need more."""


def nothing() -> None:
    """For requests that don't care when the connection stands."""


class Silent:
    """A server that does some things, says that it is done, and is silent until the client has gone."""

    def __init__(self, first: Callable[[Peer], Awaitable[object]]) -> None:
        self._first = first
        self.silent = trio.Event()
        self.gone = trio.Event()

    async def __call__(self, peer: Peer) -> None:
        try:
            await self._first(peer)
            self.silent.set()
            await peer.wait_gone()
        finally:
            self.gone.set()


async def accept_only(peer: Peer) -> None:
    """Not a byte: the client waits for the TLS handshake, or sends a body that nobody reads."""


async def read_request(peer: Peer) -> None:
    await peer.read_request()


async def begin_head(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"HTTP/1.1 200 OK\r\nX-", b"Slow: ")


async def send_head(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(CHUNKED_HEAD)


async def send_some(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(CHUNKED_HEAD, chunk(b"data: one\n\n"))


async def request_and_read(transport: Transport, url: str, body: bytes) -> None:
    async with transport.open(HttpRequest(url=url, body=body), on_connect=nothing) as response:
        while await response.receive_some():
            pass


def requests_in_flight(transport: Transport) -> int:
    return sum(task.get_coro().__name__ == "perform" for task in asyncio.all_tasks(transport._loop))


@pytest.mark.parametrize(
    ("first", "scheme", "body"),
    [
        pytest.param(accept_only, "https", b"", id="in the TLS handshake"),
        pytest.param(accept_only, "http", bytes(20_000_000), id="sending the body"),
        pytest.param(read_request, "http", b"{}", id="waiting for the head"),
        pytest.param(begin_head, "http", b"{}", id="amid the head"),
        pytest.param(send_head, "http", b"{}", id="waiting for the body"),
        pytest.param(send_some, "http", b"{}", id="amid the body"),
    ],
)
async def test_a_cancelled_request_is_over_at_once(
    open_transport, first: Callable[[Peer], Awaitable[object]], scheme: str, body: bytes
) -> None:
    """While the server is silent, cancelling closes the socket, which the server sees, and leaves no asyncio task."""
    server_is = Silent(first)

    async with serve(server_is) as server, open_transport() as transport:
        url = server.url.replace("http:", f"{scheme}:")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(request_and_read, transport, url, body)
            await server_is.silent.wait()
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.cancel_scope.cancel()
            cancelled_at = trio.current_time()
        assert trio.current_time() - cancelled_at < AT_ONCE
        assert requests_in_flight(transport) == 0
        with trio.fail_after(AT_ONCE):
            await server_is.gone.wait()


async def test_a_cancelled_name_lookup_is_over_at_once(open_transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system may look for a name for half a minute; neither the request nor the transport waits."""
    looking, found = threading.Event(), threading.Event()

    def slow_getaddrinfo(*args: object, **kwargs: object) -> object:
        looking.set()
        found.wait()
        raise socket.gaierror(socket.EAI_NONAME, "not found")

    monkeypatch.setattr(socket, "getaddrinfo", slow_getaddrinfo)
    try:
        async with open_transport() as transport, trio.open_nursery() as nursery:
            nursery.start_soon(request_and_read, transport, "http://slow.invalid/", b"")
            await trio.to_thread.run_sync(looking.wait)
            nursery.cancel_scope.cancel()
            cancelled_at = trio.current_time()
        assert trio.current_time() - cancelled_at < AT_ONCE
    finally:
        found.set()


class Leave(Exception):
    """A door."""


async def by_the_end_of_the_block(response: HttpResponse) -> None:
    await response.receive_some()


async def by_an_exception(response: HttpResponse) -> None:
    await response.receive_some()
    raise Leave


async def by_a_deadline(response: HttpResponse) -> None:
    await response.receive_some()
    with trio.fail_after(0):
        await response.receive_some()


@pytest.mark.parametrize("leave", [by_the_end_of_the_block, by_an_exception, by_a_deadline])
async def test_every_door_closes_the_socket(open_transport, leave: Callable[[HttpResponse], Awaitable[None]]) -> None:
    """A response that is not read to its end costs its connection, and the next request makes a new one."""
    gone = trio.Semaphore(0)

    async def stream_for_ever(peer: Peer) -> None:
        await peer.read_request()
        try:
            await peer.send(CHUNKED_HEAD)
            while True:
                await peer.send(chunk(b"data: more\n\n"))
        finally:
            gone.release()

    async with serve(stream_for_ever) as server, open_transport() as transport:
        for _ in range(2):
            try:
                async with transport.open(HttpRequest(url=server.url), on_connect=nothing) as response:
                    await leave(response)
            except (Leave, trio.TooSlowError):
                pass
            assert requests_in_flight(transport) == 0
            with trio.fail_after(AT_ONCE):
                await gone.acquire()
        with pytest.raises(trio.ClosedResourceError):
            await response.receive_some()

    assert server.connections == 2


async def test_a_reader_that_stops_stops_the_server(open_transport) -> None:
    """A server that writes for ever gets rid of what the buffers hold, and no more; when the reader goes on, so can it.

    The kernel holds up to 6 MiB for a receiver on Linux; aiohttp half a mebibyte, we 64 KiB.
    """
    peers = []

    async def write_for_ever(peer: Peer) -> None:
        peers.append(peer)
        await peer.read_request()
        await peer.send(head(Connection="close"))
        while True:
            await peer.send(bytes(16_384))

    async with (
        serve(write_for_ever, send_buffer=65_536) as server,
        open_transport() as transport,
        transport.open(HttpRequest(url=server.url), on_connect=nothing) as response,
    ):
        received = len(await response.receive_some())
        await trio.testing.wait_all_tasks_blocked(0.05)
        sent = peers[0].sent
        assert sum(map(len, response._unread)) <= 65_536
        assert sent < 10_000_000

        while received < sent + 1_000_000:
            received += len(await response.receive_some())
        assert peers[0].sent > sent


async def test_an_early_leave_with_unread_data_costs_no_other_stream(open_transport) -> None:
    """Two streams share a server; when one is left, the other goes on."""

    async def two_tokens(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD, chunk(b"one"))
        if peer.number == 1:
            await go_on.wait()
            await peer.send(chunk(b"two"), chunk(b""))
        await peer.wait_gone()

    go_on = trio.Event()
    async with (
        serve(two_tokens) as server,
        open_transport() as transport,
        transport.open(HttpRequest(url=server.url), on_connect=nothing) as stays,
    ):
        assert await stays.receive_some() == b"one"
        async with transport.open(HttpRequest(url=server.url), on_connect=nothing) as left:
            assert await left.receive_some() == b"one"
        go_on.set()
        assert await stays.receive_some() == b"two"
        assert await stays.receive_some() == b""


async def test_a_response_that_outlives_its_transport_ends(open_transport) -> None:
    """Closing the transport under a response is a mistake, and a `TransportError`, not a hang."""
    server_is = Silent(send_head)

    async def read() -> None:
        with pytest.raises(TransportError):
            await request_and_read(transport, server.url, b"")

    async with serve(server_is) as server, trio.open_nursery() as nursery:
        async with open_transport() as transport:
            nursery.start_soon(read)
            await server_is.silent.wait()
        with pytest.raises(trio.ClosedResourceError):
            await request_and_read(transport, server.url, b"")


async def test_ended_streams_leave_no_trio_task_behind(open_transport) -> None:
    """When all streams have ended, the run has as many Trio tasks as before."""

    async def trickle(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD, *[chunk(b"x")] * 100, chunk(b""))

    async with serve(trickle) as server, open_transport() as transport:
        await request_and_read(transport, server.url, b"")
        await trio.testing.wait_all_tasks_blocked(0.01)
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(request_and_read, transport, server.url, b"")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert trio.lowlevel.current_statistics().tasks_living <= before
