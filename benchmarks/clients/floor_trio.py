"""The same for Trio: a socket, HTTP's chunks taken apart by hand, and orjson. A new connection for each request."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import orjson
import trio

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PATHS, request_body, text_of

__all__ = ["open_reader"]

READ_BYTES = 64 * 1024


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """No client: only what all streams share."""
    url = urlsplit(target.url)
    assert url.hostname is not None
    host, port = url.hostname, url.port
    assert port is not None
    tls = ssl.create_default_context() if url.scheme == "https" else None

    async def read(model: str, on_text: Callable[[str], None]) -> None:
        plain = await trio.open_tcp_stream(host, port)
        stream: trio.abc.Stream = plain if tls is None else trio.SSLStream(plain, tls, server_hostname=host)
        try:
            body = orjson.dumps(request_body(target.wire, model))
            head = f"POST {PATHS[target.wire]} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            await stream.send_all(head.encode() + body)
            rest = b""
            unread = bytearray()
            while b"\r\n\r\n" not in unread:
                unread += await stream.receive_some(READ_BYTES)
            del unread[: unread.index(b"\r\n\r\n") + 4]
            while True:
                data, ended = take_chunks(unread)
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    if line.startswith(b"data: {") and (text := text_of(target.wire, orjson.loads(line[6:]))):
                        on_text(text)
                if ended:
                    return
                unread += await stream.receive_some(READ_BYTES)
        finally:
            await trio.aclose_forcefully(stream)

    yield read


def take_chunks(unread: bytearray) -> tuple[bytes, bool]:
    """The content of all chunks that are complete, taken out of `unread`; and whether the body has ended."""
    taken: list[bytes] = []
    position = 0
    while (line_end := unread.find(b"\r\n", position)) >= 0:
        size = int(unread[position:line_end], 16)
        start = line_end + 2
        if len(unread) < start + size + 2:
            break
        if not size:
            return b"".join(taken), True
        taken.append(bytes(unread[start : start + size]))
        position = start + size + 2
    del unread[:position]
    return b"".join(taken), False
