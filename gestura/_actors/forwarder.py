"""The last actor: from the pipeline to the user, each chunk with the patience of its delivery class."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from typing import Protocol

import trio

from gestura._actors.groups import bare_errors
from gestura._actors.inbox import InboxReceiver
from gestura._actors.statistics import ActorStatistics, Counts
from gestura.chunks import StreamChunk
from gestura.delivery import PATIENCE
from gestura.errors import InternalError
from gestura.stages.deltas import CONTROL_CLASSES, Control, Piece

__all__ = ["OnWait", "Outlet", "Sink", "Way", "forward", "unheeded"]

OnWait = Callable[[bool], None]


def unheeded(_waiting: bool) -> None:
    """For senders to whom it does not matter how long the user takes."""


class Sink(Protocol):
    """Where chunks go."""

    def send_nowait(self, chunk: StreamChunk) -> None:
        """Deliver `chunk` if there is room.

        Raises:
            trio.WouldBlock: there is none; `send` waits for some, or gives the chunk up.
            trio.BrokenResourceError: the user has gone.
        """

    async def send(self, chunk: StreamChunk, on_wait: OnWait = unheeded) -> None:
        """Deliver `chunk` by its class; `on_wait` hears of waits without end.

        Raises:
            trio.BrokenResourceError: the user has gone.
        """

    def announce(self, chunk: StreamChunk) -> None:
        """Deliver `chunk` by its class without waiting for that here."""

    async def wait_caught_up(self) -> None:
        """Until no chunk waits for the user."""


class Way(Protocol):
    """The channel to the user, or one that leads elsewhere, too: what an outlet needs of `trio.MemorySendChannel`."""

    def send_nowait(self, chunk: StreamChunk, /) -> None:
        """Send, if there is room."""

    async def send(self, chunk: StreamChunk, /) -> None:
        """Wait for room, and send."""

    def statistics(self) -> trio.MemoryChannelStatistics:
        """How full it is."""

    def close(self) -> None:
        """Nothing more comes."""


class Outlet:
    """The user's end of a stream, as senders see it: waits for room, drops what may be dropped, keeps the order.

    Args:
        channel: leads to the user.
        counts: what is dropped is counted here.
    """

    def __init__(self, channel: Way, counts: Counts) -> None:
        self._channel = channel
        self._counts = counts
        self._nursery: trio.Nursery | None = None
        self._line: list[trio.Event] = []
        """Who waits for room, in the order in which they came; each is told when it is the first."""
        self._waiting_for_user = trio.lowlevel.ParkingLot()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """While the block runs, announcements may be made; after it all are delivered, and nothing more comes."""
        with closing(self._channel), bare_errors():
            async with trio.open_nursery() as self._nursery:
                yield

    def send_nowait(self, chunk: StreamChunk) -> None:
        if self._line:
            raise trio.WouldBlock
        self._channel.send_nowait(chunk)

    async def send(self, chunk: StreamChunk, on_wait: OnWait = unheeded) -> None:
        """Deliver `chunk` by its class. No checkpoint where there is room: what room there is is bounded.

        Args:
            chunk: what to deliver.
            on_wait: called with true before waiting for room without end, and with false after it.

        Raises:
            trio.BrokenResourceError: the user has gone.
            trio.ClosedResourceError: the stream has ended.
        """
        try:
            self.send_nowait(chunk)
            return
        except trio.WouldBlock:
            pass
        endless = PATIENCE[chunk.delivery] == math.inf
        if endless:
            on_wait(True)
        try:
            await self._send_in_turn(chunk, self._line_up())
        finally:
            if endless:
                on_wait(False)

    def announce(self, chunk: StreamChunk) -> None:
        if self._nursery is None:
            raise InternalError("an announcement was made before the outlet was open")
        try:
            self.send_nowait(chunk)
        except trio.BrokenResourceError:
            pass  # the user has gone
        except trio.WouldBlock:
            # Its place is taken now, for tasks that are started together may begin in any order.
            self._nursery.start_soon(self._send_announced, chunk, self._line_up())

    async def _send_announced(self, chunk: StreamChunk, turn: trio.Event) -> None:
        with suppress(trio.BrokenResourceError):  # the user has gone
            await self._send_in_turn(chunk, turn)

    def _line_up(self) -> trio.Event:
        turn = trio.Event()
        self._line.append(turn)
        self._line[0].set()
        return turn

    async def _send_in_turn(self, chunk: StreamChunk, turn: trio.Event) -> None:
        """Send within the patience of its class, once it is its turn; give it up, and count it, when that is over."""
        try:
            if patience := PATIENCE[chunk.delivery]:
                with trio.move_on_after(patience):
                    if not turn.is_set():
                        await turn.wait()
                    await self._send(chunk)
                    return
            self._counts.dropped[type(chunk).__name__] += 1
        finally:
            self._line.remove(turn)
            if self._line:
                self._line[0].set()

    async def _send(self, chunk: StreamChunk) -> None:
        """Wait for room for a chunk whose turn it is."""
        await self._channel.send(chunk)

    async def wait_caught_up(self) -> None:
        while self._line or self._channel.statistics().current_buffer_used:
            await self._waiting_for_user.park()

    def caught_up(self) -> None:
        """The user has taken every chunk, and waits for more."""
        if self._waiting_for_user:
            self._waiting_for_user.unpark_all()

    @property
    def deepest_queue(self) -> int:
        """The most chunks that waited for the user at one time."""
        return self._channel.statistics().peak_buffer_used


async def forward(
    receive: InboxReceiver[Sequence[Piece]],
    sink: Sink,
    *,
    statistics: ActorStatistics,
    on_wait: OnWait,
    on_chunk: Callable[[StreamChunk], None],
    on_control: Callable[[Control], StreamChunk | None],
    is_complete: Callable[[], bool],
) -> None:
    """Send chunks out and hand the rest to `on_control`, until the input ends or the answer is complete.

    Args:
        receive: this actor's inbox, closed at the end.
        sink: where chunks go.
        statistics: counts to keep.
        on_wait: called with true before waiting for the user without end, and with false after it.
        on_chunk: called with each chunk that was delivered, or given up.
        on_control: called with what is told by the ending, in its place between the chunks; may give a chunk to send.
        is_complete: whether `on_control` has been told the end of the answer; what comes after it is left.
    """

    def delivered(chunk: StreamChunk) -> None:
        statistics.items += 1
        on_chunk(chunk)

    def take(batch: Sequence[Piece]) -> None:
        for position, piece in enumerate(batch):
            chunk = on_control(piece) if isinstance(piece, CONTROL_CLASSES) else piece
            if chunk is not None:
                try:
                    sink.send_nowait(chunk)
                except trio.WouldBlock:
                    receive.put_back([chunk, *batch[position + 1 :]])
                    return
                delivered(chunk)
            elif is_complete():
                receive.close()
                break
        statistics.batches += 1

    with receive:
        try:
            receive.hand_over_to(take)
            async for batch in receive:
                statistics.batches += 1
                for piece in batch:
                    chunk = on_control(piece) if isinstance(piece, CONTROL_CLASSES) else piece
                    if chunk is not None:
                        await sink.send(chunk, on_wait)
                        delivered(chunk)
                    elif is_complete():
                        return
        except trio.BrokenResourceError:
            return  # the user has gone
        finally:
            statistics.deepest_queue = receive.deepest_queue
