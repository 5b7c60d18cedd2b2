"""Loopback servers that do to a connection what no HTTP library would: cut anywhere, stop, reset, count.

A server is an async function of a `Peer`, called for each connection; what it leaves open is closed when it returns.
A client that goes away ends it quietly.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import trio

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For the official clients, which speak plain HTTP here: to read the machine's authorities takes each 30 ms."""

ABSOLUTE_TIMEOUT = 20
"""Seconds of real time after which a test with a server fails, whatever it waits for."""


@attrs.frozen
class Received:
    """A request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """One connection, seen from the server."""

    def __init__(self, raw: trio.SocketStream, stream: trio.abc.Stream, number: int) -> None:
        self.number = number
        """Which connection to this server it is, from 1."""
        self.sent = 0
        self._raw = raw
        self._stream = stream
        self._buffer = b""

    async def read_request(self) -> Received:
        """The next request; raises `trio.BrokenResourceError` if the client has gone."""
        while b"\r\n\r\n" not in self._buffer:
            await self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        line, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            await self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Received(line, headers, body)

    async def _more(self) -> None:
        data = await self._stream.receive_some(65536)
        if not data:
            raise trio.BrokenResourceError
        self._buffer += data

    async def send(self, *parts: bytes) -> None:
        """Send each part by itself, so that the client may see it by itself."""
        for part in parts:
            await self._stream.send_all(part)
            self.sent += len(part)
            await trio.lowlevel.checkpoint()

    async def answer(self, body: bytes = b"ok", status: str = "200 OK", **headers: str) -> None:
        """A whole response, after which the connection can be used again."""
        headers |= {"Content-Length": str(len(body))}
        await self.send(head(status, **headers) + body)

    def reset(self) -> None:
        """Close with RST: what a crashed server or an impatient firewall does."""
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._raw.socket.close()

    async def wait_gone(self) -> None:
        """Until the client has closed its end, or reset it."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await self._stream.receive_some(65536):
                pass


def head(status: str = "200 OK", **headers: str) -> bytes:
    """The head of a response; underscores in the names of headers stand for hyphens."""
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode()


CHUNKED_HEAD = head(Content_Type="text/event-stream", Transfer_Encoding="chunked")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; the empty one ends it (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(pieces: Iterable[bytes]) -> bytes:
    """A complete chunked body."""
    return b"".join(map(chunk, filter(None, pieces))) + chunk(b"")


@attrs.define
class Server:
    """A running server: where it is, and how many connections it has had."""

    url: str
    port: int
    connections: int = 0


@asynccontextmanager
async def serve(
    behave: Callable[[Peer], Awaitable[None]], *, tls: ssl.SSLContext | None = None, send_buffer: int | None = None
) -> AsyncIterator[Server]:
    """Run a server on a free loopback port for the length of the block.

    Args:
        behave: what to do with each connection.
        tls: speak TLS.
        send_buffer: how many bytes the kernel may hold for a client that does not read.
    """

    async def connected(raw: trio.SocketStream) -> None:
        server.connections += 1
        if send_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        stream = raw if tls is None else trio.SSLStream(raw, tls, server_side=True, https_compatible=True)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async with raw:
                await behave(Peer(raw, stream, server.connections))

    with trio.fail_after(ABSOLUTE_TIMEOUT):
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, connected, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            server = Server(f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/v1", port)
            yield server
            nursery.cancel_scope.cancel()
