"""News from Redis: which channels something was published on, over one connection for a whole process.

Any number of tasks watch any number of channels. A notice says that there may be something to read, and no more; so one
that got lost does no harm, as long as another one follows. After a connection broke, every watcher is woken as soon as
its channel is subscribed to again, and all are woken now and then for no reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Final

import trio
from coredis.connection import BaseConnection
from coredis.exceptions import RedisError

from gestura.relay.log import LogUnreachable, Watch
from gestura.relay.redis_line import RedisLine

__all__ = ["RedisNotices"]

CHANNELS_AT_A_TIME: Final = 1000
"""So many are subscribed to with one command, after a connection broke."""

PAUSE_SECONDS: Final = 0.2
"""From one attempt to connect to the next."""


class RedisNotices:
    """Wakes whoever watches a channel.

    Args:
        line: a line of its own: what is subscribed to comes over it.
        poll_seconds: how often a watcher is woken for no reason.
    """

    def __init__(self, line: RedisLine, poll_seconds: float) -> None:
        self._line = line
        self._poll_seconds = poll_seconds
        self._watches: defaultdict[bytes, set[Watch]] = defaultdict(set)
        self._connection: BaseConnection | None = None

    @contextmanager
    def watch(self, channel: str) -> Iterator[Watch]:
        """Be woken when something is published, from about now on: a first time when that is sure."""
        name, watch = channel.encode(), Watch()
        self._watches[name].add(watch)
        if len(self._watches[name]) == 1:
            self._send(b"SUBSCRIBE", name)
        try:
            yield watch
        finally:
            self._watches[name].discard(watch)
            if not self._watches[name]:
                del self._watches[name]
                self._send(b"UNSUBSCRIBE", name)

    async def serve(self) -> None:
        """Listen, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._poll)
            while True:
                with suppress(LogUnreachable, RedisError):
                    await self._listen(await self._line.connected())
                await trio.sleep(PAUSE_SECONDS)

    async def _listen(self, connection: BaseConnection) -> None:
        self._connection = connection
        try:
            channels = list(self._watches)
            for start in range(0, len(channels), CHANNELS_AT_A_TIME):
                self._send(b"SUBSCRIBE", *channels[start : start + CHANNELS_AT_A_TIME])
            async with aclosing(connection.push_messages) as messages:
                async for kind, channel, *_ in messages:
                    if kind in (b"message", b"subscribe") and isinstance(channel, bytes):
                        self._wake(channel)
        finally:
            self._connection = None

    def _send(self, *command: bytes) -> None:
        if self._connection is not None:
            with suppress(RedisError):  # broken: all are subscribed to again over the next one
                self._connection.send_command(*command)

    def _wake(self, channel: bytes) -> None:
        for watch in self._watches.get(channel, ()):
            watch.wake()

    async def _poll(self) -> None:
        """Wake each watcher in its turn, so that they don't all ask at once."""
        while True:
            channels = list(self._watches)
            for channel in channels:
                self._wake(channel)
                await trio.sleep(self._poll_seconds / len(channels))
            if not channels:
                await trio.sleep(self._poll_seconds)
