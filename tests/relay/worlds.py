"""What the tests of the relay share: one log, and any number of relays on it, each as if it were a process of its own.

A test is a coroutine that takes a `World`. Over memory it runs in virtual time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, get_args

import attrs
import trio
from trio.testing import MockClock

from gestura.chunks import Ending, StreamChunk, Text
from gestura.relay import Following, Position, Relay, RelaySettings, open_relay
from gestura.relay.entries import from_entry, join
from gestura.relay.log import START, Log, LogUnreachable
from gestura.relay.memory import MemoryLog, MemoryQueue
from gestura.relay.work import WorkQueue

ENDINGS = get_args(Ending)

QUICK = RelaySettings(beat_seconds=0.05, dead_after=0.4, reach_seconds=10.0, answer_seconds=2.0, leave_seconds=0.5)
"""Settings under which a test takes little real time, and a log on a busy machine is within reach."""


def within(seconds: float) -> AbstractContextManager[trio.CancelScope]:
    """The block takes no longer; in real time, where the machine may be busy, no longer than ten times that."""
    is_virtual = isinstance(trio.lowlevel.current_clock(), MockClock)
    return trio.fail_after(seconds if is_virtual else 10 * seconds)


@attrs.define
class World:
    """A log, and who is on it."""

    log: Log = attrs.field(factory=MemoryLog)
    queue: WorkQueue = attrs.field(factory=MemoryQueue)

    def relay(self, log: Log | None = None, **settings: float) -> AbstractAsyncContextManager[Relay]:
        """A relay as a process of its own would open it: its settings are `QUICK` unless told."""
        return open_relay(
            settings=attrs.evolve(QUICK, **settings), log=self.log if log is None else log, queue=self.queue
        )

    def faulty(self) -> FaultyLog:
        """The log as one process sees it, which may fail for that process alone."""
        return FaultyLog(self.log)


Test = Callable[[World], Awaitable[None]]
Anywhere = Callable[[Test], None]
"""The fixture `anywhere`: runs a test over a kind of log."""


def in_memory(test: Test, world: World | None = None) -> None:
    """Run a test over memory, in virtual time."""

    async def limited() -> None:
        with trio.fail_after(10_000):
            await test(world or World())

    trio.run(limited, clock=MockClock(autojump_threshold=0))


async def publishing_until_death(world: World, stream_id: str, *chunks: StreamChunk | str) -> None:
    """A process publishes these, and dies: it can't even tell that it does."""
    log = world.faulty()
    async with world.relay(log=log, leave_seconds=0.01) as relay:
        with trio.CancelScope() as life:
            async with relay.begin(stream_id) as publication:
                async for chunk in said(*chunks):
                    publication.offer(chunk)
                while text_of(await published(world, stream_id)) != "".join(map(str, chunks)):  # noqa: ASYNC110
                    await trio.sleep(0.01)
                log.out = True
                life.cancel()
                await trio.lowlevel.checkpoint()


async def published(world: World, stream_id: str) -> list[StreamChunk]:
    """What the log has of a stream now."""
    return [from_entry(entry.payload) for entry in await world.log.read(stream_id, START, most=100_000)]


async def said(*chunks: StreamChunk | str, seconds: float = 0.0) -> AsyncIterator[StreamChunk]:
    """These chunks, so far apart; `str` is text."""
    for chunk in chunks:
        await trio.sleep(seconds)
        yield Text(chunk) if isinstance(chunk, str) else chunk


async def endless(seconds: float = 0.02) -> AsyncIterator[StreamChunk]:
    """Words without an end."""
    count = 0
    while True:
        yield Text(f"{count} ")
        count += 1
        await trio.sleep(seconds)


async def heard(relay: Relay, stream_id: str, after: Position | str | None = None) -> list[StreamChunk]:
    """All chunks of a stream, or those behind a position."""
    async with relay.follow(stream_id, after) as chunks:
        return [chunk async for chunk in chunks]


async def heard_some(chunks: Following, count: int) -> list[StreamChunk]:
    """The next so many chunks."""
    return [await anext(chunks) for _ in range(count)]


def text_of(chunks: list[StreamChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


def assert_the_same(wanted: list[StreamChunk], found: list[StreamChunk]) -> None:
    """The same chunks, however their texts were joined, one ending among them, at their end."""
    assert join(wanted) == join(found)
    assert [False] * (len(found) - 1) + [True] == [isinstance(chunk, ENDINGS) for chunk in found]


@attrs.define
class FaultyLog:
    """A log that fails when a test wants: `out` is out of reach, and `deaf` obeys but is not heard.

    `calls` counts what was asked of it, by name; `before` is called with the name before each.
    """

    log: Log
    out: bool = False
    deaf: bool = False
    before: Callable[[str], None] = lambda _name: None
    calls: dict[str, int] = attrs.field(factory=dict)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.log, name)
        if name in ("watch", "orders"):
            return method

        async def call(*args: Any, **options: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            self.before(name)
            if self.out:
                await trio.lowlevel.checkpoint()
                raise LogUnreachable("out of reach, as the test wants")
            result = await method(*args, **options)
            if self.deaf:
                raise LogUnreachable("not heard, as the test wants")
            return result

        return call
