"""A log and a queue in memory: for one process, and for tests. All is gone with the process.

Nothing here waits for anything but other tasks of the same `trio.run`; each method is one step that no other task sees
the middle of, and a checkpoint before it. None looks at more streams or items than it is about; what has expired is
forgotten when something begins, and with the beats and renewals of the publishers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count, islice, takewhile

import attrs
import trio

from gestura.relay.log import (
    Entry,
    Order,
    Position,
    PublicationLost,
    StreamExists,
    StreamState,
    UnknownStream,
    Watch,
)
from gestura.relay.work import WorkItem

__all__ = ["MemoryLog", "MemoryQueue"]


@attrs.define
class _Stream:
    state: StreamState
    keep_seconds: float
    expires: float
    entries: list[Entry] = attrs.field(factory=list)


class MemoryLog:
    """`gestura.relay.log.Log`, in memory."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._expiries: list[tuple[float, str]] = []
        """A heap, with each stream once: it does not expire before that."""
        self._beats: Counter[str] = Counter()
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self._orders: dict[str, trio.MemorySendChannel[tuple[str, Order]]] = {}

    async def begin(
        self,
        stream_id: str,
        *,
        publisher: str,
        about: bytes,
        keep_seconds: float,
        instead_of: StreamState | None = None,
    ) -> StreamState:
        await trio.lowlevel.checkpoint()
        self._expire()
        stream = self._find(stream_id)
        if stream is not None and stream.state.publisher == publisher and not stream.state.ended:
            return self._now(stream)
        if instead_of is None:
            if stream is not None:
                raise StreamExists(f"a stream {stream_id!r} is published already")
            state = StreamState(about=about, publisher=publisher, term=1, beat=0)
            expires = trio.current_time() + keep_seconds
            stream = self._streams[stream_id] = _Stream(state, keep_seconds, expires)
            heappush(self._expiries, (expires, stream_id))
        else:
            if stream is None or self._now(stream) != instead_of or instead_of.ended:
                raise PublicationLost(f"{stream_id!r} has moved on: it can't be taken over")
            stream.state = attrs.evolve(stream.state, publisher=publisher, term=stream.state.term + 1)
        self._renew(stream)
        return self._now(stream)

    async def append(
        self, stream_id: str, *, term: int, first: int, payloads: Sequence[bytes], ends: bool = False
    ) -> None:
        await trio.lowlevel.checkpoint()
        stream = self._find(stream_id)
        if stream is None or stream.state.term != term:
            raise PublicationLost(f"{stream_id!r} is not this publisher's any more")
        last = stream.state.last.number
        fresh = list(payloads[last + 1 - first :]) if first <= last + 1 else []
        if first > last + 1 or (stream.state.ended and fresh):
            raise PublicationLost(f"{stream_id!r} can't be added to: entry {first} is not the next")
        if fresh:
            self._add(stream_id, stream, term, fresh, ends=ends)

    async def end_for(self, stream_id: str, *, dead: StreamState, payload: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        stream = self._get(stream_id)
        if dead.ended or self._now(stream) != dead:
            return False
        stream.state = attrs.evolve(stream.state, term=dead.term + 1)
        self._add(stream_id, stream, dead.term + 1, [payload], ends=True)
        return True

    async def state(self, stream_id: str) -> StreamState:
        await trio.lowlevel.checkpoint()
        return self._now(self._get(stream_id))

    async def read(self, stream_id: str, after: Position, *, most: int) -> Sequence[Entry]:
        await trio.lowlevel.checkpoint()
        entries = self._get(stream_id).entries
        first = bisect_right(entries, after, key=lambda entry: entry.position)
        return entries[first : first + most]

    @asynccontextmanager
    async def watch(self, stream_id: str) -> AsyncIterator[Watch]:
        await trio.lowlevel.checkpoint()
        watch = Watch()
        self._watches[stream_id].add(watch)
        try:
            yield watch
        finally:
            self._watches[stream_id].discard(watch)
            if not self._watches[stream_id]:
                del self._watches[stream_id]

    async def order(self, stream_id: str, order: Order) -> None:
        await trio.lowlevel.checkpoint()
        stream = self._get(stream_id)
        if stream.state.ended or stream.state.order is Order.CANCEL:
            return
        stream.state = attrs.evolve(stream.state, order=order)
        if stream.state.publisher in self._orders:
            self._orders[stream.state.publisher].send_nowait((stream_id, order))

    @asynccontextmanager
    async def orders(self, publisher: str) -> AsyncIterator[trio.MemoryReceiveChannel[tuple[str, Order]]]:
        await trio.lowlevel.checkpoint()
        self._orders[publisher], receive = trio.open_memory_channel(math.inf)  # two for each stream at the most
        try:
            with receive:
                yield receive
        finally:
            del self._orders[publisher]

    async def beat(self, publisher: str) -> None:
        await trio.lowlevel.checkpoint()
        self._expire()
        self._beats[publisher] += 1

    async def renew(self, stream_ids: Iterable[str]) -> None:
        await trio.lowlevel.checkpoint()
        self._expire()
        for stream_id in stream_ids:
            if (stream := self._find(stream_id)) is not None:
                self._renew(stream)

    def _add(self, stream_id: str, stream: _Stream, term: int, payloads: Iterable[bytes], *, ends: bool) -> None:
        for payload in payloads:
            position = Position(term, stream.state.last.number + 1)
            stream.entries.append(Entry(position, payload))
            stream.state = attrs.evolve(stream.state, last=position)
        stream.state = attrs.evolve(stream.state, ended=ends)
        self._renew(stream)
        for watch in self._watches.get(stream_id, ()):
            watch.wake()

    def _now(self, stream: _Stream) -> StreamState:
        return attrs.evolve(stream.state, beat=self._beats[stream.state.publisher])

    def _find(self, stream_id: str) -> _Stream | None:
        stream = self._streams.get(stream_id)
        return stream if stream is not None and stream.expires >= trio.current_time() else None

    def _get(self, stream_id: str) -> _Stream:
        if (stream := self._find(stream_id)) is None:
            raise UnknownStream(f"no stream {stream_id!r} is published, or it has expired")
        return stream

    def _renew(self, stream: _Stream) -> None:
        stream.expires = trio.current_time() + stream.keep_seconds

    def _expire(self) -> None:
        """Forget what has expired. A stream that was renewed is looked at once in the time that it is kept."""
        now = trio.current_time()
        while self._expiries and self._expiries[0][0] < now:
            _, stream_id = heappop(self._expiries)
            if (stream := self._find(stream_id)) is None:
                del self._streams[stream_id]
            else:
                heappush(self._expiries, (stream.expires, stream_id))


@attrs.frozen
class _Held:
    item: WorkItem
    holder: str
    told: float


class MemoryQueue:
    """`gestura.relay.work.WorkQueue`, in memory."""

    def __init__(self) -> None:
        self._free: OrderedDict[str, WorkItem] = OrderedDict()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        """By when the holder last told of it."""
        self._stream_ids: set[str] = set()
        self._tickets: Iterator[int] = count(1)
        self._added = trio.lowlevel.ParkingLot()

    async def put(self, stream_id: str, payload: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if stream_id not in self._stream_ids:
            ticket = str(next(self._tickets))
            self._free[ticket] = WorkItem(ticket=ticket, stream_id=stream_id, payload=payload)
            self._stream_ids.add(stream_id)
            self._added.unpark_all()

    async def take(self, holder: str, *, most: int, wait_seconds: float) -> Sequence[WorkItem]:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(wait_seconds):
            while not self._free:
                await self._added.park()
            return self._give([self._free.popitem(last=False)[1] for _ in range(min(most, len(self._free)))], holder)
        return ()

    async def take_abandoned(self, holder: str, *, most: int, silent_seconds: float) -> Sequence[WorkItem]:
        await trio.lowlevel.checkpoint()
        before = trio.current_time() - silent_seconds
        abandoned = takewhile(lambda held: held.told <= before, self._held.values())
        return self._give([held.item for held in islice(abandoned, most)], holder)

    async def keep(self, holder: str, tickets: Iterable[str]) -> None:
        await trio.lowlevel.checkpoint()
        for ticket in tickets:
            if (held := self._held.get(ticket)) is not None and held.holder == holder:
                self._give([held.item], holder)

    async def done(self, ticket: str) -> None:
        await trio.lowlevel.checkpoint()
        held = self._held.pop(ticket, None)
        item = held.item if held is not None else self._free.pop(ticket, None)
        if item is not None:
            self._stream_ids.discard(item.stream_id)

    async def waiting(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self._free)

    def _give(self, items: Sequence[WorkItem], holder: str) -> Sequence[WorkItem]:
        for item in items:
            self._held[item.ticket] = _Held(item, holder, trio.current_time())
            self._held.move_to_end(item.ticket)
        return items
