"""Publishing and following, as a specification: over the log in memory, in virtual time."""

from __future__ import annotations

import pytest
import trio
from worlds import World, assert_the_same, endless, heard, heard_some, in_memory, said, text_of

import gestura
from gestura.chunks import Cancelled, Done, Paused, StreamChunk, Text
from gestura.relay import UnknownStream
from gestura.testing import reply, scripted_client

WORDS: list[StreamChunk] = [Text("One "), Text("two "), Text("three."), Done()]


def test_what_is_published_is_followed():
    """A follower in another process is given the same chunks, live, and the ending last."""

    async def test(world: World) -> None:
        async with world.relay() as here, world.relay() as there:
            async with here.publish("s", said(*WORDS, seconds=1)) as publication:
                followed = await heard(there, "s")

            assert WORDS == followed
            assert "1-4" == str(publication.position)
            assert Done() == publication.ending

    in_memory(test)


def test_who_comes_late_is_given_all():
    """A stream is followed from its beginning, and so after its ending, too."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with relay.publish("s", said(*WORDS, seconds=1)):
                pass

            assert WORDS == await heard(relay, "s")
            assert WORDS[2:] == await heard(relay, "s", "1-2")

    in_memory(test)


def test_a_stream_of_a_client_is_published():
    """What the reader of `client.stream` is given is followed elsewhere, under a name that was made up."""

    async def test(world: World) -> None:
        async with world.relay() as relay, scripted_client([reply("Hello", " there")]) as client:
            async with client.stream("Hi", publish=relay) as chunks:
                read = [chunk async for chunk in chunks]

            assert chunks.stream_id is not None
            assert_the_same(read, await heard(relay, chunks.stream_id))

    in_memory(test)


@pytest.mark.parametrize(("order", "ending"), [("cancel", Cancelled), ("pause", Paused)])
def test_orders_reach_the_publisher(order: str, ending: type):
    """Within a second, from another process, the stream ends as it was told to."""

    async def test(world: World) -> None:
        async with world.relay() as here, world.relay() as there, here.publish("s", endless()) as publication:
            async with there.follow("s") as chunks:
                await heard_some(chunks, 3)
                told = trio.current_time()
                await getattr(there, order)("s")
                rest = [chunk async for chunk in chunks]

            assert trio.current_time() - told <= 1
            assert isinstance(rest[-1], ending)
            assert rest[-1] == publication.ending

    in_memory(test)


def test_a_stream_that_nobody_published_is_unknown():
    """So it is said on entering."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            with pytest.raises(UnknownStream):
                async with relay.follow("s"):
                    pass

    in_memory(test)


def test_a_reader_who_leaves_ends_the_stream_as_cancelled():
    """Followers are told with what had been shown."""

    async def test(world: World) -> None:
        async with world.relay() as relay, scripted_client([reply("Hello", " there")]) as client:
            async with client.stream("Hi", publish=relay, stream_id="s") as chunks:
                read = [await anext(chunks)]

            followed = await heard(relay, "s")
            assert isinstance(followed[-1], Cancelled)
            assert text_of(followed).startswith(text_of(read))
            assert gestura.assistant(text_of(followed)) == followed[-1].partial

    in_memory(test)


def test_a_submitted_stream_waits_and_can_be_cancelled():
    """It has a name and an ending before any worker has seen it."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            stream_id = await relay.submit("Hi")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(relay.cancel, stream_id)

                assert [Cancelled()] == await heard(relay, stream_id)

    in_memory(test)


def test_what_broke_off_goes_on_elsewhere():
    """From the request and the partial answer that were published, as a new stream."""

    async def test(world: World) -> None:
        model = [reply("The sky"), reply(" is blue")]
        async with world.relay() as relay, scripted_client(model) as client:
            async with client.stream("Why?", publish=relay, stream_id="s") as chunks:
                await anext(chunks)
            paused = await relay.interrupted("s")
            assert paused.request == gestura.Request.of("Why?")
            async with client.resume(paused, publish=relay, stream_id="rest") as rest:
                await rest.collect()

            assert " is blue" == text_of(await heard(relay, "rest"))

    in_memory(test)
