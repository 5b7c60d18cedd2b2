"""The last actor: from the pipeline to the user, each chunk with the patience of its delivery class."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

import trio

from gestura._actors.statistics import ActorStatistics, Counts
from gestura.chunks import StreamChunk
from gestura.delivery import PATIENCE
from gestura.stages.deltas import CONTROL_CLASSES, Control, Piece

__all__ = ["Outlet", "forward"]


class Outlet:
    """The user's end of a stream, as senders see it: waits for room, drops what may be dropped, keeps the order."""

    def __init__(self, channel: trio.MemorySendChannel[StreamChunk], counts: Counts) -> None:
        self._channel = channel
        self._counts = counts
        self.on_wait: Callable[[bool], None] = lambda _waiting: None
        """Called with true before waiting for room without end, and with false after it."""

    async def send(self, chunk: StreamChunk) -> None:
        """Deliver `chunk` by its class. No checkpoint where there is room: what room there is is bounded.

        Raises:
            trio.BrokenResourceError: the user has gone.
        """
        try:
            self._channel.send_nowait(chunk)
            return
        except trio.WouldBlock:
            patience = PATIENCE[chunk.delivery]
        if patience == math.inf:
            self.on_wait(True)
            try:
                await self._channel.send(chunk)
            finally:
                self.on_wait(False)
            return
        if patience > 0:
            with trio.move_on_after(patience):
                await self._channel.send(chunk)
                return
        self._counts.dropped[type(chunk).__name__] += 1

    @property
    def deepest_queue(self) -> int:
        """The most chunks that waited for the user at one time."""
        return self._channel.statistics().peak_buffer_used

    def close(self) -> None:
        """Nothing more comes."""
        self._channel.close()


async def forward(
    receive: trio.MemoryReceiveChannel[Sequence[Piece]],
    outlet: Outlet,
    *,
    statistics: ActorStatistics,
    on_control: Callable[[Control], Awaitable[bool]],
) -> None:
    """Send chunks out and hand the rest to `on_control`, until the input ends or `on_control` says it is enough.

    Args:
        receive: this actor's inbox, closed at the end.
        outlet: where chunks go.
        statistics: counts to keep.
        on_control: called with what is told by the ending, in its place between the chunks, so that it may send one of
            its own; true means that the answer is complete.
    """
    with receive:
        try:
            async for batch in receive:
                statistics.batches += 1
                for piece in batch:
                    if isinstance(piece, CONTROL_CLASSES):
                        if await on_control(piece):
                            return
                    else:
                        statistics.items += 1
                        await outlet.send(piece)
        except trio.BrokenResourceError:
            return  # the user has gone
        finally:
            statistics.deepest_queue = receive.statistics().peak_buffer_used
