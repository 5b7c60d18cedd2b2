"""Hedging: runs that start one after another until one has something to say; the first that does wins.

Each run has a sink of its own. The first content that reaches one claims the race: the other runs are cancelled, which
closes their sockets, and nothing of theirs is ever seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import trio

from gestura._actors.groups import bare_errors
from gestura._actors.outlet import OnWait, Sink, unheeded
from gestura.chunks import ProviderEvent, RetryAttempt, Status, StreamChunk, TokenUsageUpdate
from gestura.errors import LimitExceeded
from gestura.limits import utf8_size

__all__ = ["RaceSink", "race"]

_NEWS = (Status, TokenUsageUpdate, RetryAttempt, ProviderEvent)
"""Chunks that say nothing of the answer, and so win no race."""


EVENT_BYTES = 256
"""What an event takes beside its characters, so that many small ones count, too."""


class _Race:
    def __init__(self) -> None:
        self.winner: RaceSink | None = None
        self.changed = trio.Event()

    def change(self) -> None:
        """Wake whoever waits for the race to change."""
        self.changed.set()
        self.changed = trio.Event()


class RaceSink:
    """Where a run of a race puts its chunks: nowhere until it wins, then where the user is.

    Args:
        race: the race.
        sink: where the user is.
        max_held_bytes: how many bytes of raw events may be held back; more raise `LimitExceeded`.
    """

    def __init__(self, race: _Race, sink: Sink, max_held_bytes: int) -> None:
        self._race = race
        self._sink = sink
        self._max_held_bytes = max_held_bytes
        self._held: deque[ProviderEvent] = deque()
        self._held_bytes = 0
        self.scope = trio.CancelScope()
        self.over = False

    def send_nowait(self, chunk: StreamChunk) -> None:
        if self._is_heard(chunk):
            while self._held:
                self._sink.send_nowait(self._held[0])
                self._held.popleft()
            self._sink.send_nowait(chunk)

    async def send(self, chunk: StreamChunk, on_wait: OnWait = unheeded) -> None:
        if self._is_heard(chunk):
            while self._held:
                await self._sink.send(self._held.popleft(), on_wait)
            await self._sink.send(chunk, on_wait)

    def _is_heard(self, chunk: StreamChunk) -> bool:
        """Whether `chunk` goes to the user; the first one with content does, and claims the race."""
        if self._race.winner is None and not isinstance(chunk, _NEWS):
            self._race.winner = self
            self._race.change()
        if self._race.winner is None and isinstance(chunk, ProviderEvent):
            self._hold(chunk)
        return self._race.winner is self

    def _hold(self, event: ProviderEvent) -> None:
        """Keep an event that comes before the content that may win with it."""
        self._held_bytes += EVENT_BYTES + utf8_size(event.event) + utf8_size(event.data)
        if self._held_bytes > self._max_held_bytes:
            raise LimitExceeded("what came before the first content", "max_answer_bytes", self._max_held_bytes)
        self._held.append(event)

    def announce(self, chunk: StreamChunk) -> None:
        if self._race.winner is self:
            self._sink.announce(chunk)

    async def wait_caught_up(self) -> None:
        if self._race.winner is self:
            await self._sink.wait_caught_up()


async def race(
    runs: Sequence[Callable[[Sink], Awaitable[bool]]], sink: Sink, hedge_after: float, max_held_bytes: int
) -> int | None:
    """Start `runs` in turn: the next when the one before has failed, or has said nothing for `hedge_after` seconds.

    Args:
        runs: each given its sink; returns whether the next one should be tried.
        sink: where the winner's chunks go.
        hedge_after: seconds.
        max_held_bytes: how many bytes of raw events each run may hold back; it fails with more.

    Returns:
        Which run decided the race, by its position: the one that spoke first, or the one that returned false. `None`
        where all have failed without a word.
    """
    contest = _Race()
    legs: list[RaceSink] = []
    decided: list[int] = []

    async def run_leg(position: int, leg: RaceSink) -> None:
        with leg.scope:
            if not await runs[position](leg):
                decided.append(position)
        leg.over = True
        contest.change()

    def settled() -> bool:
        return contest.winner is not None or bool(decided)

    with bare_errors():
        async with trio.open_nursery() as nursery:
            for position in range(len(runs)):
                legs.append(RaceSink(contest, sink, max_held_bytes))
                nursery.start_soon(run_leg, position, legs[-1])
                with trio.move_on_after(hedge_after):
                    while not (settled() or legs[-1].over):
                        await contest.changed.wait()
                if settled():
                    break
            while not (settled() or all(leg.over for leg in legs)):
                await contest.changed.wait()
            first = legs.index(contest.winner) if contest.winner else decided[0] if decided else None
            for position, leg in enumerate(legs):
                if position != first:
                    leg.scope.cancel()
    return first
