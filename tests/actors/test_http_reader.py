"""The HTTP reader: what it is handed over and what it reads go on alike, in order, within its limits."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from inboxes import items_of
from scripting import run_virtually

from gestura._actors.deadlines import Progress
from gestura._actors.groups import bare_errors
from gestura._actors.http_reader import read_http
from gestura._actors.inbox import Inbox
from gestura._actors.read_ahead import READ_AHEAD_BYTES, ReadAhead
from gestura._actors.statistics import ActorStatistics
from gestura.config import Timeouts
from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.transport import HttpRequest, HttpResponse


@attrs.define
class Response:
    """Brings pieces, each a second after the one before; handed over, where that is wanted."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    handed_over: int = 0
    _take: Callable[[bytes], bool] = attrs.field(default=lambda _data: False, init=False)

    def hand_over_to(self, take: Callable[[bytes], bool]) -> None:
        self._take = take

    async def receive_some(self) -> bytes:
        while self.pieces:
            await trio.sleep(1)
            data, *self.pieces = self.pieces
            if not self._take(data):
                return data
            self.handed_over += 1
        return b""


@attrs.define
class Reading:
    """What one reading came to."""

    response: Response
    statistics: ActorStatistics = attrs.field(factory=lambda: ActorStatistics("HTTP reader"))

    @asynccontextmanager
    async def open(self, _request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        on_connect()
        yield self.response

    async def run(self, next_actor: NextActor, limit: int = 10**9) -> None:
        inbox = next_actor.inbox
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(next_actor.run)
                try:
                    await read_http(
                        self,
                        HttpRequest(url="http://models.example/"),
                        inbox,
                        statistics=self.statistics,
                        limits=Limits(max_body_bytes=limit),
                        read_ahead=ReadAhead([inbox], next_actor, Progress(Timeouts(), math.inf)),
                        on_connect=lambda: None,
                        on_response=lambda: None,
                        on_bytes=lambda: None,
                        on_refusal=lambda *_refusal: None,
                    )
                finally:
                    inbox.end()


@attrs.define(eq=False)
class NextActor:
    """Keeps what it gets, after a nap where it was woken for it; leaves after so many pieces."""

    naps: Sequence[float] = (0.0,) * 12
    leaves_after: int = 100
    inbox: Inbox[Sequence[bytes]] = attrs.field(factory=lambda: Inbox(2))
    got: list[bytes] = attrs.field(factory=list)

    async def run(self) -> None:
        self.inbox.hand_over_to(self)
        async for batch in items_of(self.inbox):
            await trio.sleep(self.naps[len(self.got)])
            self.take(batch)

    def take(self, batch: Sequence[bytes]) -> None:
        self.got.extend(batch)
        if len(self.got) >= self.leaves_after:
            self.inbox.close()

    async def wait_caught_up(self) -> None:
        await trio.lowlevel.checkpoint()


PIECES = st.lists(st.binary(min_size=1, max_size=5).map(lambda data: b"d" + data), min_size=1, max_size=12)


@given(PIECES, st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=12, max_size=12))
def test_the_order_is_kept_however_slow_the_next_actor_is(pieces: list[bytes], naps: list[float]) -> None:
    """Every piece arrives once, in order, whether it was handed over, queued or had to wait."""
    reading, next_actor = Reading(Response(pieces)), NextActor(naps)
    run_virtually(reading.run, next_actor)

    assert pieces == next_actor.got
    assert (len(pieces), sum(map(len, pieces))) == (reading.statistics.batches, reading.statistics.items)


def test_a_reader_whose_follower_is_ready_is_not_woken() -> None:
    """All pieces but the first, by which it sees that this is a stream, are handed over."""
    reading, next_actor = Reading(Response([b"data", b"more", b"end"])), NextActor()
    run_virtually(reading.run, next_actor)

    assert [b"data", b"more", b"end"] == next_actor.got
    assert 2 == reading.response.handed_over


def test_a_body_that_grows_too_long_is_refused_in_the_readers_task() -> None:
    """What is within the limit has gone on; what exceeds it is an error of the reader's, handed over or not."""
    reading, next_actor = Reading(Response([b"12345", b"12345", b"12345"])), NextActor()
    with pytest.raises(LimitExceeded):
        run_virtually(reading.run, next_actor, 12)

    assert [b"12345", b"12345"] == next_actor.got


def test_each_mebibyte_waits_for_the_actors_behind() -> None:
    """What would be read too far ahead is not handed over: the reader takes it, and waits then."""
    piece = b"d" * (READ_AHEAD_BYTES // 4)
    reading, next_actor = Reading(Response([piece] * 8)), NextActor()
    run_virtually(reading.run, next_actor)

    assert [piece] * 8 == next_actor.got
    assert 5 == reading.response.handed_over  # but for the first, the fourth and the eighth


def test_an_actor_that_has_stopped_stops_the_reader() -> None:
    """A piece that nobody wants any more is not handed over, and the reader returns."""
    reading, next_actor = Reading(Response([b"data"] * 5)), NextActor(leaves_after=1)
    run_virtually(reading.run, next_actor)

    assert [b"data"] == next_actor.got
