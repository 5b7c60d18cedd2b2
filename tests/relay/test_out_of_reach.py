"""A log that is out of reach: for a while, which nobody notices, and for too long."""

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
    said,
    text_of,
    within,
)

import gestura
from gestura.chunks import Cancelled, Done, Error, StreamChunk, Text
from gestura.relay import LogUnreachable
from gestura.relay.publication import CHUNKS_TO_THE_LOG
from gestura.testing import reply, scripted_client

WORDS: list[StreamChunk] = [*(Text(f"{count} ") for count in range(30)), Done()]


@pytest.mark.parametrize("fault", ["out", "deaf"])
def test_a_while_out_of_reach_is_not_noticed(anywhere: Anywhere, fault: str) -> None:
    """By a publisher or by a follower: nothing lost, nothing twice. Nor where the log obeys, and is not heard."""

    async def test(world: World) -> None:
        log = world.faulty()

        async def disturb() -> None:
            for _ in range(3):
                await trio.sleep(0.1)
                setattr(log, fault, True)
                await trio.sleep(0.2)
                setattr(log, fault, False)

        async with trio.open_nursery() as nursery, world.relay(log=log, reach_seconds=10.0) as relay:
            nursery.start_soon(disturb)
            async with relay.publish("s", said(*WORDS, seconds=0.03)):
                assert_the_same(WORDS, await heard(relay, "s"))

    anywhere(test)


@given(st.lists(st.sampled_from(["", "out", "deaf"]), max_size=60), st.integers(0, 5))
def test_whichever_calls_fail_nothing_is_lost_or_doubled(faults: list[str], leave_every: int) -> None:
    """Each call to the log may fail before or after it is obeyed; and a follower may leave and come back."""

    async def test(world: World) -> None:
        log = world.faulty()
        pending = list(faults)

        def next_fault(_name: str) -> None:
            fault = pending.pop() if pending else ""
            log.out, log.deaf = fault == "out", fault == "deaf"

        log.before = next_fault
        found: list[StreamChunk] = []
        position = None
        patient = world.relay(log=log, reach_seconds=1000.0, dead_after=1000.0)
        async with patient as relay, relay.publish("s", said(*WORDS, seconds=0.01)):
            while not (found and isinstance(found[-1], Done)):
                async with relay.follow("s", position) as chunks:
                    async for chunk in chunks:
                        found.append(chunk)
                        position = chunks.position
                        if leave_every and len(found) % leave_every == 0:
                            break

        assert_the_same(WORDS, found)

    in_memory(test)


def test_out_of_reach_for_too_long_ends_the_stream(anywhere: Anywhere) -> None:
    """For its reader, with what was shown; and for its followers, once the log is back: nobody waits for ever.

    The publisher's process lives, so nobody takes it for dead.
    """

    async def test(world: World) -> None:
        log = world.faulty()
        async with (
            world.relay(log=log, reach_seconds=1.0) as here,
            world.relay() as there,
            here.publish("s", endless()) as publication,
        ):
            async with there.follow("s") as chunks:
                first = await heard_some(chunks, 2)
                log.out = True
                with within(5):
                    ending = await publication.wait_ended()
                log.out = False
                with within(5):
                    rest = [chunk async for chunk in chunks]

            assert isinstance(ending, Error)
            assert ("log_unreachable", True) == (ending.code, ending.retryable)
            assert ending == rest[-1]
            assert gestura.assistant(text_of([*first, *rest])) == ending.partial

    anywhere(test)


def test_a_follower_out_of_reach_for_too_long_is_told(anywhere: Anywhere) -> None:
    """With one `Error`, and can go on later from where it was."""

    async def test(world: World) -> None:
        log = world.faulty()
        async with world.relay() as here, world.relay(log=log, reach_seconds=1.0) as there:
            async with here.publish("s", endless()) as publication:
                async with there.follow("s") as chunks:
                    first = await heard_some(chunks, 2)
                    log.out = True
                    rest = [chunk async for chunk in chunks]
                log.out = False
                publication.token.cancel()

            assert isinstance(rest[-1], Error)
            assert ("log_unreachable", True) == (rest[-1].code, rest[-1].retryable)
            followed = [*first, *rest[:-1], *await heard(there, "s", chunks.position)]
            assert_the_same(await heard(there, "s"), followed)

    anywhere(test)


def test_the_doors_raise_where_the_log_is_out_of_reach(anywhere: Anywhere) -> None:
    """When nothing has begun, there is no stream to end."""

    async def test(world: World) -> None:
        log = world.faulty()
        log.out = True
        async with world.relay(log=log, reach_seconds=0.2) as relay:
            for door in (relay.follow("s"), relay.publish("s", said(*WORDS)), relay.begin("s")):
                with pytest.raises(LogUnreachable):
                    async with door:
                        pytest.fail("the door is open")
            for call in (relay.cancel("s"), relay.pause("s"), relay.submit("Hi"), relay.interrupted("s")):
                with pytest.raises(LogUnreachable):
                    await call

    anywhere(test)


def test_a_log_that_does_not_answer_is_out_of_reach(anywhere: Anywhere) -> None:
    """A call that hangs is given up, and made again."""

    async def test(world: World) -> None:
        class Hanging(FaultyLog):
            hangs = 1

            async def append(self, *args: object, **options: object) -> None:
                if self.hangs:
                    self.hangs -= 1
                    await trio.sleep_forever()
                await world.log.append(*args, **options)  # type: ignore[arg-type]  # passed on as they are

        hanging = world.relay(log=Hanging(world.log), answer_seconds=0.1)
        async with hanging as relay, relay.publish("s", said(*WORDS)):
            assert_the_same(WORDS, await heard(relay, "s"))

    anywhere(test)


def test_a_slow_log_slows_the_chunks_down() -> None:
    """No more than a queue of them waits, and what may be dropped does not wait at all."""

    async def test(world: World) -> None:
        given = 0

        async def chunks() -> AsyncIterator[StreamChunk]:
            nonlocal given
            for _ in range(1000):
                given += 1
                yield Text("a")
            yield Done()

        log = world.faulty()
        async with world.relay(log=log, reach_seconds=100.0) as relay:
            async with relay.publish("s", chunks()) as publication:
                log.out = True
                await trio.sleep(10)
                assert CHUNKS_TO_THE_LOG <= given <= CHUNKS_TO_THE_LOG + 2
                publication.offer(gestura.Status("still here"))
                assert {"Status": 1} == publication.dropped
                log.out = False
            assert "a" * 1000 == text_of(await heard(relay, "s"))

    in_memory(test)


def test_no_more_than_a_queue_of_chunks_is_held() -> None:
    """At any time, those included that are on their way to a log that takes its time."""

    async def test(world: World) -> None:
        given, most = 0, 0

        async def chunks() -> AsyncIterator[StreamChunk]:
            nonlocal given
            for _ in range(1000):
                given += 1
                yield gestura.RetryAttempt(1, 2, 3, "one entry for each")
                await trio.sleep(0.001)
            yield Done()

        class SlowLog(FaultyLog):
            async def append(self, *args: Any, **options: Any) -> None:
                nonlocal most
                await trio.sleep(1)
                most = max(most, given - (options["first"] - 1))
                await self.log.append(*args, **options)

        log: Any = SlowLog(world.log)
        async with world.relay(log=log, answer_seconds=100.0) as relay, relay.publish("s", chunks()):
            pass

        assert CHUNKS_TO_THE_LOG <= most <= CHUNKS_TO_THE_LOG + 1  # and the one that waits for room

    in_memory(test)


def test_the_reader_of_a_published_stream_is_told_too() -> None:
    """`client.stream` ends for its own reader as it ends for the others."""

    async def test(world: World) -> None:
        log = world.faulty()
        async with world.relay(log=log, reach_seconds=1.0) as relay:
            model = [reply(*(f"{count} " for count in range(100)), sending=gestura.testing.Sending(interval=0.1))]
            async with scripted_client(model) as client:
                async with client.stream("Hi", publish=relay, stream_id="s") as chunks:
                    async for _ in chunks:
                        log.out = True
                assert isinstance(chunks.ending, Error)
                assert gestura.ErrorKind.RELAY is chunks.ending.kind
            log.out = False
            await trio.sleep(1)
            assert chunks.ending == (await heard(relay, "s"))[-1]

    in_memory(test)


def test_leaving_does_not_wait_for_a_log_that_is_away(anywhere: Anywhere) -> None:
    """By a cancellation: no longer than `leave_seconds`; and the log is told when it is back."""

    async def test(world: World) -> None:
        log = world.faulty()
        async with world.relay(log=log, leave_seconds=0.2) as relay:
            with within(0.5), trio.CancelScope() as scope:
                async with relay.publish("s", endless()):
                    await trio.sleep(0.1)
                    log.out = True
                    scope.cancel()
                    await trio.sleep_forever()
            log.out = False
            with within(5):
                assert isinstance((await heard(relay, "s"))[-1], Cancelled)

    anywhere(test)


@pytest.mark.parametrize("fault", ["out", "deaf"])
def test_an_ending_that_is_on_its_way_stands(anywhere: Anywhere, fault: str) -> None:
    """The log may have it already, so nobody may be told another one; it has it for sure when it is back."""

    async def test(world: World) -> None:
        log = world.faulty()
        async with world.relay(log=log, reach_seconds=0.2) as relay:
            async with relay.begin("s") as publication:
                publication.offer(Text("Hi"))
                await trio.sleep(0.05)
                setattr(log, fault, True)
                assert Done() == await publication.end(Done())
            setattr(log, fault, False)
            with within(5):
                assert [Text("Hi"), Done()] == await heard(relay, "s")

    anywhere(test)
