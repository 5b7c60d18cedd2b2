"""The log and the queue in Redis: `open_redis`. One line for commands and one for notices serve a whole process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from gestura._actors.groups import bare_errors
from gestura.relay.redis_line import RedisAddress, RedisLine
from gestura.relay.redis_log import RedisLog
from gestura.relay.redis_notices import RedisNotices
from gestura.relay.redis_queue import RedisQueue

__all__ = ["open_redis"]


@asynccontextmanager
async def open_redis(
    url: str, *, prefix: str = "gestura", answer_seconds: float = 5.0, poll_seconds: float = 30.0
) -> AsyncIterator[tuple[RedisLog, RedisQueue]]:
    """The log and the queue of a Redis server (7.0 or newer), for the length of the block.

    It need not be within reach: what is asked of it then raises `LogUnreachable`, and works when it is back. One that
    is, and can't be used, is told of at once.

    Args:
        url: where it is; see `RedisAddress`.
        prefix: what all keys and channels begin with: several applications can share a server.
        answer_seconds: a server that is silent for so long is out of reach.
        poll_seconds: how often those that wait for news look for it without being told.

    Raises:
        ConfigError: the url can be none; or what is there refuses the password, is not Redis, does not speak TLS, has a
            certificate that is not good, or has no such database.
    """
    address = RedisAddress(url)
    with bare_errors():
        async with trio.open_nursery() as nursery:
            line = RedisLine(address, nursery, answer_seconds)
            notices = RedisNotices(RedisLine(address, nursery, answer_seconds), poll_seconds)
            await line.check()
            nursery.start_soon(notices.serve)
            yield RedisLog(line, notices, prefix), RedisQueue(line, notices, prefix)
            nursery.cancel_scope.cancel()
