"""`ChunkStream`: what the user holds of a stream.

Chunks come through one bounded inbox; the ending does not, so that a full inbox never holds it up, and it is given
exactly once, after the last chunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, get_args

import trio

from gestura._actors.inbox import Inbox
from gestura._actors.interrupt import Interrupt
from gestura._actors.outlet import Outlet
from gestura._actors.statistics import StreamStatistics
from gestura.answer import Answer, Transcript
from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, StreamChunk
from gestura.messages import Message

if TYPE_CHECKING:
    from gestura.object_stream import ObjectStream

__all__ = ["CHUNKS_TO_THE_USER", "ChunkStream"]

T = TypeVar("T")

CHUNKS_TO_THE_USER = 256
"""Chunks that may wait for the user. When as many do, the pipeline stops reading from the socket."""

_ENDINGS = get_args(Ending)


class Source(Protocol):
    """What makes the chunks of a stream, and knows how it ended."""

    @property
    def ending(self) -> Ending | None:
        """The last chunk, once it is known; the outlet is closed then."""

    @property
    def outlet(self) -> Outlet:
        """Where chunks go in."""

    @property
    def interrupt(self) -> Interrupt:
        """What ends the stream before its time."""

    def statistics(self) -> StreamStatistics:
        """What the stream did so far, or in the end."""


class ChunkStream:
    """An asynchronous iterator of chunks; the last one is an `Ending`, and iteration stops after it.

    Iterating never raises for a failed answer. One task at a time may iterate.
    """

    def __init__(self, inbox: Inbox[StreamChunk], source: Source, *, stream_id: str | None = None) -> None:
        self._stream_id = stream_id
        self._inbox = inbox
        self._source = source
        self._ending: Ending | None = None
        self._is_waited_for = False

    def __aiter__(self) -> ChunkStream:
        return self

    async def __anext__(self) -> StreamChunk:
        """The next chunk. A checkpoint, unless chunks are waiting (at most 256 in a row).

        Raises:
            trio.ClosedResourceError: the `async with` block of the stream has been left.
            trio.BusyResourceError: another task is waiting for the next chunk.
        """
        if self._is_waited_for:
            raise trio.BusyResourceError("another task iterates over this stream: only one at a time may")
        inbox = self._inbox
        while inbox.is_open():
            if not inbox.is_empty():
                return inbox.pop()
            self._is_waited_for = True
            try:
                await inbox.wait()
            finally:
                self._is_waited_for = False
        return await self._end()

    async def _end(self) -> StreamChunk:
        if self._inbox.is_closed:
            raise trio.ClosedResourceError("the stream is closed: its `async with` block was left")
        await trio.lowlevel.checkpoint()
        if self._ending is not None or self._source.ending is None:
            raise StopAsyncIteration
        self._ending = self._source.ending
        return self._ending

    @property
    def ending(self) -> Ending | None:
        """The last chunk, once it has been received."""
        return self._ending

    @property
    def stream_id(self) -> str | None:
        """The name under which the stream is published; `None` where it is not."""
        return self._stream_id

    @property
    def token(self) -> CancellationToken:
        """What cancels or pauses the stream: the token it was asked for with, or else one of its own.

        A stream that is published has one of its own, which follows the one it was asked for with.
        """
        return self._source.interrupt.token

    async def emit(self, chunk: StreamChunk) -> None:
        """Put a chunk of your own into this stream, behind those that wait, delivered by its class.

        For agents that show their work in the stream of the answer. Where there is no room a lossless chunk waits
        for the task that iterates, so emit from another one, or with chunks of a class that may be dropped.

        Raises:
            ValueError: the chunk is an ending; streams end by themselves.
            trio.ClosedResourceError: the stream has ended.
            trio.BrokenResourceError: the `async with` block of the stream has been left.
        """
        if isinstance(chunk, _ENDINGS):
            raise ValueError(f"{type(chunk).__name__} ends a stream; only the stream itself can")  # noqa: TRY004
        await self._source.outlet.send(chunk)

    async def collect(self) -> Answer:
        """The rest of the stream as one answer.

        Raises:
            StreamFailed: the stream ended otherwise than with `Done`.
        """
        transcript = Transcript()
        async for chunk in self:
            transcript.add(chunk)
        return transcript.answer(self._ending)

    def objects(self, type_: type[T], *, begun: Message | None = None) -> ObjectStream[T]:
        """The rest of the stream as one object that grows, for streams that were asked for with a `response_format`.

        Args:
            type_: the class that was the format; `dict[str, Any]` where that was a JSON Schema.
            begun: what an earlier stream had shown, where this one resumes it: `Paused.partial`.
        """
        from gestura.object_stream import ObjectStream  # here, for most answers are text

        return ObjectStream(self, type_, begun=begun)

    def statistics(self) -> StreamStatistics:
        """What the stream did so far, or in the end."""
        return self._source.statistics()
