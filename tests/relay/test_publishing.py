"""What is published, under which name, and how it ends: whatever its chunks, its reader or its publisher do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from worlds import (
    Anywhere,
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

import gestura
from gestura.chunks import Cancelled, Done, Error, Narration, Paused, Status, StreamChunk, Text, ToolCallArgs
from gestura.errors import ConfigError, ErrorKind
from gestura.parts import ToolCall
from gestura.relay import Relay, RelayError, StreamExists, UnknownStream
from gestura.simulator.scenario import Sending
from gestura.testing import ScriptedModel, reply, scripted_client

SLOWLY = Sending(interval=0.05)
STORY = [f"{count} " for count in range(200)]


# Names.


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a\x00", "\u2028", "a" * 201])
def test_a_name_that_can_be_none_is_refused(name: str) -> None:
    """With what would be one."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            with pytest.raises(ConfigError, match="is no name of a stream; one is 1 to 200 printable characters"):
                async with relay.publish(name, said(Done())):
                    pass
            with pytest.raises(ConfigError, match="is no name of a stream"):
                await relay.submit("Hi", stream_id=name)

    in_memory(test)


@pytest.mark.parametrize("name", ["a", "a" * 200, "user:7/τ-🙂{}*"])
def test_a_name_is_anything_printable(anywhere: Anywhere, name: str) -> None:
    """Without blanks, up to 200 characters."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish(name, said("Hi", Done())):
                pass
            assert [Text("Hi"), Done()] == await heard(relay, name)

    anywhere(test)


def test_a_name_is_given_once(anywhere: Anywhere) -> None:
    """In the same process or another, while its stream is published, or kept, or waits for a worker."""

    async def test(world: World) -> None:
        async with world.relay() as here, world.relay() as there:
            await here.submit("Hi", stream_id="submitted")
            async with here.publish("s", endless()) as publication:
                for relay in (here, there):
                    for name in ("s", "submitted"):
                        with pytest.raises(StreamExists):
                            async with relay.publish(name, endless()):
                                pass
                        with pytest.raises(StreamExists):
                            await relay.submit("Hi", stream_id=name)
                publication.token.cancel()
            with pytest.raises(StreamExists):
                async with here.publish("s", endless()):
                    pass

    anywhere(test)


def test_names_are_made_up(anywhere: Anywhere) -> None:
    """Each stream gets one of its own."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish(None, said(Done())) as one, relay.publish(None, said(Done())) as two:
                pass
            assert one.stream_id != two.stream_id
            assert [Done()] == await heard(relay, one.stream_id)

    anywhere(test)


async def test_a_name_needs_a_publisher() -> None:
    """`stream_id` without `publish` would be lost."""
    async with scripted_client([]) as client:
        with pytest.raises(ConfigError, match="give publish="):
            async with client.stream("Hi", stream_id="s"):
                pass


# Endings.


def test_chunks_that_stop_without_an_ending_end_with_an_error(anywhere: Anywhere) -> None:
    """Followers need one."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", said("Hi")):
                pass
            ending = Error(
                "the stream that was published stopped without an ending",
                kind=ErrorKind.RELAY,
                code="no_ending",
                partial=gestura.assistant("Hi"),
            )
            assert [Text("Hi"), ending] == await heard(relay, "s")

    anywhere(test)


def test_chunks_that_raise_raise_and_end_with_an_error(anywhere: Anywhere) -> None:
    """The exception leaves the block as it was; followers are told its name, and not its words."""

    async def broken() -> AsyncIterator[StreamChunk]:
        yield Text("Hi")
        raise ValueError("with a secret")

    async def test(world: World) -> None:
        async with world.relay() as relay:
            with pytest.raises(ValueError, match="with a secret"):
                async with relay.publish("s", broken()):
                    await trio.sleep_forever()
            *_, ending = await heard(relay, "s")
            assert isinstance(ending, Error)
            assert (ErrorKind.INTERNAL, "ValueError") == (ending.kind, ending.code)
            assert "secret" not in str(ending)

    anywhere(test)


def test_what_follows_an_ending_is_not_published(anywhere: Anywhere) -> None:
    """And the generator is closed."""
    closed = []

    async def talkative() -> AsyncIterator[StreamChunk]:
        try:
            yield Done()
            yield Text("and another thing")
        finally:
            closed.append(True)

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", talkative()):
                pass
            assert [Done()] == await heard(relay, "s")

    anywhere(test)
    assert [True] == closed


@pytest.mark.parametrize("way_out", ["raises", "cancelled"])
def test_a_publisher_that_leaves_early_publishes_what_it_took(anywhere: Anywhere, way_out: str) -> None:
    """And that it was cancelled, with what was shown."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            with trio.CancelScope() as scope:
                try:
                    async with relay.publish("s", endless()):
                        await trio.sleep(0.1)
                        if way_out == "raises":
                            raise KeyError(way_out)  # noqa: TRY301  # it leaves the block
                        scope.cancel()
                        await trio.sleep_forever()
                except KeyError:
                    pass
            *shown, ending = await heard(relay, "s")
            assert Cancelled(partial=gestura.assistant(text_of(shown))) == ending
            assert text_of(shown).startswith("0 1 ")

    anywhere(test)


def test_the_entries_of_a_stream_have_a_ceiling(anywhere: Anywhere) -> None:
    """It ends there, and says which setting it was; what is there already stays."""

    async def test(world: World) -> None:
        async with world.relay(max_entries=5) as relay:
            async with relay.publish("s", endless()) as publication:
                with within(5):
                    ending = await publication.wait_ended()

            assert isinstance(ending, Error)
            assert (ErrorKind.LIMIT, "max_entries") == (ending.kind, ending.code)
            assert "more than 5 entries (max_entries)" in ending.message
            *shown, last = await published(world, "s")
            assert 5 == len(shown) + 1
            assert ending == last
            assert gestura.assistant(text_of(shown)) == ending.partial

    anywhere(test)


def test_a_stream_as_long_as_the_ceiling_is_whole(anywhere: Anywhere) -> None:
    """The ending counts."""

    async def test(world: World) -> None:
        async with world.relay(max_entries=4) as relay:
            async with relay.publish("s", said("a", "b", "c", Done(), seconds=0.05)):
                pass
            assert_the_same([Text("abc"), Done()], await heard(relay, "s"))

    anywhere(test)


def test_chunks_of_somebodys_own_may_be_odd(anywhere: Anywhere) -> None:
    """Arguments of a call that never began are published as they are."""

    async def test(world: World) -> None:
        odd = ToolCallArgs("c1", "{}")
        async with world.relay() as relay:
            async with relay.publish("s", said(odd, Done())):
                pass
            assert [odd, Done()] == await heard(relay, "s")

    anywhere(test)


def test_a_chunk_that_can_not_be_written_down_ends_the_stream(anywhere: Anywhere) -> None:
    """With an error, as any bug does, and not with an exception amid it; what came before it stands."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", said("a", Text(object()), "b", Done(), seconds=0.05)) as publication:  # type: ignore[arg-type]  # a bug
                ending = await publication.wait_ended()
            assert isinstance(ending, Error)
            assert ErrorKind.INTERNAL is ending.kind
            with within(2):
                assert [Text("a"), ending] == await heard(relay, "s")

    anywhere(test)


# Orders.


@pytest.mark.parametrize(("order", "ending"), [("cancel", Cancelled), ("pause", Paused)])
@pytest.mark.parametrize("door", ["stream", "run", "stream_into"])
def test_orders_reach_every_kind_of_stream(anywhere: Anywhere, order: str, ending: type, door: str) -> None:
    """Its reader and its followers are given the same ending, with what was shown."""

    async def test(world: World) -> None:
        async def tell() -> None:
            await trio.sleep(0.2)
            await getattr(there, order)("s")

        read: list[StreamChunk] = []
        model = [reply(*STORY, sending=SLOWLY)]
        async with world.relay() as here, world.relay() as there, scripted_client(model) as client:
            with within(2):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(tell)
                    if door == "stream_into":
                        send, receive = trio.open_memory_channel[StreamChunk](0)
                        nursery.start_soon(lambda: client.stream_into("Hi", send, publish=here, stream_id="s"))
                        read = [chunk async for chunk in receive]
                    else:
                        async with getattr(client, door)("Hi", publish=here, stream_id="s") as chunks:
                            read = [chunk async for chunk in chunks]

            assert isinstance(read[-1], ending)
            assert_the_same(read, await heard(there, "s"))

    anywhere(test)


def test_an_order_ends_one_stream_and_no_other_of_the_same_token(anywhere: Anywhere) -> None:
    """The user's token ends both; an order from afar the one that it names."""

    async def test(world: World) -> None:
        token = gestura.CancellationToken()
        model = [reply(*STORY, sending=SLOWLY)] * 2
        async with (
            world.relay() as relay,
            scripted_client(model) as client,
            client.stream("Hi", token=token, publish=relay, stream_id="a") as one,
            client.stream("Hi", token=token, publish=relay, stream_id="b") as two,
        ):
            await relay.pause("a")
            with within(1):
                assert isinstance([chunk async for chunk in one][-1], Paused)
            await anext(two)
            assert token.state is gestura.cancellation.TokenState.RUNNING
            token.cancel()
            assert isinstance([chunk async for chunk in two][-1], Cancelled)

    anywhere(test)


def test_chunks_that_do_not_obey_are_left(anywhere: Anywhere) -> None:
    """Within a second, whatever they do; the ending is told for them, and can be resumed."""

    async def deaf() -> AsyncIterator[StreamChunk]:
        yield Text("Hi")
        await trio.sleep_forever()

    async def test(world: World) -> None:
        request = gestura.Request.of("Say Hi")
        async with (
            world.relay() as relay,
            relay.publish("s", deaf(), request=request, model="m"),
            relay.follow("s") as chunks,
        ):
            await heard_some(chunks, 1)
            await relay.pause("s")
            with within(1):
                rest = [chunk async for chunk in chunks]

        assert [Paused(partial=gestura.assistant("Hi"), request=request, model="m")] == rest

    anywhere(test)


def test_a_stream_of_a_client_can_be_published_by_hand(anywhere: Anywhere) -> None:
    """Its token is reached, though it was asked for with none."""

    async def test(world: World) -> None:
        model = [reply(*STORY, sending=SLOWLY)]
        async with world.relay() as relay, scripted_client(model) as client, client.stream("Hi") as chunks:
            async with relay.publish("s", chunks):
                await trio.sleep(0.2)
                await relay.cancel("s")
            assert isinstance(chunks.ending, Cancelled)
            assert chunks.ending == (await heard(relay, "s"))[-1]

    anywhere(test)


def test_orders_come_before_and_after(anywhere: Anywhere) -> None:
    """Before the publisher does: it ends at once. After the ending: nothing happens."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            await world.log.begin("s", publisher="first", about=b"{}", keep_seconds=60)
            await relay.pause("s")
            async with relay.publish("s", endless(), instead_of=await relay.state("s")):
                pass
            followed = await heard(relay, "s")
            assert isinstance(followed[-1], Paused)

            await relay.cancel("s")
            await relay.pause("s")
            assert followed == await heard(relay, "s")

    anywhere(test)


@pytest.mark.parametrize("call", ["cancel", "pause", "interrupted", "state"])
def test_what_is_not_published_can_be_told_nothing(anywhere: Anywhere, call: str) -> None:
    """It is unknown."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            with pytest.raises(UnknownStream):
                await getattr(relay, call)("s")

    anywhere(test)


@pytest.mark.parametrize(("order", "ending"), [("cancel", Cancelled), ("pause", Paused)])
def test_what_waits_for_a_worker_can_be_stopped(anywhere: Anywhere, order: str, ending: type) -> None:
    """At once, though nobody has taken it up; paused, it is as if it had been asked for later."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            stream_id = await relay.submit("Hi", provider="a", model="b")
            await getattr(relay, order)(stream_id)
            (last,) = await heard(relay, stream_id)
            assert isinstance(last, ending)
            if isinstance(last, Paused):
                assert (gestura.Request.of("Hi"), "a", "b") == (last.request, last.provider, last.model)

    anywhere(test)


# Streams of a client.


def test_a_turn_is_published_and_goes_on_elsewhere(anywhere: Anywhere) -> None:
    """All its answers and results, as one stream; paused, on another machine, it ends as it would have."""

    @gestura.tool
    async def look_up(city: str) -> str:
        """The weather."""
        return f"sunny in {city}"

    async def test(world: World) -> None:
        call = ToolCall("c1", "look_up", '{"city": "Oslo"}')
        model = ScriptedModel([reply("Let me see.", call), reply(*STORY, sending=SLOWLY), reply("None.")])
        async with world.relay() as relay, scripted_client(model) as client:
            async with client.run("Umbrella?", tools=[look_up], publish=relay, stream_id="s") as run:
                async for chunk in run:
                    if chunk == gestura.AgentLoopIteration(1):
                        await relay.pause("s")
            assert isinstance(run.ending, Paused)
            async with client.run(
                await relay.interrupted("s"), tools=[look_up], publish=relay, stream_id="rest"
            ) as rest:
                await rest.collect()

            assert "None." == text_of(await heard(relay, "rest"))
            assert 3 == len(model.requests)

    anywhere(test)


def test_a_slow_reader_slows_the_published_stream() -> None:
    """As it slows any other; followers are given what it was."""

    async def test(world: World) -> None:
        model = [reply(*(f"{count} " for count in range(2000)))]
        async with world.relay() as relay, scripted_client(model) as client:
            async with client.stream("Hi", publish=relay, stream_id="s") as chunks:
                await trio.sleep(60)
                assert len(text_of(await published(world, "s")).split()) < 2000
                read = [chunk async for chunk in chunks]
            assert_the_same(
                [chunk for chunk in read if not isinstance(chunk, gestura.TokenUsageUpdate)],
                [chunk for chunk in await heard(relay, "s") if not isinstance(chunk, gestura.TokenUsageUpdate)],
            )

    in_memory(test)


def test_news_never_waits_for_the_log() -> None:
    """The reader has it at once; the log, where there is no room, does not have it, and the rest is whole."""

    async def test(world: World) -> None:
        log = world.faulty()
        model = [reply(*STORY)]
        async with world.relay(log=log, reach_seconds=100.0) as relay, scripted_client(model) as client:
            async with relay.begin("s") as publication:
                log.out = True
                while publication.has_room():
                    publication.offer(Text("a"))
                for news in (Status("still here"), Narration(gestura.PublicNarration("a", "b"), _STAGE)):
                    publication.offer(news)
                assert {"Status": 1, "Narration": 1} == publication.dropped
                log.out = False
                await publication.end(Done())
            assert [Text("a" * 256), Done()] == await heard(relay, "s")
            del client

    in_memory(test)


_STAGE = gestura.NarrationStage.PLANNING


def test_a_program_that_is_watched_and_published_tells_the_same() -> None:
    """An observer and a publication stand side by side."""
    told: list[StreamChunk] = []
    endings: list[object] = []

    class Watch:
        def begin(self, _asked: object) -> Watch:
            return self

        def chunk(self, chunk: StreamChunk) -> None:
            told.append(chunk)

        def end(self, ending: object, _statistics: object) -> None:
            endings.append(ending)

    async def test(world: World) -> None:
        settings = gestura.ProviderSettings(kind="openai_chat", model="m", api_key="k", base_url="http://localhost")
        config = gestura.StreamingConfig(primary="p", providers={"p": settings})
        async with (
            world.relay() as relay,
            gestura.open_client(config, transport=ScriptedModel([reply("Hi")]), observer=Watch()) as client,
            client.stream("Hi", publish=relay, stream_id="s") as chunks,
        ):
            await chunks.collect()

        assert_the_same([*told, *endings], await heard_later(world))

    async def heard_later(world: World) -> list[StreamChunk]:
        return await published(world, "s")

    in_memory(test)


def test_streams_expire(anywhere: Anywhere) -> None:
    """So long after their ending; not while they are published, however long that takes."""

    async def look_again_and_again(relay: Relay) -> None:
        with trio.fail_after(20):
            while True:
                await relay.state("s")
                await trio.sleep(0.1)

    async def test(world: World) -> None:
        async with world.relay(keep_seconds=1.0) as relay:
            async with relay.publish("s", said("a", "b", Done(), seconds=0.6)):
                assert_the_same([Text("ab"), Done()], await heard(relay, "s"))
            with pytest.raises(UnknownStream):
                await look_again_and_again(relay)

    anywhere(test)


class _Slow:
    """A log of which one call takes its time: before it is obeyed, or before its answer is heard."""

    def __init__(self, log: Any, *, orders: float = 0.0, begin: float = 0.0) -> None:
        self._log = log
        self._orders = orders
        self._begin = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def begin(self, *args: Any, **options: Any) -> Any:
        state = await self._log.begin(*args, **options)
        await trio.sleep(self._begin)
        return state

    @asynccontextmanager
    async def orders(self, publisher: str) -> AsyncIterator[Any]:
        await trio.sleep(self._orders)
        async with self._log.orders(publisher) as orders:
            yield orders


@pytest.mark.parametrize("slow", [{"begin": 0.3}, {"orders": 0.3}])
def test_an_order_that_comes_while_the_publisher_begins_is_obeyed(anywhere: Anywhere, slow: dict[str, float]) -> None:
    """Before it knows that its stream has begun; before it listens to orders."""

    async def test(world: World) -> None:
        async def tell() -> None:
            await trio.sleep(0.1)
            await there.cancel("s")

        log: Any = _Slow(world.log, **slow)
        async with world.relay() as there, world.relay(log=log) as here, trio.open_nursery() as nursery:
            nursery.start_soon(tell)
            async with here.publish("s", endless()) as publication:
                with within(1):
                    assert isinstance(await publication.wait_ended(), Cancelled)

    anywhere(test)


def test_a_log_that_refuses_a_stream_for_good_ends_it_at_once_in_its_own_words() -> None:
    async def test(world: World) -> None:
        log = world.faulty()

        def refuse(name: str) -> None:
            if name == "append":
                raise RelayError("WRONGTYPE, as the test wants")

        log.before = refuse
        async with world.relay(log=log) as relay, relay.publish("s", said("Hi", Done(), seconds=1)) as publication:
            pass

        assert isinstance(publication.ending, Error)
        assert "log_refused" == publication.ending.code
        assert "WRONGTYPE, as the test wants" in publication.ending.message
        assert 1 == log.calls["append"]

    in_memory(test)
