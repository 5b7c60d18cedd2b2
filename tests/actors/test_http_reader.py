"""The HTTP reader: what it is handed over and what it reads go on alike, in order, within its limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from scripting import run_virtually

from gestura._actors.groups import bare_errors
from gestura._actors.http_reader import read_http
from gestura._actors.inbox import InboxReceiver, open_inbox
from gestura._actors.read_ahead import READ_AHEAD_BYTES, ReadAhead
from gestura._actors.statistics import ActorStatistics
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
    got: list[bytes] = attrs.field(factory=list)

    @asynccontextmanager
    async def open(self, _request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        on_connect()
        yield self.response

    async def run(self, next_actor: Callable[[InboxReceiver, list[bytes]], object], limit: int = 10**9) -> None:
        with bare_errors():
            await self._run(next_actor, limit)

    async def _run(self, next_actor: Callable[[InboxReceiver, list[bytes]], object], limit: int) -> None:
        send, receive = open_inbox(2)
        read_ahead = ReadAhead(trio.lowlevel.checkpoint, lambda _waits: None)
        read_ahead.add(receive)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(next_actor, receive, self.got)
            await read_http(
                self,
                HttpRequest(url="http://models.example/"),
                send,
                statistics=self.statistics,
                limits=Limits(max_body_bytes=limit),
                read_ahead=read_ahead,
                on_connect=lambda: None,
                on_response=lambda: None,
                on_bytes=lambda: None,
                on_refusal=lambda *_refusal: None,
            )


async def takes_all(receive: InboxReceiver, got: list[bytes]) -> None:
    """An actor that is always ready: whoever sends does its work."""
    with receive:
        receive.hand_over_to(lambda batch: got.extend(batch))
        async for batch in receive:
            got.extend(batch)


PIECES = st.lists(st.binary(min_size=1, max_size=5).map(lambda data: b"d" + data), min_size=1, max_size=12)


@given(PIECES, st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=12, max_size=12))
def test_the_order_is_kept_however_slow_the_next_actor_is(pieces: list[bytes], naps: list[float]) -> None:
    """Every piece arrives once, in order, whether it was handed over, queued or had to wait."""

    async def takes_its_time(receive: InboxReceiver, got: list[bytes]) -> None:
        with receive:
            receive.hand_over_to(lambda batch: got.extend(batch))
            async for batch in receive:
                await trio.sleep(naps[len(got)])
                got.extend(batch)

    reading = Reading(Response(pieces))
    run_virtually(reading.run, takes_its_time)

    assert pieces == reading.got
    assert (len(pieces), sum(map(len, pieces))) == (reading.statistics.batches, reading.statistics.items)


def test_a_reader_whose_follower_is_ready_is_not_woken() -> None:
    """All pieces but the first, by which it sees that this is a stream, are handed over."""
    reading = Reading(Response([b"data", b"more", b"end"]))
    run_virtually(reading.run, takes_all)

    assert [b"data", b"more", b"end"] == reading.got
    assert 2 == reading.response.handed_over


def test_a_body_that_grows_too_long_is_refused_in_the_readers_task() -> None:
    """What is within the limit has gone on; what exceeds it is an error of the reader's, handed over or not."""
    reading = Reading(Response([b"12345", b"12345", b"12345"]))
    with pytest.raises(LimitExceeded):
        run_virtually(reading.run, takes_all, 12)

    assert [b"12345", b"12345"] == reading.got


def test_each_mebibyte_waits_for_the_actors_behind() -> None:
    """What would be read too far ahead is not handed over: the reader takes it, and waits then."""
    piece = b"d" * (READ_AHEAD_BYTES // 4)
    reading = Reading(Response([piece] * 8))
    run_virtually(reading.run, takes_all)

    assert [piece] * 8 == reading.got
    assert 5 == reading.response.handed_over  # but for the first, the fourth and the eighth


def test_an_actor_that_has_stopped_stops_the_reader() -> None:
    """A piece that nobody wants any more is not handed over, and the reader returns."""

    async def takes_one(receive: InboxReceiver, got: list[bytes]) -> None:
        with receive:
            async for batch in receive:
                got.extend(batch)
                return

    reading = Reading(Response([b"data"] * 5))
    run_virtually(reading.run, takes_one)

    assert [b"data"] == reading.got
