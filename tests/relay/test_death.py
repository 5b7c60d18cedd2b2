"""Publishers that die, and those that only seemed to."""

from __future__ import annotations

import pytest
import trio
from worlds import Anywhere, World, endless, heard, heard_some, publishing_until_death, text_of, within

import gestura
from gestura.chunks import Error, StreamChunk, Text
from gestura.relay import RelayError


def test_a_dead_publisher_is_noticed_and_all_followers_read_the_same_ending(anywhere: Anywhere) -> None:
    """Those that come later as well; it says what happened, and what was shown."""

    async def test(world: World) -> None:
        found: list[list[StreamChunk]] = []

        async def follow(seconds: float) -> None:
            await trio.sleep(seconds)
            found.append(await heard(relay, "s"))

        await publishing_until_death(world, "s", "Hel", "lo")
        async with world.relay() as relay, trio.open_nursery() as nursery:
            for seconds in (0.0, 0.0, 0.1, 1.0):
                nursery.start_soon(follow, seconds)

        assert found == [found[0]] * 4
        *shown, ending = found[0]
        assert "Hello" == text_of(shown)
        assert isinstance(ending, Error)
        assert ("publisher_lost", True) == (ending.code, ending.retryable)
        assert gestura.assistant("Hello") == ending.partial

    anywhere(test)


def test_death_is_noticed_in_time(anywhere: Anywhere) -> None:
    """Not before `dead_after`, and not long after it."""

    async def test(world: World) -> None:
        await publishing_until_death(world, "s", "Hello")
        began = trio.current_time()
        async with world.relay(dead_after=1.0) as relay:
            await heard(relay, "s")

        assert 1.0 <= trio.current_time() - began < 2.0

    anywhere(test)


def test_who_is_only_silent_lives(anywhere: Anywhere) -> None:
    """A publisher that has nothing to say for long is not dead while its process beats."""

    async def test(world: World) -> None:
        async def slowly() -> object:
            yield Text("a")
            await trio.sleep(1.5)
            yield gestura.Done()

        async with world.relay() as here, world.relay() as there, here.publish("s", slowly()):
            assert [Text("a"), gestura.Done()] == await heard(there, "s")

    anywhere(test)


def test_who_comes_back_from_the_dead_can_not_write(anywhere: Anywhere) -> None:
    """A publisher that was cut off is taken for dead. It learns of it, and the stream still has one ending."""

    async def test(world: World) -> None:
        log = world.faulty()
        async with world.relay(log=log, reach_seconds=30.0) as here, world.relay() as there:
            async with here.publish("s", endless()) as publication, there.follow("s") as chunks:
                await heard_some(chunks, 2)
                log.out = True
                rest = [chunk async for chunk in chunks]
                log.out = False
                with within(5):
                    ending = await publication.wait_ended()

            assert isinstance(rest[-1], Error)
            assert isinstance(ending, Error)
            assert ("publisher_lost", "publication_lost") == (rest[-1].code, ending.code)
            assert rest[-1] == (await heard(there, "s"))[-1]

    anywhere(test)


def test_a_stream_that_waits_to_be_taken_over_gets_a_grace(anywhere: Anywhere) -> None:
    """Its followers leave it to whoever may go on with it, and go on with that one, term by term."""

    async def test(world: World) -> None:
        async with world.relay(takeover_seconds=5.0) as relay:
            stream_id = await relay.submit("Hi")
            waiting = await relay.state(stream_id)
            async with relay.follow(stream_id) as chunks, trio.open_nursery() as nursery:
                taken = await world.log.begin(
                    stream_id, publisher="dead", about=b"{}", keep_seconds=60, instead_of=waiting
                )
                await world.log.append(stream_id, term=taken.term, first=1, payloads=[b'{"type":"text","text":"a"}'])
                assert [Text("a")] == await heard_some(chunks, 1)

                async def take_over() -> None:
                    await trio.sleep(1.0)
                    dead = await relay.state(stream_id)
                    async with relay.publish(stream_id, endless(), instead_of=dead):
                        await trio.sleep(0.1)
                        await relay.cancel(stream_id)

                nursery.start_soon(take_over)
                rest = [chunk async for chunk in chunks]

            assert "3" == str(chunks.position)[0]
            assert isinstance(rest[-1], gestura.Cancelled)
            assert "0 " == text_of(rest)[:2]

    anywhere(test)


def test_what_a_dead_publisher_left_is_interrupted(anywhere: Anywhere) -> None:
    """Another process goes on from it; not while the publisher lives."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            request = gestura.Request.of("Hi")
            async with relay.publish("s", endless(), request=request) as publication:
                await trio.sleep(0.1)
                with pytest.raises(RelayError, match="is being published: pause it first"):
                    await relay.interrupted("s")
                publication.token.cancel()

            paused = await relay.interrupted("s")
            assert request == paused.request
            assert paused.partial is not None
            assert text_of(await heard(relay, "s")) == paused.partial.text

    anywhere(test)
