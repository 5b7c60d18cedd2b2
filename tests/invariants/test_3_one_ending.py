"""Invariant 3: every stream ends with exactly one ending, whatever the server, the network or the consumer does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from misfortunes import Plan, Reader, configs, readers, scripts, transport
from scripting import ANSWER, ENDINGS, answers, config, open_scripted, run_virtually, text

import gestura
from gestura.cancellation import CancellationToken
from gestura.chunks import Cancelled, Done, Paused, StreamChunk, Text
from gestura.config import StreamingConfig
from gestura.transport.scripted import Hang, ScriptedTransport


def assert_ends_once(chunks: Sequence[StreamChunk]) -> StreamChunk:
    assert [False] * (len(chunks) - 1) + [True] == [isinstance(chunk, ENDINGS) for chunk in chunks]
    return chunks[-1]


async def read_once(settings: StreamingConfig, script: Sequence[Plan], reader: Reader) -> None:
    played, token = transport(script), CancellationToken()
    async with gestura.open_client(settings, transport=played) as client, trio.open_nursery() as nursery:
        nursery.start_soon(reader.use, token)
        async with client.stream("Hi", token=token) as stream:
            chunks = await reader.read(stream)
            if stream.ending is not None:
                await assert_is_over(stream)
        assert all(exchange.closed for exchange in played.exchanges)
        nursery.cancel_scope.cancel()
    if stream.ending is None:
        assert len(chunks) == reader.leaves_after
        assert not any(isinstance(chunk, ENDINGS) for chunk in chunks)
        return
    assert stream.ending is assert_ends_once(chunks)
    if reader.strikes_at is None or reader.strike == "pause":
        assert not isinstance(stream.ending, Cancelled)
    if reader.strikes_at is None or reader.strike == "cancel":
        assert not isinstance(stream.ending, Paused)


async def assert_is_over(stream: gestura.ChunkStream) -> None:
    """Nothing follows the ending: no further chunk, and no place for one."""
    assert [] == [chunk async for chunk in stream]
    with pytest.raises(trio.ClosedResourceError):
        await stream.emit(Text("too late"))


@given(configs(), scripts(), readers())
def test_every_stream_ends_once(settings: StreamingConfig, script: Sequence[Plan], reader: Reader):
    """One ending, the last chunk and `stream.ending`; every exchange closed, no task left, nothing hangs.

    Whoever leaves before the ending has seen none.
    """
    run_virtually(read_once, settings, script, reader)


async def pour(settings: StreamingConfig, script: Sequence[Plan]) -> list[StreamChunk]:
    send, receive = trio.open_memory_channel[StreamChunk](0)
    async with (
        gestura.open_client(settings, transport=transport(script)) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(client.stream_into, "Hi", send)
        return [chunk async for chunk in receive]


@given(configs(), scripts())
def test_a_stream_poured_into_a_channel_ends_once(settings: StreamingConfig, script: Sequence[Plan]):
    """The ending comes last, and then the channel is closed."""
    assert_ends_once(run_virtually(pour, settings, script))


async def share(settings: StreamingConfig, script: Sequence[Plan]) -> None:
    """Several streams of one client, one of which is left early and one cancelled."""
    played, token = transport(script), CancellationToken()
    endings: list[StreamChunk] = []

    async def stream_one(reader: Reader, own_token: CancellationToken | None) -> None:
        async with client.stream("Hi", token=own_token) as stream:
            chunks = await reader.read(stream)
        if stream.ending is not None:
            endings.append(assert_ends_once(chunks))

    async with gestura.open_client(settings, transport=played) as client, trio.open_nursery() as nursery:
        nursery.start_soon(stream_one, Reader(leaves_after=1), None)
        nursery.start_soon(stream_one, Reader(pauses=(3,)), token)
        nursery.start_soon(Reader(strikes_at=2).use, token)
        for _ in range(3):
            nursery.start_soon(stream_one, Reader(), None)
    assert len(endings) >= 4
    assert all(exchange.closed for exchange in played.exchanges)


@given(configs(), scripts())
def test_streams_of_one_client_each_end_once(settings: StreamingConfig, script: Sequence[Plan]):
    """Sharing a client, its limits and its misfortunes costs no stream its ending."""
    run_virtually(share, settings, script)


async def answer_forty() -> tuple[list[list[StreamChunk]], ScriptedTransport]:
    played = ScriptedTransport(lambda _: answers(text("a"), *[ANSWER] * 3))
    results: list[list[StreamChunk]] = []

    async def one() -> None:
        async with client.stream("Hi") as stream:
            results.append([chunk async for chunk in stream])

    async with gestura.open_client(config(), transport=played) as client, trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(one)
    return results, played


def test_what_comes_after_the_end_of_an_answer_is_not_told():
    """A server that goes on after its `[DONE]`, with another answer even, has been heard to the end."""
    results, _ = run_virtually(answer_forty)

    assert [[Text("a"), Text("Hello")]] * 40 == [chunks[:-1] for chunks in results]
    assert all(isinstance(chunks[-1], Done) for chunks in results)


async def reading_in_a_cancelled_scope() -> list[StreamChunk]:
    chunks = []
    async with open_scripted(answers(text("a"), Hang())) as client:
        with trio.move_on_after(5):
            async with client.stream("Hi") as stream:
                chunks.append(await anext(stream))
                await anext(stream)
    assert stream.ending is None
    return chunks


def test_a_cancel_scope_of_the_users_is_not_an_ending():
    """A stream that Trio cancels from outside stops as any Trio code does; there is nobody to tell an ending to."""
    assert [Text("a")] == run_virtually(reading_in_a_cancelled_scope)
