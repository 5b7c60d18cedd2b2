"""What the user holds: a stream that ends once, takes chunks of the user's own, and disturbs no other."""

from __future__ import annotations

import pytest
import trio
from scripting import ANSWER, answers, by_provider, delta, open_scripted, text
from trio.testing import MockClock, wait_all_tasks_blocked

import gestura
from gestura.cancellation import CancellationToken
from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Error,
    FinishReason,
    Paused,
    Status,
    StreamChunk,
    Text,
    ToolCallResult,
)
from gestura.errors import ConfigError, StreamFailed
from gestura.parts import ToolCall
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait

RESULT = ToolCallResult("tool", True, "output", 5)


# Iterating.


async def test_the_ending_is_given_once_and_kept():
    """It comes last, as a chunk, and then as `ending`; iterating again gives nothing more."""
    async with open_scripted(answers(ANSWER)) as client, client.stream("Hi") as stream:
        assert stream.ending is None
        chunks = [chunk async for chunk in stream]
        assert stream.ending is chunks[-1]
        assert [] == [chunk async for chunk in stream]
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    assert [Text("Hello")] == chunks[:-1]
    assert stream.ending is chunks[-1]


async def test_iterating_may_be_broken_off_and_taken_up_again():
    """A stream is one iterator, however many loops take from it; nothing is lost between them."""
    async with open_scripted(answers(*map(text, "abc"), ANSWER)) as client, client.stream("Hi") as stream:
        first = []
        async for chunk in stream:
            first.append(chunk)
            if chunk == Text("b"):
                break
        rest = [chunk async for chunk in stream]

    assert [Text("a"), Text("b")] == first
    assert [Text("c"), Text("Hello")] == rest[:-1]


async def test_a_cancelled_wait_for_a_chunk_loses_none(autojump_clock: MockClock):
    """A deadline around one wait is a fine way to do something else meanwhile."""
    async with open_scripted(answers(text("a"), Wait(5), ANSWER)) as client, client.stream("Hi") as stream:
        chunks = []
        while stream.ending is None:
            with trio.move_on_after(0.7):
                chunks.append(await anext(stream))

    assert [Text("a"), Text("Hello")] == chunks[:-1]


async def test_a_stream_is_of_no_use_after_its_block(autojump_clock: MockClock):
    """Iterating, collecting and emitting raise what a closed channel of Trio's does, ended or not."""
    async with open_scripted([answers(ANSWER), answers(Hang())]) as client:
        async with client.stream("Hi") as ended:
            await ended.collect()
        async with client.stream("Hi") as left:
            pass

    for stream in (ended, left):
        with pytest.raises(trio.ClosedResourceError):
            await anext(stream)
        with pytest.raises(trio.ClosedResourceError):
            await stream.collect()
        with pytest.raises(trio.ClosedResourceError):
            await stream.emit(RESULT)
    assert left.ending is None
    assert 0 == left.statistics().deepest_queue


async def test_a_fast_stream_does_not_starve_other_tasks():
    """Though chunks that wait are given without a checkpoint, another task has its turn before they are many."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    script = answers(*[text("a") * 100] * 50, ANSWER)
    async with open_scripted(script) as client, trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        async with client.stream("Hi") as stream:
            async for _ in stream:
                pass
        nursery.cancel_scope.cancel()

    assert turns > 5000 / 256


# Emitting.


async def test_chunks_of_ones_own_stand_in_their_place(autojump_clock: MockClock):
    """What an agent emits comes behind what waits, and before what comes later."""
    async with open_scripted(answers(text("a"), Wait(1), ANSWER)) as client, client.stream("Hi") as stream:
        await trio.sleep(0.5)
        await stream.emit(RESULT)
        chunks = [chunk async for chunk in stream]

    assert [Text("a"), RESULT, Text("Hello")] == chunks[:-1]


async def test_chunks_of_ones_own_may_come_before_all_others():
    """The channel is open as soon as the block is."""
    async with open_scripted(answers(ANSWER)) as client, client.stream("Hi") as stream:
        await stream.emit(RESULT)
        chunks = [chunk async for chunk in stream]

    assert [RESULT, Text("Hello")] == chunks[:-1]


async def test_a_lossless_chunk_waits_for_whoever_iterates(autojump_clock: MockClock):
    """Behind a full channel it is another task's to make room."""
    emitted = []

    async def emit() -> None:
        await stream.emit(RESULT)
        emitted.append(trio.current_time())

    script = answers(*[text("a")] * 300, Wait(10), ANSWER)
    async with open_scripted(script) as client, client.stream("Hi") as stream, trio.open_nursery() as nursery:
        await trio.sleep(1)
        nursery.start_soon(emit)
        await trio.sleep(1)
        assert not emitted
        chunks = [chunk async for chunk in stream]

    assert [2] == emitted
    assert RESULT in chunks


@pytest.mark.parametrize(
    "ending", [Done(), Cancelled(), Error("no"), ContextOverflow("no"), Paused(provider="a", request=None)]
)
async def test_an_ending_can_not_be_emitted(ending: StreamChunk):
    """Streams end by themselves, once."""
    async with open_scripted(answers(ANSWER)) as client, client.stream("Hi") as stream:
        with pytest.raises(ValueError, match=type(ending).__name__):
            await stream.emit(ending)
        chunks = [chunk async for chunk in stream]

    assert [Text("Hello")] == chunks[:-1]


async def test_a_stream_that_has_ended_takes_no_more(autojump_clock: MockClock):
    """Who emits into it learns so, and whoever waited for room when it ended does, too."""
    async with open_scripted(answers(ANSWER)) as client, client.stream("Hi") as stream:
        await trio.sleep(1)
        with pytest.raises(trio.ClosedResourceError):
            await stream.emit(RESULT)
        assert [Text("Hello")] == [chunk async for chunk in stream][:-1]


async def test_what_was_emitted_is_no_part_of_what_the_model_said():
    """An agent's own text is not in the partial answer, and does not forbid a retry."""
    script = [answers(connecting=[Break()]), answers(text("Hel"), Break())]
    retry = gestura.RetryPolicy(max_attempts=2, initial_delay=0)
    async with open_scripted(script, retry=retry) as client, client.stream("Hi") as stream:
        await stream.emit(Text("mine"))
        chunks = [chunk async for chunk in stream]

    ending = chunks[-1]
    assert Text("mine") in chunks
    assert isinstance(ending, Error)
    assert 2 == ending.attempts
    assert ending.partial is not None
    assert "Hel" == ending.partial.text


# Collecting.


async def test_a_stream_can_be_collected():
    """Text, thinking, refusal, calls and the ending, as one answer."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": 1}'}}
    script = answers(
        delta(reasoning_content="Hm"), text("Hel"), text("lo"), delta(tool_calls=[call]), delta("tool_calls")
    )
    async with open_scripted(script) as client, client.stream("Hi") as stream:
        answer = await stream.collect()

    assert ("Hello", "Hm", "") == (answer.text, answer.thinking, answer.refusal)
    assert (ToolCall("c", "f", '{"a": 1}'),) == answer.tool_calls
    assert FinishReason.TOOL_CALLS is answer.done.finish_reason


async def test_the_rest_of_a_stream_can_be_collected():
    """What was iterated over before is not in it."""
    async with open_scripted(answers(text("a"), text("b"), ANSWER)) as client, client.stream("Hi") as stream:
        await anext(stream)

        assert "bHello" == str(await stream.collect())
        assert not str(await stream.collect())


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answers(connecting=[Break()]), Error),
        (answers(b'{"error": {"code": "context_length_exceeded"}}', status=400), ContextOverflow),
    ],
)
async def test_an_answer_that_failed_is_raised_where_it_is_wanted_whole(script: ScriptedExchange, kind: type):
    """`ask` and `collect` raise `StreamFailed`, which holds the ending."""
    async with open_scripted(script) as client:
        with pytest.raises(StreamFailed) as asked:
            await client.ask("Hi")
        async with client.stream("Hi") as stream:
            with pytest.raises(StreamFailed) as collected:
                await stream.collect()

    assert isinstance(asked.value.ending, kind)
    assert isinstance(collected.value.ending, kind)


@pytest.mark.parametrize(("strike", "kind"), [("cancel", Cancelled), ("pause", Paused)])
async def test_a_question_can_be_taken_back(autojump_clock: MockClock, strike: str, kind: type):
    """`ask` under a token that is used raises `StreamFailed` with what had come."""
    token = CancellationToken()
    async with open_scripted(answers(text("Hel"), Hang())) as client, trio.open_nursery() as nursery:

        async def strike_later() -> None:
            await trio.sleep(1)
            getattr(token, strike)()

        nursery.start_soon(strike_later)
        with pytest.raises(StreamFailed) as caught:
            await client.ask("Hi", token=token)

    assert isinstance(caught.value.ending, kind)
    assert caught.value.ending.partial is not None
    assert trio.current_time() == pytest.approx(1)


# Side by side.


async def test_two_streams_of_a_client_do_not_disturb_each_other(autojump_clock: MockClock):
    """One is read slowly and then left, the other goes its way, chunk by chunk."""
    played = by_provider(
        a=answers(*[text("a") * 10] * 100, Hang()), b=answers(text("b"), Wait(5), text("b"), Wait(5), ANSWER)
    )
    moments = []

    async def read_b() -> None:
        async with client.stream("Hi", provider="b") as stream:
            moments.extend([(trio.current_time(), type(chunk)) async for chunk in stream])

    async with open_scripted(played) as client, trio.open_nursery() as nursery:
        async with client.stream("Hi", provider="a") as stream:
            nursery.start_soon(read_b)
            await trio.sleep(3)
            await anext(stream)
            await trio.sleep(4)
        await wait_all_tasks_blocked()

    assert [(0, Text), (5, Text), (10, Text), (10, Done)] == moments


async def test_streams_may_be_nested():
    """A stream may be opened and read while another is."""
    async with open_scripted(answers(text("a"), ANSWER)) as client, client.stream("Hi") as outer:
        first = await anext(outer)
        inner = str(await client.ask("Hi"))
        rest = str(await outer.collect())

    assert (Text("a"), "aHello", "Hello") == (first, inner, rest)


@pytest.mark.parametrize("prompt", ["", [], (), 5, None, [5], {"role": "user"}])
async def test_a_prompt_that_is_none_is_refused_before_anything_is_sent(prompt: object):
    """At once, where the mistake is; an empty string is a message all the same."""
    played = ScriptedTransport(lambda _: answers(ANSWER))
    async with open_scripted(played) as client:
        if prompt == "":
            assert "Hello" == str(await client.ask(""))
            return
        with pytest.raises(ConfigError, match=r"prompt|messages"):
            async with client.stream(prompt):
                pass
    assert not played.exchanges


# Into a channel.


async def pour(client: gestura.Client, take: int | None, token: CancellationToken | None = None) -> list[StreamChunk]:
    """Pour a stream into a channel, and take so many chunks of it before closing the other end."""
    send, receive = trio.open_memory_channel[StreamChunk](0)
    chunks = []
    async with trio.open_nursery() as nursery:
        with receive:
            nursery.start_soon(lambda: client.stream_into("Hi", send, token=token))
            async for chunk in receive:
                chunks.append(chunk)
                if len(chunks) == take:
                    break
    with pytest.raises(trio.ClosedResourceError):
        send.send_nowait(Status("the channel is closed"))
    return chunks


async def test_a_stream_can_be_poured_into_a_channel():
    """All its chunks, the ending last; then the channel is closed."""
    async with open_scripted(answers(text("a"), ANSWER)) as client:
        chunks = await pour(client, None)

    assert [Text("a"), Text("Hello")] == chunks[:-1]
    assert isinstance(chunks[-1], Done)


async def test_whoever_closes_the_other_end_ends_the_stream():
    """The pouring returns quietly, and the exchange is closed."""
    played = ScriptedTransport([answers(*[text("a")] * 500, Hang())])
    async with open_scripted(played) as client:
        assert [Text("a")] == await pour(client, 1)

    assert played.exchanges[0].closed


async def test_pouring_listens_to_a_token(autojump_clock: MockClock):
    """As a stream does: the ending comes out of the channel."""
    token = CancellationToken()
    async with open_scripted(answers(text("a"), Hang())) as client, trio.open_nursery() as nursery:

        async def cancel_later() -> None:
            await trio.sleep(1)
            token.cancel()

        nursery.start_soon(cancel_later)
        chunks = await pour(client, None, token)

    assert [Text, Cancelled] == [type(chunk) for chunk in chunks]


@pytest.mark.parametrize("way", ["cancelled", "misused"])
async def test_the_channel_is_closed_on_every_way_out(autojump_clock: MockClock, way: str):
    """Whoever reads from it is never left waiting."""
    send, receive = trio.open_memory_channel[StreamChunk](0)
    async with open_scripted(answers(Hang())) as client:
        if way == "cancelled":
            with trio.move_on_after(1):
                await client.stream_into("Hi", send)
        else:
            with pytest.raises(ConfigError):
                await client.stream_into([], send)

    assert [] == [chunk async for chunk in receive]
