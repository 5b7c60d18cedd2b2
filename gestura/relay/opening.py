"""`open_relay`: a relay, and the log and the queue that it keeps its streams and requests in.

They are in the memory of the process, in Redis, or the caller's own. What Redis needs is an extra, and imported for
Redis alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from gestura._actors.groups import bare_errors
from gestura.errors import ConfigError, ErrorKind
from gestura.relay.log import Log
from gestura.relay.memory import MemoryLog, MemoryQueue
from gestura.relay.relay import Relay
from gestura.relay.settings import RelaySettings
from gestura.relay.work import WorkQueue

__all__ = ["open_relay"]

DEFAULTS: Final = RelaySettings()


@asynccontextmanager
async def open_relay(
    url: str | None = None,
    *,
    settings: RelaySettings = DEFAULTS,
    prefix: str = "gestura",
    log: Log | None = None,
    queue: WorkQueue | None = None,
) -> AsyncIterator[Relay]:
    """Open a relay for the length of the block. Leave the blocks of its publications and followers first.

    Args:
        url: the address of a Redis server, `redis://…`, `rediss://…` (with TLS) or `unix://…`, for which the extra
            `gestura[relay]` is needed; without one, streams are kept in the memory of this process.
        settings: how long streams are kept, when a publisher is dead, … Relays on the same log should have the same.
        prefix: what all names in Redis begin with: applications that share a server each have their own.
        log: a log of your own, instead.
        queue: a queue of your own, beside it.

    Raises:
        ConfigError: the address can't be, or Redis can't be used.
    """
    async with _kept_in(url, log, queue, prefix, settings.answer_seconds) as (kept_in, waits_in):
        relay = Relay(kept_in, waits_in, settings)
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(relay.keeper.serve)
                yield relay
                nursery.cancel_scope.cancel()


@asynccontextmanager
async def _kept_in(
    url: str | None, log: Log | None, queue: WorkQueue | None, prefix: str, answer_seconds: float
) -> AsyncIterator[tuple[Log, WorkQueue]]:
    if url is None:
        yield log if log is not None else MemoryLog(), queue if queue is not None else MemoryQueue()
        return
    if log is not None or queue is not None:
        raise ConfigError(
            "url: streams are kept there, or in a log of your own, not in both", kind=ErrorKind.BAD_REQUEST
        )
    try:
        from gestura.relay.redis import open_redis  # an extra
    except ImportError as error:
        raise ConfigError(f"streams in Redis need an extra: pip install 'gestura[relay]' ({error})") from error
    async with open_redis(url, prefix=prefix, answer_seconds=answer_seconds) as kept_in:
        yield kept_in
