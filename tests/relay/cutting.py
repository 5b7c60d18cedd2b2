"""A proxy before a Redis server that cuts connections, each after so many bytes or all at once, or falls silent."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

__all__ = ["Cut", "CuttingProxy", "open_cutting_proxy"]

RESET = struct.pack("ii", 1, 0)  # closing such a socket sends RST (socket(7))


@attrs.frozen
class Cut:
    """A connection breaks when so many bytes of what the client says, or the server, have come through."""

    says: str
    after: int


class CuttingProxy:
    """A running proxy: `cut` breaks all connections, and while it is `silent` nothing comes through."""

    def __init__(self, port: int, cuts: Iterable[Cut]) -> None:
        self.url = ""
        self.connections = 0
        self._port = port
        self._cuts = iter(cuts)
        self._scopes: set[trio.CancelScope] = set()
        self._open = trio.Event()
        self._open.set()

    def cut(self) -> None:
        for scope in self._scopes:
            scope.cancel()

    def fall_silent(self) -> None:
        self._open = trio.Event()

    def speak(self) -> None:
        self._open.set()

    async def serve(self, client: trio.SocketStream) -> None:
        self.connections += 1
        cut = next(self._cuts, None)
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self._port)
        except OSError:
            await client.aclose()
            return
        async with client, server, trio.open_nursery() as nursery:
            self._scopes.add(nursery.cancel_scope)
            for says, source, sink in (("client", client, server), ("server", server, client)):
                most = cut.after if cut and cut.says == says else None
                nursery.start_soon(self._pass_on, source, sink, most, nursery.cancel_scope)
        self._scopes.discard(nursery.cancel_scope)

    async def _pass_on(
        self, source: trio.SocketStream, sink: trio.SocketStream, most: int | None, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some():
                await self._open.wait()
                await sink.send_all(data if most is None else data[:most])
                if most is not None and (most := most - len(data)) <= 0:
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        for stream in (source, sink):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        scope.cancel()


@asynccontextmanager
async def open_cutting_proxy(port: int, cuts: Iterable[Cut] = ()) -> AsyncIterator[CuttingProxy]:
    """A proxy before the server at `port`.

    Args:
        port: on loopback.
        cuts: what befalls the first connection, the second, …; those that come later are not cut.
    """
    proxy = CuttingProxy(port, cuts)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, proxy.serve, 0, host="127.0.0.1"))
        proxy.url = f"redis://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield proxy
        nursery.cancel_scope.cancel()
