"""A stream that is served, to its reader and, where it is published, to everybody else: with one ending."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, Protocol

import trio

from gestura._actors.inbox import Inbox
from gestura._actors.outlet import Outlet, Way
from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, StreamChunk
from gestura.conversation import Request
from gestura.delivery import PATIENCE
from gestura.errors import ConfigError
from gestura.publishing import Publisher, Publishing

__all__ = ["PublishedWay", "publishing", "start_serving", "way_of"]

_NOBODY: Final = nullcontext()


class Server(Protocol):
    """What makes the chunks of a stream, and leaves its ending."""

    ending: Ending | None

    @property
    def outlet(self) -> Outlet:
        """Where the chunks go in."""

    def serve(self) -> Awaitable[None]:
        """Send the chunks out, close the outlet, and leave the ending."""


class PublishedWay:
    """As `gestura._actors.outlet.Way`: what the reader gets is published right behind it.

    The outlet sends one chunk at a time, in their order, and the publication's room only grows meanwhile; so room that
    was found is still there when the reader has taken the chunk.

    Args:
        inbox: the reader's.
        publication: to everybody else.
    """

    def __init__(self, inbox: Inbox[StreamChunk], publication: Publishing) -> None:
        self._inbox = inbox
        self._publication = publication

    def send_nowait(self, chunk: StreamChunk) -> None:
        if not self._publication.has_room() and PATIENCE[chunk.delivery] == math.inf:
            raise trio.WouldBlock
        self._inbox.send_nowait(chunk)
        self._publication.offer(chunk)

    async def send(self, chunk: StreamChunk) -> None:
        if PATIENCE[chunk.delivery] == math.inf:
            await self._publication.wait_for_room()
        await self._inbox.send(chunk)
        self._publication.offer(chunk)

    @property
    def deepest_queue(self) -> int:
        return self._inbox.deepest_queue

    async def wait_idle(self) -> None:
        await self._inbox.wait_idle()

    def end(self) -> None:
        """Nothing yet: the reader is told of the end when it is published."""

    async def serve(self, server: Server) -> None:
        """Serve a stream, publish its ending, and let the reader have the one that was published."""
        try:
            await server.serve()
            server.ending = await self._publication.end(server.ending)
        finally:
            self._inbox.end()


def way_of(inbox: Inbox[StreamChunk], publication: Publishing | None) -> Way:
    """The way of the chunks of a stream that is published, or is not."""
    return inbox if publication is None else PublishedWay(inbox, publication)


def start_serving(server: Server, way: Way, nursery: trio.Nursery) -> None:
    """Serve a stream whose chunks go that way, in a nursery of its own."""
    server.outlet.open(nursery)
    if isinstance(way, PublishedWay):
        nursery.start_soon(way.serve, server)
    else:
        nursery.start_soon(server.serve)


def publishing(
    publisher: Publisher | None,
    stream_id: str | None,
    *,
    request: Request,
    provider: str,
    model: str | None,
    token: CancellationToken | None,
) -> AbstractAsyncContextManager[Publishing | None]:
    """The publication of a stream, for the length of the block; `None` where nobody publishes it.

    Raises:
        ConfigError: the stream has a name, and is not published.
    """
    if publisher is None:
        if stream_id is not None:
            raise ConfigError("stream_id: the name of a stream that is published; give publish=, too")
        return _NOBODY
    return publisher.begin(stream_id, request=request, provider=provider, model=model, token=token)
