"""Invariant 5: once text, thinking or a tool call has reached the user, an attempt is never silently repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misfortunes import Plan, configs, scripts, transport
from scripting import ANSWER, THRICE, answers, by_provider, config, delta, run_virtually, text

import gestura
from gestura.chunks import (
    Done,
    Error,
    RetryAttempt,
    Status,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.config import AfterOutput, StreamingConfig
from gestura.transport.scripted import Break, ScriptedExchange, ScriptedTransport

CONTENT = (Text, Thinking, ToolCallStart, ToolCallArgs, ToolCallEnd)


async def read(
    settings: StreamingConfig, played: ScriptedTransport
) -> tuple[list[StreamChunk], list[tuple[StreamChunk, int]]]:
    """All chunks; and the content among them, each with how many requests had been made when it came."""
    chunks, content = [], []
    async with gestura.open_client(settings, transport=played) as client, client.stream("Hi") as stream:
        async for chunk in stream:
            chunks.append(chunk)
            if isinstance(chunk, CONTENT):
                content.append((chunk, len(played.exchanges)))
    return chunks, content


def speaker(chunk: StreamChunk) -> str:
    """Which exchange the words of a chunk, or the call, come from."""
    match chunk:
        case Text(words) | Thinking(words):
            return words[0]
        case ToolCallStart(id) | ToolCallArgs(id) | ToolCallEnd(id):
            return id[0]
    raise AssertionError(chunk)


@given(configs(after_output=st.just(AfterOutput.END)), scripts())
def test_nothing_is_asked_after_output(settings: StreamingConfig, script: Sequence[Plan]):
    """By default, output is the end of all asking: no request follows it, and all of it is one attempt's."""
    played = transport(script)
    chunks, content = run_virtually(read, settings, played)

    assert len({speaker(chunk) for chunk, _ in content}) <= 1
    if content:
        _, requests = content[0]
        assert requests == len(played.exchanges)
        announced = [place for place, chunk in enumerate(chunks) if isinstance(chunk, RetryAttempt)]
        assert all(place < chunks.index(content[0][0]) for place in announced)


@given(configs(after_output=st.sampled_from([AfterOutput.RESTART, AfterOutput.CONTINUE])), scripts())
def test_a_second_attempt_after_output_is_announced(settings: StreamingConfig, script: Sequence[Plan]):
    """Where it was asked for, words of another attempt follow only an announcement, and never a tool call."""
    chunks, _ = run_virtually(read, settings, transport(script))
    speaking, announced, calling = None, False, False
    for chunk in chunks:
        match chunk:
            case RetryAttempt(discard=discard):
                assert not calling
                announced = announced or discard or settings.after_output is AfterOutput.CONTINUE
            case Status():  # of the next provider, which goes on
                announced = announced or settings.after_output is AfterOutput.CONTINUE
            case Text() | Thinking() | ToolCallStart() | ToolCallArgs() | ToolCallEnd():
                assert speaking in (None, speaker(chunk)) or announced
                if speaking != speaker(chunk):
                    assert not calling
                    speaking, announced = speaker(chunk), False
                calling = calling or isinstance(chunk, ToolCallStart)


TOOL_CALL = delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "tool", "arguments": "{}"}}])


@pytest.mark.parametrize(
    "output", [text("Hel"), delta(reasoning_content="Hm"), delta(refusal="I"), TOOL_CALL, text("<think>")]
)
@pytest.mark.parametrize("after", list(AfterOutput))
def test_what_counts_as_output(output: bytes, after: AfterOutput):
    """Text, thinking, a refusal and a tool call end the right to a silent retry; a tag alone shows nothing."""
    broken = answers(output, Break())
    played = ScriptedTransport([broken, answers(ANSWER)])
    chunks, _ = run_virtually(read, config(retry=THRICE, after_output=after), played)
    shows_nothing = output == text("<think>")
    repeats = shows_nothing or (after is not AfterOutput.END and output != TOOL_CALL)

    assert (2 if repeats else 1) == len(played.exchanges)
    assert isinstance(chunks[-1], Done if repeats else Error)


def bodies(played: ScriptedTransport) -> list[list[dict[str, str]]]:
    return [json.loads(exchange.request.body)["messages"] for exchange in played.exchanges]


def test_an_answer_is_continued_from_what_was_shown():
    """The next request holds the words that were shown, so the user sees one answer."""
    played = ScriptedTransport([answers(text("Hel"), Break()), answers(text("lo"), delta("stop"))])
    chunks, _ = run_virtually(read, config(retry=THRICE, after_output=AfterOutput.CONTINUE), played)

    assert "Hello" == "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
    assert [False] == [chunk.discard for chunk in chunks if isinstance(chunk, RetryAttempt)]
    assert {"role": "assistant", "content": "Hel"} in bodies(played)[1]


@pytest.mark.parametrize("shown", [delta(reasoning_content="Hm"), delta(refusal="I")])
@pytest.mark.parametrize("fallback", [(), ("b",)])
def test_what_can_not_be_continued_is_discarded(shown: bytes, fallback: tuple[str, ...]):
    """An answer that broke off before its text begins anew, by another provider too, and the user is told to forget."""
    broken, whole = answers(shown, Break()), answers(ANSWER)
    played: ScriptedTransport = ScriptedTransport([broken, whole])
    if fallback:
        played = by_provider(a=ScriptedExchange(body=[shown, Break(retryable=False)]), b=whole)
    settings = config(retry=THRICE, after_output=AfterOutput.CONTINUE, fallback=fallback)
    chunks, _ = run_virtually(read, settings, played)

    assert [True] == [chunk.discard for chunk in chunks if isinstance(chunk, RetryAttempt)]
    assert bodies(played)[0] == bodies(played)[1]
    assert isinstance(chunks[-1], Done)
