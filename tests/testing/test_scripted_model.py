"""A model in memory says what a test means, in every wire format, and fails where the test wants."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
import trio

import gestura
from gestura import Done, Error, ErrorKind, FinishReason, RetryAttempt, Text, Thinking, TokenUsage, ToolCall
from gestura.testing import (
    Break,
    CutOff,
    Hang,
    HttpError,
    Phase,
    ScriptedExchange,
    ScriptedModel,
    Sending,
    StreamError,
    Strike,
    Wait,
    merged,
    reply,
    run_in_virtual_time,
    scripted_client,
)

WIRES = ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"]

ANSWER = reply(Thinking("Where is it?"), "In the far north.", ToolCall("c1", "look_up", '{"city": "Alta"}'))
"""One of everything that a model says."""


async def chunks_of(*replies: Any, **options: Any) -> list[gestura.StreamChunk]:
    """What a stream shows, but for news and seals."""
    async with scripted_client(replies, **options) as client, client.stream("Where is Alta?") as stream:
        news = gestura.Status | gestura.TokenUsageUpdate | gestura.Signature
        return [chunk async for chunk in stream if not isinstance(chunk, news)]


@pytest.mark.parametrize("kind", WIRES)
def test_an_answer_is_what_was_meant(kind: str) -> None:
    """What a reply says comes out of the real pipeline, whichever wire format it went through."""
    usage = TokenUsage(input_tokens=9, output_tokens=12)

    async def ask() -> gestura.Answer:
        async with scripted_client([reply(*ANSWER.steps, usage=usage)], kind=kind) as client:
            return await client.ask("Where is Alta?")

    answer = run_in_virtual_time(ask)

    assert ("Where is it?", "In the far north.") == (answer.thinking, answer.text)
    assert [("c1", "look_up", "Alta")] == [(call.id, call.name, call.arguments[-6:-2]) for call in answer.tool_calls]
    assert answer.done.usage is not None
    assert (9, 12) == (answer.done.usage.input_tokens, answer.done.usage.output_tokens)
    assert FinishReason.TOOL_CALLS is answer.done.finish_reason


async def test_words_are_an_answer() -> None:
    """A string is an answer of that text."""
    *said, done = await chunks_of("Hello!")

    assert ([Text("Hello!")], Done) == (merged(said), type(done))


async def test_replies_come_in_turn(autojump_clock: trio.testing.MockClock) -> None:
    """Each request meets the next reply: here a refusal, and the answer to the second attempt."""
    first, *rest, last = await chunks_of(HttpError(status=503), "Hello!")

    assert isinstance(first, RetryAttempt)
    assert ([Text("Hello!")], Done) == (merged(rest), type(last))


async def test_a_function_answers_by_what_is_asked() -> None:
    """A model that is a function sees the JSON body of each request, and so does the test."""

    def echo(body: Mapping[str, Any]) -> str:
        return body["messages"][-1]["content"].upper()

    model = ScriptedModel(echo)
    async with scripted_client(model) as client:
        assert "HI" == str(await client.ask("hi"))

    assert ["hi"] == [body["messages"][0]["content"] for body in model.requests]
    assert [(True, True)] == [(exchange.ended, exchange.closed) for exchange in model.exchanges]


async def test_pacing_takes_virtual_time(autojump_clock: trio.testing.MockClock) -> None:
    """Words that come a minute apart take their minutes, and no time."""
    async with scripted_client([reply("one two three", sending=Sending(interval=60))]) as client:
        await client.ask("Count.")

    assert 240 <= trio.current_time() <= 360


async def test_a_model_gives_up() -> None:
    """An error inside the stream is one of the things a model says."""
    *said, error = await chunks_of(reply("Let me", StreamError("overloaded")))

    assert [Text("Let me")] == merged(said)
    assert isinstance(error, Error)
    assert "overloaded" in error.message


PHASES = [
    # where it breaks off; how many requests there are; whether it ends well; what was shown of the first
    (Phase.CONNECTING, 2, True, ""),
    (Phase.ANSWERING, 2, True, ""),
    (Phase.FIRST_CONTENT, 2, True, ""),
    (Phase.IN_TEXT, 1, False, "In"),
    (Phase.IN_TOOL_CALL, 1, False, "In the far north."),
    (Phase.END, 1, True, "In the far north."),
]


@pytest.mark.parametrize("kind", WIRES)
@pytest.mark.parametrize(("phase", "requests", "ends_well", "shown"), PHASES, ids=lambda value: str(value))
def test_a_connection_breaks_in_a_phase(kind: str, phase: Phase, requests: int, ends_well: bool, shown: str) -> None:
    """A plan says where in the life of a request it strikes, and means the same place in every wire format."""
    model = ScriptedModel([ANSWER, "Again."], faults=[Strike(phase, Break(), request=1)])

    async def ask() -> list[gestura.StreamChunk]:
        async with scripted_client(model, kind=kind) as client, client.stream("Where is Alta?") as stream:
            return [chunk async for chunk in stream]

    chunks = run_in_virtual_time(ask)
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))

    assert (requests, ends_well) == (len(model.requests), isinstance(chunks[-1], Done))
    assert (shown or "Again.") == text
    if phase is Phase.IN_TOOL_CALL:
        assert not any(isinstance(chunk, gestura.ToolCallEnd) for chunk in chunks)


@pytest.mark.parametrize("kind", WIRES)
def test_a_finished_answer_may_lack_its_end(kind: str) -> None:
    """After the reason to stop some wire formats want more. All of the answer has been said by then."""
    chunks = run_in_virtual_time(chunks_of_kind, kind, [Strike(Phase.FINISHED, CutOff())])
    wants_more = kind == "anthropic"

    assert (ErrorKind.TRUNCATED if wants_more else None) == getattr(chunks[-1], "kind", None)
    assert "In the far north." == "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


async def chunks_of_kind(kind: str, faults: list[Strike]) -> list[gestura.StreamChunk]:
    return await chunks_of(ANSWER, kind=kind, faults=faults)


@pytest.mark.parametrize(
    ("what", "kind"),
    [(Hang(), ErrorKind.TIMEOUT), (CutOff(), ErrorKind.TRUNCATED), (b"data: {\n\n", ErrorKind.PROTOCOL)],
    ids=["hang", "cut off", "garbage"],
)
def test_what_can_strike(what: Any, kind: ErrorKind) -> None:
    """A server hangs, stops early, or sends what belongs to nothing; a pause alone does no harm."""
    error = run_in_virtual_time(chunks_of_kind, "openai_chat", [Strike(Phase.IN_TEXT, what)])[-1]
    paused = run_in_virtual_time(chunks_of_kind, "openai_chat", [Strike(Phase.IN_TEXT, Wait(100))])[-1]

    assert isinstance(error, Error)
    assert kind is error.kind
    assert isinstance(paused, Done)


def test_a_fault_needs_a_place() -> None:
    """A fault in a phase that the answer has not is a mistake of the test, and is raised as one."""
    with pytest.raises(ValueError, match="no ToolCallFragment"):
        run_in_virtual_time(scripted_words, [Strike(Phase.IN_TOOL_CALL, Break())])
    with pytest.raises(ValueError, match="no body yet"):
        run_in_virtual_time(scripted_words, [Strike(Phase.CONNECTING, CutOff())])


async def scripted_words(faults: list[Strike]) -> None:
    async with scripted_client(["Hello!"], faults=faults) as client, client.stream("Hi") as stream:
        assert isinstance([chunk async for chunk in stream][-1], Error)


async def test_a_request_too_many_is_a_mistake() -> None:
    """A script that runs out fails the test, though the stream has an ending of its own for it."""
    with pytest.raises(AssertionError, match="one request more"):
        await chunks_of()


async def test_an_open_request_is_a_mistake() -> None:
    """Leaving the client while a stream holds its connection fails the test."""
    model = ScriptedModel(["Hello!"], faults=[Strike(Phase.IN_TEXT, Hang())])
    async with contextlib.AsyncExitStack() as still_open:
        with pytest.raises(AssertionError, match=r"request 1 .* is still open"):
            async with scripted_client(model) as client:
                await anext(await still_open.enter_async_context(client.stream("Hi")))


async def test_wire_bytes_are_a_reply() -> None:
    """What no reply can say is said in bytes, and faults strike there too."""
    raw = ScriptedExchange(body=[b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n', b"data: [DONE]\n\n"])
    whole = await chunks_of(raw)
    broken = await chunks_of(raw, faults=[Strike(Phase.IN_TEXT, Break())])

    assert [Text("Hi"), Text("Hi")] == [whole[0], broken[0]]
    assert [Done, Error] == [type(whole[-1]), type(broken[-1])]


async def test_a_wire_format_without_a_voice_wants_bytes() -> None:
    """A request that gestura can't answer in words is answered in bytes, or is a mistake that says so."""
    settings = gestura.ProviderSettings(kind="mine", model="m")
    config = gestura.StreamingConfig(primary="mine", providers={"mine": settings})

    class Mine(gestura.providers.openai_chat.OpenAIChat):
        def ask(self, request: gestura.Request) -> Any:
            return gestura.transport.HttpRequest(url="https://mine.test/speak", body=b"{}")

    options: dict[str, Any] = {"config": config, "providers": {"mine": Mine}}
    raw = ScriptedExchange(body=[b"data: [DONE]\n\n"])

    assert isinstance((await chunks_of(raw, **options))[-1], Done)
    with pytest.raises(AssertionError, match=r"no voice for https://mine\.test/speak"):
        await chunks_of("Hello!", **options)
    with pytest.raises(ValueError, match="nobody can read"):
        await chunks_of(raw, **options, faults=[Strike(Phase.IN_TEXT, Break())])
