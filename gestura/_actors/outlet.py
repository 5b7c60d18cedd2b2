"""The user's end of a stream, as senders see it: room is waited for, what may be dropped is, the order is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import trio

from gestura._actors.statistics import Counts
from gestura.chunks import StreamChunk
from gestura.delivery import PATIENCE
from gestura.errors import InternalError

__all__ = ["OnWait", "Outlet", "Sink", "Way", "unheeded"]

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
    """The user's inbox, or one that leads elsewhere, too: what an outlet needs of `gestura._actors.inbox.Inbox`."""

    @property
    def deepest_queue(self) -> int:
        """The most chunks that waited at one time."""

    def send_nowait(self, chunk: StreamChunk, /) -> None:
        """Send, if there is room."""

    async def send(self, chunk: StreamChunk, /) -> None:
        """Wait for room, and send."""

    async def wait_idle(self) -> None:
        """Until the user has taken all and waits for more, or has gone."""

    def end(self) -> None:
        """Nothing more comes."""


class Outlet:
    """The user's end of a stream, as senders see it: waits for room, drops what may be dropped, keeps the order.

    Args:
        way: leads to the user.
        counts: what is dropped is counted here.
    """

    def __init__(self, way: Way, counts: Counts) -> None:
        self._way = way
        self._counts = counts
        self._nursery: trio.Nursery | None = None
        self._line: tuple[trio.Event, ...] = ()
        """Who waits for room, in the order in which they came; each is told when it is the first."""
        self._announced = 0
        """How many announcements wait for room."""
        self._failure: Exception | None = None
        """What went wrong with one."""

    def open(self, nursery: trio.Nursery) -> None:
        """Let announcements be made. Those that have to wait do so in `nursery`."""
        self._nursery = nursery

    async def drain(self) -> None:
        """Until all that was announced is delivered. A checkpoint only where some of it waits for room.

        Raises:
            whatever went wrong with an announcement.
        """
        if self._announced:
            turn = self._line_up()
            try:
                await turn.wait()
            finally:
                self._leave_line(turn)
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Nothing more comes."""
        self._way.end()

    def send_nowait(self, chunk: StreamChunk) -> None:
        if self._line:
            raise trio.WouldBlock
        self._way.send_nowait(chunk)

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
            self._announced += 1
            self._nursery.start_soon(self._send_announced, chunk, self._line_up())

    async def _send_announced(self, chunk: StreamChunk, turn: trio.Event) -> None:
        try:
            await self._send_in_turn(chunk, turn)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the user has gone, or the stream has failed
        except Exception as error:  # noqa: BLE001  # a bug must not take the user's own task with it
            self._failure = error
        finally:
            self._announced -= 1

    def _line_up(self) -> trio.Event:
        turn = trio.Event()
        self._line += (turn,)
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
            self._counts.note_drop(type(chunk).__name__)
        finally:
            self._leave_line(turn)

    def _leave_line(self, turn: trio.Event) -> None:
        self._line = tuple(each for each in self._line if each is not turn)
        if self._line:
            self._line[0].set()

    async def _send(self, chunk: StreamChunk) -> None:
        """Wait for room for a chunk whose turn it is."""
        await self._way.send(chunk)

    async def wait_caught_up(self) -> None:
        await self._way.wait_idle()

    @property
    def deepest_queue(self) -> int:
        """The most chunks that waited for the user at one time."""
        return self._way.deepest_queue
