"""A proxy on loopback that does to connections what networks do: resets, silence, crumbs, bodies that lie.

    async with open_simulator() as simulator, open_faulty_proxy(simulator.url, [fault]) as proxy:
        settings = ProviderSettings(kind="openai_chat", model="hello", base_url=proxy.url)

It stands between a client and any HTTP server, the simulator or a real one, and speaks TCP, so that what arrives is
what a broken network delivers, whatever HTTP library sends and receives. Real sockets and real time: not for a clock
that jumps.
"""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import trio

from gestura._actors.groups import bare_errors
from gestura.testing.faults import CutOff
from gestura.testing.network import NetworkFault, Part, ResponseCutter, struck_part
from gestura.transport.scripted import Break, Hang, Wait

__all__ = ["FaultyProxy", "open_faulty_proxy"]

LINGER_0: Final = struct.pack("ii", 1, 0)
"""`struct linger`: on, 0 seconds. Closing such a socket sends RST instead of FIN (socket(7))."""

READ_BYTES: Final = 64 * 1024


class FaultyProxy:
    """A running proxy.

    Attributes:
        url: its own address, with the path of the server's.
        connections: how many clients have connected so far.
        open_connections: how many of them have not closed their end, nor had it closed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.connections: int = 0
        self.open_connections: int = 0
        self._changed = trio.Event()

    async def wait_closed(self) -> None:
        """Wait until no client has a connection."""
        while self.open_connections:
            await self._changed.wait()

    def _opened(self) -> int:
        self.connections += 1
        self.open_connections += 1
        return self.connections

    def _closed(self) -> None:
        self.open_connections -= 1
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def open_faulty_proxy(
    url: str,
    faults: Iterable[NetworkFault] | Callable[[int], Iterable[NetworkFault]] = (),
    *,
    segment_bytes: int | None = None,
) -> AsyncIterator[FaultyProxy]:
    """A proxy before the server at `url`, for the length of the block. Leaving it closes all connections.

    An exception of the block's own leaves it as it is.

    Args:
        url: `http://host:port`, and whatever path.
        faults: what goes wrong; or a function that gives what befalls the first connection, the second, … (1, 2, …).
        segment_bytes: the most that is sent to a client at once; one byte makes the network as slow as it can be.

    Raises:
        ValueError: the server speaks no HTTP/1.1, in which faults could find their place.
    """
    server = urlsplit(url)
    if server.scheme != "http" or server.hostname is None:
        raise ValueError("the proxy speaks plain HTTP; url: http://host[:port][/path]")
    host, port = server.hostname, server.port or 80
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    proxy = FaultyProxy(server._replace(netloc=f"127.0.0.1:{listener.socket.getsockname()[1]}").geturl())
    plan = faults if callable(faults) else tuple(faults)

    async def relay(client: trio.SocketStream) -> None:
        number = proxy._opened()  # noqa: SLF001  # the same module
        planned = plan(number) if callable(plan) else plan
        due = [fault for fault in planned if fault.connection in (None, number)]
        async with client:
            await _Relay(client, due, segment_bytes, proxy._closed).run(host, port)  # noqa: SLF001

    with bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, relay, [listener]))
            yield proxy
            nursery.cancel_scope.cancel()


class _Relay:
    """One connection.

    Args:
        client: the client's end, which the caller closes.
        faults: what befalls this connection.
        segment_bytes: the most that is sent to the client at once.
        on_close: called once the client has no connection any more.
    """

    def __init__(
        self,
        client: trio.SocketStream,
        faults: Sequence[NetworkFault],
        segment_bytes: int | None,
        on_close: Callable[[], None],
    ) -> None:
        self._client = client
        self._faults = faults
        self._segment_bytes = segment_bytes
        self._on_close = on_close
        self._client_left = False
        self._hangs = False
        self._chunk = 0

    async def run(self, host: str, port: int) -> None:
        """Relay until the client or the server closes its end, or a fault ends the connection."""
        try:
            async with trio.open_nursery() as nursery:
                # Without bound: the client's end is watched even where what it sends goes nowhere.
                send, receive = trio.open_memory_channel[bytes](math.inf)
                with send, receive, suppress(OSError, trio.BrokenResourceError):
                    nursery.start_soon(self._read_client, send.clone(), nursery.cancel_scope)
                    if await self._play(Part.CONNECTION, b"", self._send_to_client):
                        async with await trio.open_tcp_stream(host, port) as server:
                            nursery.start_soon(self._send_requests, receive.clone(), server, nursery.cancel_scope)
                            await self._send_responses(server)
                nursery.cancel_scope.cancel()
        finally:
            self._left()

    def _left(self) -> None:
        if not self._client_left:
            self._client_left = True
            self._on_close()

    async def _read_client(self, send: trio.MemorySendChannel[bytes], relay: trio.CancelScope) -> None:
        with send, suppress(trio.BrokenResourceError):
            async for data in self._client:
                send.send_nowait(bytes(data))
        self._left()
        if not self._hangs:
            relay.cancel()

    async def _send_requests(
        self, receive: trio.MemoryReceiveChannel[bytes], server: trio.SocketStream, relay: trio.CancelScope
    ) -> None:
        with receive, suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            goes_on = await self._play(Part.REQUEST, await receive.receive(), server.send_all)
            while goes_on:
                await server.send_all(await receive.receive())
            relay.cancel()

    async def _send_responses(self, server: trio.SocketStream) -> None:
        cutter = ResponseCutter()
        async for data in server:
            if not await self._play_all(cutter.feed(bytes(data))):
                return
        await self._play_all(cutter.close())

    async def _play_all(self, parts: Iterable[tuple[Part, bytes]]) -> bool:
        for part, data in parts:
            self._chunk = 0 if part is Part.HEAD else self._chunk + (part is Part.CHUNK)
            if not await self._play(part, data, self._send_to_client):
                return False
        return True

    async def _play(self, part: Part, data: bytes, send: Callable[[bytes], Awaitable[None]]) -> bool:
        """Send `data` on, with the faults that are due; whether the connection goes on after it."""
        here = (part, self._chunk if part is Part.CHUNK else None)
        for step in struck_part(data, [fault for fault in self._faults if (fault.part, fault.chunk) == here]):
            match step:
                case bytes():
                    await send(step)
                case Wait(seconds):
                    await trio.sleep(seconds)
                case Hang():
                    self._hangs = True
                    await trio.sleep_forever()
                case Break():
                    self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                    return False
                case CutOff():
                    return False
        return True

    async def _send_to_client(self, data: bytes) -> None:
        step = self._segment_bytes or len(data)
        for start in range(0, len(data), step):
            if self._hangs:
                await trio.sleep_forever()
            await self._client.send_all(data[start : start + step])
