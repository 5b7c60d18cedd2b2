"""The log and the queue that a test is about: in memory, in virtual time; or in Redis, in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import attrs
import trio
from trio.testing import MockClock

from gestura.relay.log import Log
from gestura.relay.memory import MemoryLog, MemoryQueue
from gestura.relay.redis import open_redis
from gestura.relay.work import WorkQueue

__all__ = ["MemoryStore", "RedisStore", "Store"]

Test = Callable[[Log, WorkQueue], Awaitable[None]]


@attrs.frozen
class MemoryStore:
    """Empty at first. Everybody who opens it is in one process."""

    log: MemoryLog = attrs.field(factory=MemoryLog)
    queue: MemoryQueue = attrs.field(factory=MemoryQueue)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Log, WorkQueue]]:
        yield self.log, self.queue

    def fresh(self) -> MemoryStore:
        """Another one that is empty."""
        return MemoryStore()

    def clock(self) -> trio.abc.Clock | None:
        return MockClock(autojump_threshold=0)


@attrs.frozen
class RedisStore:
    """Empty at first, for its keys begin like no others. Each that opens it has connections of its own."""

    url: str
    prefix: str = attrs.field(factory=lambda: uuid4().hex)
    poll_seconds: float = 30.0
    answer_seconds: float = 2.0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[Log, WorkQueue]]:
        async with open_redis(self.url, prefix=self.prefix, answer_seconds=2.0, poll_seconds=self.poll_seconds) as (
            log,
            queue,
        ):
            yield log, queue

    def fresh(self) -> RedisStore:
        """Another one that is empty, on the same server."""
        return RedisStore(self.url)

    def clock(self) -> trio.abc.Clock | None:
        return None


Store = MemoryStore | RedisStore


def run(store: Store, test: Test) -> None:
    """Run a test with its log and queue."""

    async def opened() -> None:
        with trio.fail_after(10_000 if isinstance(store, MemoryStore) else 30):
            async with store.open() as (log, queue):
                await test(log, queue)

    trio.run(opened, clock=store.clock())
