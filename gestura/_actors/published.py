"""A stream that is published: a channel that leads to its reader and into a publication, and their one ending."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

import trio

from gestura._actors.forwarder import Way
from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, StreamChunk
from gestura.conversation import Request
from gestura.delivery import PATIENCE
from gestura.errors import ConfigError
from gestura.publishing import Publisher, Publishing

__all__ = ["PublishedWay", "publishing", "serve", "way_of"]


class Server(Protocol):
    """What makes the chunks of a stream, and leaves its ending."""

    ending: Ending | None

    def serve(self) -> Awaitable[None]:
        """Send the chunks out, and leave the ending."""


class PublishedWay:
    """As `gestura._actors.forwarder.Way`: what the reader gets is published right behind it.

    The outlet sends one chunk at a time, in their order, and the publication's room only grows meanwhile; so room that
    was found is still there when the reader has taken the chunk.

    Args:
        channel: to the reader.
        publication: to everybody else.
    """

    def __init__(self, channel: trio.MemorySendChannel[StreamChunk], publication: Publishing) -> None:
        self._channel = channel
        self._publication = publication

    def send_nowait(self, chunk: StreamChunk) -> None:
        if not self._publication.has_room() and PATIENCE[chunk.delivery] == math.inf:
            raise trio.WouldBlock
        self._channel.send_nowait(chunk)
        self._publication.offer(chunk)

    async def send(self, chunk: StreamChunk) -> None:
        if PATIENCE[chunk.delivery] == math.inf:
            await self._publication.wait_for_room()
        await self._channel.send(chunk)
        self._publication.offer(chunk)

    def statistics(self) -> trio.MemoryChannelStatistics:
        return self._channel.statistics()

    def close(self) -> None:
        """Nothing yet: the reader is told of the end when it is published."""

    async def end(self, server: Server) -> None:
        """Publish the ending of a stream that was served, and let the reader have the one that was published."""
        with self._channel:
            server.ending = await self._publication.end(server.ending)


def way_of(channel: trio.MemorySendChannel[StreamChunk], publication: Publishing | None) -> Way:
    """The way of the chunks of a stream that is published, or is not."""
    return channel if publication is None else PublishedWay(channel, publication)


async def serve(server: Server, way: Way) -> None:
    """Serve a stream whose chunks go that way."""
    await server.serve()
    if isinstance(way, PublishedWay):
        await way.end(server)


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
        return nullcontext()
    return publisher.begin(stream_id, request=request, provider=provider, model=model, token=token)
