"""A log in Redis: one Redis stream for each published one, and a hash of what is known of it.

Entries have explicit ids, `term-number`, so what the log promises is what Redis checks, too. Whatever takes more than
one step is one Lua script: nobody sees the middle of it, and each may be repeated. The hash says how many entries there
are; where Redis has fewer, it has lost some, and the stream with them.

| key | what it is |
| --- | --- |
| `PREFIX:stream:ID` | a hash: `about`, `publisher`, `term`, `last_term`, `number`, `ended`, `order`, `keep` |
| `PREFIX:entries:ID` | a stream, with one field in each entry |
| `PREFIX:beat:PUBLISHER` | a number |
| `PREFIX:orders:PUBLISHER` | a stream: to which of its streams, and which order |
| `PREFIX:news:ID`, `PREFIX:told:PUBLISHER` | channels on which something new is told of |

All of them expire. Some scripts make the names of keys out of what the hash says, so this is for one server, with or
without replicas, and not for a cluster.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Final

import trio

from gestura._actors.groups import bare_errors
from gestura.relay.log import (
    START,
    Entry,
    LogUnreachable,
    Order,
    Position,
    PublicationLost,
    StreamExists,
    StreamState,
    UnknownStream,
    Watch,
)
from gestura.relay.redis_line import RedisLine, Script
from gestura.relay.redis_notices import RedisNotices

__all__ = ["RedisLog"]

PUBLISHERS_KEPT_SECONDS: Final = 3600
"""How long a publisher's beat, and its orders, are kept after the last one: much longer than death takes to be seen."""

RENEWED_AT_A_TIME: Final = 200
"""Streams in one call: Redis serves nobody else meanwhile."""

PAUSE_SECONDS: Final = 0.2
"""From one attempt to read orders to the next, while Redis is out of reach."""

_COMMON: Final = """
local stream, entries, prefix = KEYS[1], KEYS[2], ARGV[1]

-- What is known of the stream: publisher, term, last_term, number, ended, order. nil where there is none.
local function known()
    local now = redis.call('HMGET', stream, 'publisher', 'term', 'last_term', 'number', 'ended', 'order')
    if not now[1] then return nil end
    now[5], now[6] = now[5] or '', now[6] or ''
    return now
end

-- The same, and the publisher's beat.
local function known_with_beat()
    local now = known()
    if now then now[7] = redis.call('GET', prefix .. ':beat:' .. now[1]) or '0' end
    return now
end

-- The same, and what the first publisher wrote about it.
local function all_known()
    local now = known_with_beat()
    if now then now[8] = redis.call('HGET', stream, 'about') end
    return now
end

-- Whether it is as ARGV says from there on: publisher, term, last_term, number, order, beat. One that ended never is.
local function is_still(now, from)
    for at, field in ipairs({1, 2, 3, 4, 6, 7}) do
        if now[field] ~= ARGV[from + at - 1] then return false end
    end
    return now[5] == ''
end

local function renew(keep)
    redis.call('PEXPIRE', stream, keep)
    redis.call('PEXPIRE', entries, keep)
end

-- Adds what is in ARGV from there on.
local function add(now, term, from, ends)
    local number = tonumber(now[4])
    for at = from, #ARGV do
        number = number + 1
        redis.call('XADD', entries, string.format('%s-%d', term, number), 'p', ARGV[at])
    end
    redis.call('HSET', stream, 'term', term, 'last_term', term, 'number', string.format('%d', number))
    if ends then redis.call('HSET', stream, 'ended', '1') end
    renew(redis.call('HGET', stream, 'keep'))
    redis.call('PUBLISH', prefix .. ':news:' .. string.sub(stream, #prefix + #':stream:' + 1), '')
end
"""

_STATE: Final = Script(f"{_COMMON} return all_known() or 'unknown'")

_BEGIN: Final = Script(f"""{_COMMON}
local publisher, about, keep, anew = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == 'new'
local now = known_with_beat()
if now and now[1] == publisher and now[5] == '' then return all_known() end
if anew then
    if now then return 'exists' end
    redis.call('DEL', entries)
    redis.call('HSET', stream, 'about', about, 'publisher', publisher, 'term', '1', 'last_term', '0', 'number', '0')
elseif now and is_still(now, 6) then
    redis.call('HSET', stream, 'publisher', publisher, 'term', string.format('%d', tonumber(now[2]) + 1))
    keep = redis.call('HGET', stream, 'keep')
else
    return 'moved'
end
redis.call('HSET', stream, 'keep', keep)
renew(keep)
return all_known()
""")

_APPEND: Final = Script(f"""{_COMMON}
local term, first, ends = ARGV[2], tonumber(ARGV[3]), ARGV[4] == 'ends'
local payloads = 5
local now = known()
if not now or now[2] ~= term then return 'lost' end
local number = tonumber(now[4])
if first > number + 1 or redis.call('XLEN', entries) ~= number then return 'gap' end
local from = payloads + number + 1 - first
if from > #ARGV then return 'there' end
if now[5] ~= '' then return 'lost' end
add(now, term, from, ends)
return 'added'
""")

_END_FOR: Final = Script(f"""{_COMMON}
local now = known_with_beat()
if not now then return 'unknown' end
if not is_still(now, 2) then return 'moved' end
add(now, string.format('%d', tonumber(now[2]) + 1), 8, true)
return 'ended'
""")

_ORDER: Final = Script(f"""{_COMMON}
local id, order, kept = ARGV[2], ARGV[3], ARGV[4]
local now = known()
if not now then return 'unknown' end
if now[5] ~= '' or now[6] == 'cancel' then return 'passed over' end
local orders = prefix .. ':orders:' .. now[1]
redis.call('HSET', stream, 'order', order)
redis.call('XADD', orders, '*', 'stream', id, 'order', order)
redis.call('EXPIRE', orders, kept)
redis.call('PUBLISH', prefix .. ':told:' .. now[1], '')
return 'told'
""")

_BEAT: Final = Script("redis.call('INCR', KEYS[1]) redis.call('EXPIRE', KEYS[1], ARGV[1]) return 'beaten'")

_RENEW: Final = Script("""
for at = 1, #KEYS, 2 do
    local keep = redis.call('HGET', KEYS[at], 'keep')
    if keep then
        redis.call('PEXPIRE', KEYS[at], keep)
        redis.call('PEXPIRE', KEYS[at + 1], keep)
    end
end
return 'renewed'
""")

_ORDERS: Final = Script("""
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
return redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+')
""")


class RedisLog:
    """`gestura.relay.log.Log`, in Redis.

    Args:
        line: to Redis.
        notices: from Redis.
        prefix: what all keys and channels begin with.
    """

    def __init__(self, line: RedisLine, notices: RedisNotices, prefix: str) -> None:
        self._line = line
        self._notices = notices
        self._prefix = prefix

    async def begin(
        self,
        stream_id: str,
        *,
        publisher: str,
        about: bytes,
        keep_seconds: float,
        instead_of: StreamState | None = None,
    ) -> StreamState:
        how = ("new",) if instead_of is None else ("instead", *_words(instead_of))
        found = await self._run(_BEGIN, stream_id, publisher, about, max(1, round(keep_seconds * 1000)), *how)
        match found:
            case b"exists":
                raise StreamExists(f"a stream {stream_id!r} is published already")
            case b"moved":
                raise PublicationLost(f"{stream_id!r} has moved on: it can't be taken over")
        return _state(found)

    async def append(
        self, stream_id: str, *, term: int, first: int, payloads: Sequence[bytes], ends: bool = False
    ) -> None:
        match await self._run(_APPEND, stream_id, term, first, "ends" if ends else "goes on", *payloads):
            case b"lost":
                raise PublicationLost(f"{stream_id!r} is not this publisher's any more")
            case b"gap":
                raise PublicationLost(f"{stream_id!r} can't be added to: entry {first} is not the next")

    async def end_for(self, stream_id: str, *, dead: StreamState, payload: bytes) -> bool:
        if dead.ended:
            return False
        match await self._run(_END_FOR, stream_id, *_words(dead), payload):
            case b"unknown":
                raise _unknown(stream_id)
            case told:
                return bool(told == b"ended")

    async def state(self, stream_id: str) -> StreamState:
        found = await self._run(_STATE, stream_id)
        if found == b"unknown":
            raise _unknown(stream_id)
        return _state(found)

    async def read(self, stream_id: str, after: Position, *, most: int) -> Sequence[Entry]:
        stream, entries = self._keys(stream_id)
        known, found = await self._line.ask(
            ("HMGET", stream, "last_term", "number"), ("XRANGE", entries, f"({after}", "+", "COUNT", most)
        )
        if None in known:
            raise _unknown(stream_id)
        if not found and after < Position(*map(int, known)):
            raise UnknownStream(f"the log has lost entries of {stream_id!r}")
        return [Entry(Position.parse(name.decode()), payload) for name, (_, payload) in found]

    @asynccontextmanager
    async def watch(self, stream_id: str) -> AsyncIterator[Watch]:
        await trio.lowlevel.checkpoint()
        with self._notices.watch(f"{self._prefix}:news:{stream_id}") as watch:
            yield watch

    async def order(self, stream_id: str, order: Order) -> None:
        if await self._run(_ORDER, stream_id, stream_id, order.value, PUBLISHERS_KEPT_SECONDS) == b"unknown":
            raise _unknown(stream_id)

    @asynccontextmanager
    async def orders(self, publisher: str) -> AsyncIterator[trio.MemoryReceiveChannel[tuple[str, Order]]]:
        send, receive = trio.open_memory_channel[tuple[str, Order]](0)
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, publisher, send)
                with receive:
                    yield receive
                nursery.cancel_scope.cancel()

    async def beat(self, publisher: str) -> None:
        await self._line.run(_BEAT, [f"{self._prefix}:beat:{publisher}"], [PUBLISHERS_KEPT_SECONDS])

    async def renew(self, stream_ids: Iterable[str]) -> None:
        await trio.lowlevel.checkpoint()
        left = iter(stream_ids)
        while some := list(islice(left, RENEWED_AT_A_TIME)):
            await self._line.run(_RENEW, [key for stream_id in some for key in self._keys(stream_id)])

    async def _pass_on(self, publisher: str, send: trio.MemorySendChannel[tuple[str, Order]]) -> None:
        """Send what a publisher is told, until nobody receives any more. Read again, an order is behind `after`."""
        after = "0-0"
        with send, self._notices.watch(f"{self._prefix}:told:{publisher}") as watch:
            while True:
                try:
                    found = await self._line.run(_ORDERS, [f"{self._prefix}:orders:{publisher}"], [after])
                except LogUnreachable:
                    await trio.sleep(PAUSE_SECONDS)
                    continue
                for name, (_, stream_id, _, order) in found:
                    try:
                        await send.send((stream_id.decode(), Order(order.decode())))
                    except trio.BrokenResourceError:
                        return
                    after = name.decode()
                if not found:
                    await watch.wait()

    def _keys(self, stream_id: str) -> tuple[str, str]:
        return f"{self._prefix}:stream:{stream_id}", f"{self._prefix}:entries:{stream_id}"

    async def _run(self, script: Script, stream_id: str, *words: str | bytes | int) -> Any:
        return await self._line.run(script, self._keys(stream_id), (self._prefix, *words))


def _words(state: StreamState) -> tuple[str, ...]:
    """A state that has not ended, as the scripts compare it."""
    order = state.order.value if state.order else ""
    return state.publisher, str(state.term), str(state.last.term), str(state.last.number), order, str(state.beat)


def _state(found: Sequence[bytes]) -> StreamState:
    publisher, term, last_term, number, ended, order, beat, about = found
    return StreamState(
        about=about,
        publisher=publisher.decode(),
        term=int(term),
        beat=int(beat),
        last=Position(int(last_term), int(number)) if int(number) else START,
        ended=bool(ended),
        order=Order(order.decode()) if order else None,
    )


def _unknown(stream_id: str) -> UnknownStream:
    return UnknownStream(f"no stream {stream_id!r} is published, or it has expired")
