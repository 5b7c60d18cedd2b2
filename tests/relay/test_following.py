"""Followers: each at its own pace, from wherever it likes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from worlds import (
    Anywhere,
    FaultyLog,
    World,
    assert_the_same,
    endless,
    heard,
    heard_some,
    in_memory,
    published,
    said,
    text_of,
    within,
)

from gestura.chunks import Done, Error, StreamChunk, Text
from gestura.errors import ConfigError
from gestura.relay import Position, RelayError, RelaySettings, open_relay
from gestura.relay.entries import About, to_entry
from gestura.relay.log import START

WORDS: list[StreamChunk] = [*(Text(f"{count} ") for count in range(20)), Done()]


def test_any_position_is_a_beginning(anywhere: Anywhere) -> None:
    """The chunk behind it comes next, and all others."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", said(*WORDS, seconds=0.01)):
                pass
            entries = await published(world, "s")
            for number in range(len(entries) + 1):
                assert entries[number:] == await heard(relay, "s", Position(1, number))
                assert entries[number:] == await heard(relay, "s", f"1-{number}")

    anywhere(test)


def test_an_ending_that_was_read_is_not_given_again(anywhere: Anywhere) -> None:
    """Who follows from behind it is told nothing, and does not wait."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", said("Hi", Done())):
                pass
            async with relay.follow("s") as chunks:
                _ = [chunk async for chunk in chunks]
                assert [] == [chunk async for chunk in chunks]
            with within(1):
                assert [] == await heard(relay, "s", chunks.position)

    anywhere(test)


def test_a_position_at_which_no_entry_stands_is_refused_on_entering(anywhere: Anywhere) -> None:
    """Also one before the end, of another term than its number's; and who begins at the start is not asked."""

    async def test(world: World) -> None:
        await world.log.begin("s", publisher="anna", about=About().to_json(), keep_seconds=60)
        old = await world.log.state("s")
        await world.log.begin("s", publisher="bert", about=b"", keep_seconds=60, instead_of=old)
        payloads = [to_entry(chunk) for chunk in (*map(Text, "abcdefg"), Done())]
        await world.log.append("s", term=2, first=1, payloads=payloads, ends=True)
        log = world.faulty()
        async with world.relay(log=log) as relay:
            with pytest.raises(RelayError, match="no entry 1-5"):
                await heard(relay, "s", "1-5")
            assert {"state": 1, "read": 1} == {name: log.calls[name] for name in ("state", "read")}
            assert [Text("f"), Text("g"), Done()] == await heard(relay, "s", "2-5")
            reads = log.calls["read"]
            for start in (None, START, "1-0"):
                assert "abcdefg" == text_of(await heard(relay, "s", start))
            assert reads + 3 == log.calls["read"]

    anywhere(test)


@pytest.mark.parametrize(
    ("after", "error"), [("1-3", RelayError), ("2-1", RelayError), ("7", ValueError), ("-", ValueError)]
)
def test_a_position_that_is_none_is_refused(anywhere: Anywhere, after: str, error: type[Exception]) -> None:
    """Neither one behind the end, nor another text."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", said("Hi", Done(), seconds=0.05)):
                pass
            with pytest.raises(error):
                await heard(relay, "s", after)

    anywhere(test)


def test_each_follower_has_a_pace_of_its_own(anywhere: Anywhere) -> None:
    """A slow one delays neither the publisher nor the others, and misses nothing."""

    async def test(world: World) -> None:
        times: dict[float, float] = {}

        async def follow(seconds: float) -> None:
            async with relay.follow("s") as chunks:
                found = []
                async for chunk in chunks:
                    await trio.sleep(seconds)
                    found.append(chunk)
            assert_the_same(WORDS, found)
            times[seconds] = trio.current_time() - began

        began = trio.current_time()
        async with world.relay() as relay, trio.open_nursery() as nursery:
            async with relay.publish("s", said(*WORDS, seconds=0.01)):
                for seconds in (0.0, 0.1):
                    nursery.start_soon(follow, seconds)
            published_after = trio.current_time() - began

        assert published_after < 1.5 < times[0.1]
        assert times[0.0] < 1.5

    anywhere(test)


def test_a_hundred_followers_of_which_half_leave(anywhere: Anywhere) -> None:
    """Those that stay are given everything, and so are those that come back."""

    async def test(world: World) -> None:
        ends: list[list[StreamChunk]] = []

        async def follow(number: int) -> None:
            found: list[StreamChunk] = []
            position = None
            if number % 2:
                async with relay.follow("s") as chunks:
                    found += await heard_some(chunks, 1 + number % 5)
                    position = chunks.position
                if number % 4 == 1:
                    return
                await trio.sleep(number / 1000)
            ends.append([*found, *await heard(relay, "s", position)])

        async with (
            world.relay() as relay,
            relay.publish("s", said(*WORDS, seconds=0.02)),
            trio.open_nursery() as nursery,
        ):
            for number in range(100):
                nursery.start_soon(follow, number)

        assert 75 == len(ends)
        for found in ends:
            assert_the_same(WORDS, found)

    anywhere(test)


def test_a_stream_that_the_log_loses_ends_with_an_error() -> None:
    """One, for each follower: nobody waits for ever, and nothing is passed over."""

    async def test(world: World) -> None:
        async with world.relay(dead_after=10.0) as relay:
            await world.log.begin("s", publisher="p", about=b"{}", keep_seconds=1.0)
            async with relay.follow("s") as chunks:
                rest = [chunk async for chunk in chunks]

        assert isinstance(rest[0], Error)
        assert "stream_lost" == rest[0].code
        assert rest == [chunks.ending]

    in_memory(test, World())


def test_a_log_that_has_lost_its_last_entries_is_not_waited_for() -> None:
    """It says that the stream has ended, and does not have the ending."""

    async def test(world: World) -> None:
        class Forgetful(FaultyLog):
            async def read(self, *args: Any, **options: Any) -> Any:
                return (await self.log.read(*args, **options))[:1] if args[1] == START else []

        log: Any = Forgetful(world.log)
        async with world.relay(log=log) as relay:
            async with relay.publish("s", said("a", "b", Done(), seconds=0.05)):
                pass
            with trio.fail_after(10):
                first, last = await heard(relay, "s")

        assert Text("a") == first
        assert isinstance(last, Error)
        assert "stream_lost" == last.code

    in_memory(test)


def test_entries_of_a_later_version_are_not_passed_over(anywhere: Anywhere) -> None:
    """Who can't read one is told, and where; it may go on from there with a newer gestura."""

    async def test(world: World) -> None:
        state = await world.log.begin("s", publisher="p", about=b"{}", keep_seconds=60)
        payloads = [b'{"type":"text","text":"Hi"}', b'{"type":"novel"}', b'{"type":"done","finish_reason":"stop"}']
        await world.log.append("s", term=state.term, first=1, payloads=payloads, ends=True)
        async with world.relay() as relay, relay.follow("s") as chunks:
            first, last = [chunk async for chunk in chunks]

        assert Text("Hi") == first
        assert isinstance(last, Error)
        assert "unreadable" == last.code
        assert "1-1" == str(chunks.position)

    anywhere(test)


def test_a_submitted_stream_that_no_worker_takes_is_waited_for_so_long() -> None:
    """Then its follower is told. It can follow again."""

    async def test(world: World) -> None:
        async with world.relay(begin_seconds=100.0) as relay:
            stream_id = await relay.submit("Hi")
            began = trio.current_time()
            (ending,) = await heard(relay, stream_id)

            assert isinstance(ending, Error)
            assert ("not_begun", True) == (ending.code, ending.retryable)
            assert 100 <= trio.current_time() - began < 101

    in_memory(test)


def test_a_follower_in_a_cancelled_scope_leaves_nothing_behind(anywhere: Anywhere) -> None:
    """It stops waiting at once."""

    async def test(world: World) -> None:
        async with world.relay() as relay, relay.publish("s", endless(60)) as publication:
            with trio.move_on_after(0.2) as scope:
                await heard(relay, "s")
            assert scope.cancelled_caught
            publication.token.cancel()

    anywhere(test)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=8), st.integers(0, 3))
def test_however_a_follower_comes_and_goes_it_reads_every_entry_once(visits: list[tuple[int, int]], pace: int) -> None:
    """It comes after so many hundredths of a second, reads so many chunks and leaves; the last time it stays."""

    async def test(world: World) -> None:
        found: list[StreamChunk] = []
        position = None
        async with world.relay() as relay, relay.publish("s", said(*WORDS, seconds=0.01 * pace)):
            for wait, count in visits:
                await trio.sleep(wait / 100)
                async with relay.follow("s", position) as chunks:
                    for _ in range(count):
                        if chunks.ending is None and not (found and isinstance(found[-1], Done)):
                            found.append(await anext(chunks))
                    position = chunks.position
            found += await heard(relay, "s", position)

        assert await published(world, "s") == found
        assert_the_same(WORDS, found)

    in_memory(test)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keep_seconds": 0}, "'keep_seconds' must be > 0"),
        ({"max_entries": 1}, "'max_entries' must be >= 2"),
        ({"beat_seconds": -1}, "'beat_seconds' must be > 0"),
        ({"dead_after": 1.5}, r"dead_after: expected two beats \(beat_seconds, 1\) at least"),
    ],
)
def test_a_setting_that_can_not_be_is_refused(settings: dict[str, float], words: str) -> None:
    """With its name."""
    with pytest.raises((ValueError, ConfigError), match=words):
        RelaySettings(**settings)


def test_an_address_that_can_not_be_is_refused() -> None:
    """With what would be right."""

    async def test(_world: World) -> None:
        with pytest.raises(ConfigError, match="has to begin with redis://"):
            async with open_relay("localhost:6379"):
                pass

    in_memory(test)


def test_a_relay_in_memory_needs_nothing() -> None:
    """`open_relay()` is one process's own."""

    async def chunks() -> AsyncIterator[StreamChunk]:
        yield Text("Hi")
        yield Done()

    async def test(_world: World) -> None:
        async with open_relay() as relay:
            async with relay.publish("s", chunks()):
                pass
            assert "Hi" == text_of(await heard(relay, "s"))

    in_memory(test)
