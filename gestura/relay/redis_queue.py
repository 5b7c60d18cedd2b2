"""A queue in Redis: a Redis stream that the workers read as one consumer group.

Redis knows who holds an item and since when; an item that is done is deleted. Workers that wait are woken by a notice
and read then, each in one step, so no read is ever left blocked: what Redis gave to a worker that was cancelled in the
same moment still comes to it. What was given to a worker and did not arrive is abandoned, as by a worker that died.

| key | what it is |
| --- | --- |
| `PREFIX:queue` | a stream, with the fields `stream` and `request`, and the group `workers` |
| `PREFIX:queued` | a hash: which published streams have an item, and which |
| `PREFIX:work` | a channel on which new items are told of |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import trio

from gestura.relay.redis_line import RedisLine, Script
from gestura.relay.redis_notices import RedisNotices
from gestura.relay.work import WorkItem

__all__ = ["RedisQueue"]

_PUT: Final = Script("""
local queue, queued, channel, stream, request = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]
if redis.call('HEXISTS', queued, stream) == 1 then return 'there' end
if redis.call('EXISTS', queue) == 0 then redis.call('XGROUP', 'CREATE', queue, 'workers', '0', 'MKSTREAM') end
local ticket = redis.call('XADD', queue, '*', 'stream', stream, 'request', request)
redis.call('HSET', queued, stream, ticket)
redis.call('PUBLISH', channel, '')
return 'added'
""")

_TAKE: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local found = redis.call('XREADGROUP', 'GROUP', 'workers', ARGV[1], 'COUNT', ARGV[2], 'STREAMS', KEYS[1], '>')
return found and found[1][2] or {}
""")

_TAKE_ABANDONED: Final = Script("""
local holder, most, silent = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local items, cursor = {}, '0-0'
if redis.call('EXISTS', KEYS[1]) == 0 then return items end
repeat
    local found = redis.call('XAUTOCLAIM', KEYS[1], 'workers', holder, silent, cursor, 'COUNT', most - #items)
    cursor = found[1]
    for _, item in ipairs(found[2]) do table.insert(items, item) end
until cursor == '0-0' or #items == most
return items
""")

_KEEP: Final = Script("""
local holder = ARGV[1]
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
for at = 2, #ARGV do
    local held = redis.call('XPENDING', KEYS[1], 'workers', ARGV[at], ARGV[at], 1)[1]
    if held and held[2] == holder then redis.call('XCLAIM', KEYS[1], 'workers', holder, 0, ARGV[at], 'JUSTID') end
end
return 'kept'
""")

_DONE: Final = Script("""
local queue, queued, ticket = KEYS[1], KEYS[2], ARGV[1]
local item = redis.call('XRANGE', queue, ticket, ticket)[1]
if not item then return 'gone' end
redis.call('HDEL', queued, item[2][2])
redis.call('XACK', queue, 'workers', ticket)
redis.call('XDEL', queue, ticket)
return 'done'
""")

_WAITING: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
return redis.call('XLEN', KEYS[1]) - redis.call('XPENDING', KEYS[1], 'workers')[1]
""")


class RedisQueue:
    """`gestura.relay.work.WorkQueue`, in Redis.

    Args:
        line: to Redis.
        notices: from Redis.
        prefix: what all keys and channels begin with.
    """

    def __init__(self, line: RedisLine, notices: RedisNotices, prefix: str) -> None:
        self._line = line
        self._notices = notices
        self._keys: Final = [f"{prefix}:queue", f"{prefix}:queued"]
        self._channel: Final = f"{prefix}:work"

    async def put(self, stream_id: str, payload: bytes) -> None:
        await self._line.run(_PUT, self._keys, [self._channel, stream_id, payload])

    async def take(self, holder: str, *, most: int, wait_seconds: float) -> Sequence[WorkItem]:
        end = trio.current_time() + wait_seconds
        with self._notices.watch(self._channel) as watch:
            while True:
                found = await self._line.run(_TAKE, self._keys, [holder, most], undisturbed=True)
                left = end - trio.current_time()
                if found or left <= 0:
                    return _items(found)
                with trio.move_on_after(left):
                    await watch.wait()

    async def take_abandoned(self, holder: str, *, most: int, silent_seconds: float) -> Sequence[WorkItem]:
        silent = round(silent_seconds * 1000)
        return _items(await self._line.run(_TAKE_ABANDONED, self._keys, [holder, most, silent], undisturbed=True))

    async def keep(self, holder: str, tickets: Iterable[str]) -> None:
        await self._line.run(_KEEP, self._keys, [holder, *tickets])

    async def done(self, ticket: str) -> None:
        await self._line.run(_DONE, self._keys, [ticket])

    async def waiting(self) -> int:
        return int(await self._line.run(_WAITING, self._keys))


def _items(found: Sequence[Any]) -> list[WorkItem]:
    return [
        WorkItem(ticket=ticket.decode(), stream_id=stream_id.decode(), payload=request)
        for ticket, (_, stream_id, _, request) in found
    ]
