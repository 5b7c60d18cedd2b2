"""Between OpenAI's terms and gestura's: pure, both ways, and round."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import strategies
from hypothesis import given, reject
from hypothesis import strategies as st

from gestura import Request
from gestura.answer import Transcript
from gestura.chat_dialect import ChatDialect
from gestura.chunk_json import converter
from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Error,
    FinishReason,
    Paused,
    Refusal,
    RetryAttempt,
    Signature,
    Status,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.errors import ConfigError, ErrorKind
from gestura.providers._openai_chat_body import chat_body
from gestura.providers.openai_chat import ChatDecoder
from gestura.serving.openai_answer import CompletionEvents, completion, failure_of
from gestura.serving.openai_request import read_chat_request
from gestura.serving.refused import Refused
from gestura.serving.stream_request import read_stream_request
from gestura.stages import deltas
from gestura.testing import run_inline
from gestura.usage import TokenUsage

HI = [{"role": "user", "content": "Hi"}]
DIALECT = ChatDialect(reasoning_returned_in="reasoning_content")


@given(strategies.requests())
def test_a_body_means_what_was_asked(request: Request) -> None:
    """What gestura sends as Chat Completions is read as a request that is sent in the same words."""
    try:
        body = chat_body(request, "some-model", DIALECT)
    except ConfigError:
        reject()  # nothing was sent
    body = msgspec.json.decode(msgspec.json.encode(body))
    read = read_chat_request(body)

    assert ("some-model", True, True) == (read.model, read.stream, read.tells_usage)
    assert body == msgspec.json.decode(msgspec.json.encode(chat_body(read.request, "some-model", DIALECT)))


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ({"parallel_tool_calls": False}, "parallel_tool_calls"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"temperatur": 1}, "temperatur"),
    ({"temperature": "hot"}, "temperature"),
    ({"temperature": 3}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": 0}, "max_completion_tokens"),
    ({"logit_bias": {"1": 2}}, "logit_bias"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}},
        "response_format.json_schema.name",
    ),
    ({"stop": [1]}, "stop"),
    ({"stream_options": {"usage": True}}, "stream_options.usage"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"tools": [{"type": "custom"}]}, "tools[0].type"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
    ({"messages": "Hi"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "robot", "content": "Hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]},
        "messages[0].content[0].image_url.url",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
        "messages[0]",
    ),
    ({"messages": [*HI, {"role": "system", "content": "late"}]}, "messages[1].role"),
    (
        {"messages": [{"role": "system", "content": "s"}, *HI, {"role": "tool", "tool_call_id": "c", "content": "r"}]},
        "messages[2]",
    ),
    ({"messages": [{"role": "user", "content": "Hi", "name": "bob"}]}, "messages[0].name"),
    ({"model": None}, "model"),
)


@pytest.mark.parametrize(("wrong", "path"), REFUSED)
def test_what_cant_be_is_named(wrong: dict[str, Any], path: str) -> None:
    """The error says where in the body it is, as the caller wrote it."""
    with pytest.raises(Refused) as caught:
        read_chat_request({"model": "m", "messages": HI, **wrong})

    assert (400, path) == (caught.value.status, caught.value.path)


def test_values_that_ask_for_nothing_are_passed_over() -> None:
    """Callers send OpenAI's defaults along."""
    idle = {"n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0.0, "user": "u", "store": False}
    idle |= {"parallel_tool_calls": True, "logit_bias": {}, "tool_choice": "auto", "temperature": None, "metadata": {}}

    assert read_chat_request({"model": "m", "messages": HI}) == read_chat_request(
        {"model": "m", "messages": HI, **idle}
    )


GARBAGE = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=3) | st.just("text") | st.just("user"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "function", "name", "parts", "x"]), inner)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "model",
                "messages",
                "prompt",
                "tools",
                "stop",
                "response_format",
                "tool_choice",
                "system",
                "sampling",
                "stream_options",
                "reasoning",
                "extra",
                "reasoning_effort",
            ]
        ),
        GARBAGE | st.lists(GARBAGE, max_size=3),
    )
    | GARBAGE
)
def test_garbage_is_refused_or_read(body: Any) -> None:
    """Any JSON is a request or is refused with a message; nothing else comes out, of either interface."""
    for read in (read_chat_request, read_stream_request):
        with suppress(Refused):
            read(body)


# Answers.


@st.composite
def answers(draw: st.DrawFn) -> list[StreamChunk]:
    """The chunks of an answer, calls one after the other, as streams give them."""
    words = strategies.plain_text(min_size=1)
    chunks: list[StreamChunk] = []
    for number in range(draw(st.integers(0, 4))):
        chunks += draw(
            st.lists(st.builds(Text, words) | st.builds(Thinking, words) | st.builds(Refusal, words), max_size=3)
        )
        if draw(st.booleans()):
            chunks.append(ToolCallStart(f"call-{number}", "add"))
            chunks += [ToolCallArgs(f"call-{number}", each) for each in draw(st.lists(words, max_size=3))]
            chunks.append(ToolCallEnd(f"call-{number}"))
        chunks += draw(st.sampled_from([[], [Status("still here")], [RetryAttempt(1, 3, 0, "again")]]))
    counts = st.none() | st.builds(
        TokenUsage, input_tokens=st.integers(0, 99), output_tokens=st.integers(0, 99), cached_input_tokens=st.none()
    )
    reason = draw(st.sampled_from([FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS]))
    return [*chunks, Done(finish_reason=reason, usage=draw(counts))]


def events_for(chunks: list[StreamChunk]) -> list[dict[str, Any]]:
    events = CompletionEvents("chatcmpl-1", model="m", created=1, tells_usage=True)
    return [event for chunk in chunks for event in events.feed(chunk)]


@given(answers())
def test_events_are_read_as_what_was_said(chunks: list[StreamChunk]) -> None:
    """gestura's own decoder of Chat Completions makes of them what they were made of."""
    frames = [deltas.Frame(json.dumps(event)) for event in events_for(chunks)] + [deltas.Frame("[DONE]")]
    read = run_inline(ChatDecoder(), [frames])

    def of(kind: type, values: Any) -> str:
        return "".join(each.text for each in values if isinstance(each, kind))

    for kind in (Text, Thinking, Refusal):
        assert of(kind, chunks) == of(kind, read)
    fragments = [each for each in read if isinstance(each, deltas.ToolCallFragment)]
    for index, start in enumerate(each for each in chunks if isinstance(each, ToolCallStart)):
        own = [each for each in fragments if each.index == index]
        assert [(start.id, start.name)] == [(each.id, each.name) for each in own if each.id]
        said = "".join(each.fragment for each in chunks if isinstance(each, ToolCallArgs) and each.id == start.id)
        assert said == "".join(each.arguments for each in own)
    done = chunks[-1]
    refused = any(isinstance(each, Refusal) for each in chunks) and done.finish_reason is FinishReason.STOP
    assert [FinishReason.REFUSAL if refused else done.finish_reason] == [
        each.reason for each in read if isinstance(each, deltas.Finish)
    ]
    told = [each.usage.parts() for each in read if isinstance(each, deltas.Usage)]
    assert ([done.usage.parts()] if done.usage else []) == told
    assert isinstance(read[-1], deltas.Terminal)


@given(answers())
def test_the_whole_says_what_the_events_say(chunks: list[StreamChunk]) -> None:
    """An answer as one object has the same text, reasoning, calls, reason and counts as its events."""
    transcript = Transcript()
    for chunk in chunks:
        transcript.add(chunk)
    whole = completion(transcript, chunks[-1], completion_id="chatcmpl-1", model="m", created=1)
    events = events_for(chunks)
    said = [choice["delta"] for event in events for choice in event["choices"]]

    message = whole["choices"][0]["message"]
    for field in ("content", "reasoning_content", "refusal"):
        assert "".join(delta.get(field) or "" for delta in said) == (message.get(field) or "")
    reasons = [choice["finish_reason"] for event in events for choice in event["choices"]]
    assert whole["choices"][0]["finish_reason"] == reasons[-1]
    assert [None] * (len(reasons) - 1) == reasons[:-1]
    arguments = [call["function"] for delta in said for call in delta.get("tool_calls", ())]
    assert "".join(call["function"]["arguments"] for call in message.get("tool_calls", ())) == "".join(
        each["arguments"] for each in arguments
    )
    assert whole.get("usage") == events[-1].get("usage")


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        (Error("no", kind=ErrorKind.RATE_LIMITED), 429, "rate_limited"),
        (Error("no", kind=ErrorKind.BAD_REQUEST, code="bad_schema"), 400, "bad_schema"),
        (Error("no", kind=ErrorKind.AUTHENTICATION), 502, "authentication"),
        (Error("no", kind=ErrorKind.CONNECTION), 502, "connection"),
        (Error("no", kind=ErrorKind.TIMEOUT), 504, "timeout"),
        (Error("no", kind=ErrorKind.INTERNAL), 500, "internal"),
        (ContextOverflow("too long"), 400, "context_length_exceeded"),
        (Cancelled(), 503, "cancelled"),
        (Paused(), 503, "paused"),
    ],
)
def test_failures_have_a_status_and_a_word(ending: Any, status: int, code: str) -> None:
    """And are an event with the same word, and nothing after it, where the answer has begun."""
    failure = failure_of(ending)

    assert failure is not None
    assert (status, code) == (failure.status, failure.code)

    events = CompletionEvents("chatcmpl-1", model="m", created=1, tells_usage=True)
    events.feed(Text("Once"))

    assert [code] == [event["error"]["code"] for event in events.feed(ending)]
    assert [] == events.feed(Text("upon"))


def test_an_answer_that_begins_anew_is_a_failure() -> None:
    """What was shown can't be taken back in a stream of this API, so nothing follows it."""
    events = CompletionEvents("chatcmpl-1", model="m", created=1, tells_usage=False)
    anew = RetryAttempt(1, 3, 0, "broke off", discard=True)

    assert [] == events.feed(anew)

    events.feed(Text("Once"))

    assert ["begun_anew"] == [event["error"]["code"] for event in events.feed(anew)]
    assert [] == [*events.feed(Text("Once upon a time")), *events.feed(Done())]


def test_seals_and_news_are_left_out() -> None:
    """They have no words there."""
    assert [] == events_for([Status("…"), Signature("seal", sealed_by="anthropic")])


# gestura's own terms.


@given(strategies.requests())
def test_a_request_in_gestura_s_terms_is_read_as_it_is(request: Request) -> None:
    """Every field of a request can be written as JSON, and is the same when it is read."""
    written = json.loads(json.dumps(converter().unstructure(request)))
    read = read_stream_request({**written, "provider": "p", "model": "m"})

    assert (request, "p", "m") == (read.request, read.provider, read.model)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "prompt"),
        ({"prompt": "a", "messages": []}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "Hi", "promt": 1}, "promt"),
        ({"messages": [{"role": "user", "parts": [{"type": "text"}]}]}, "messages[0].parts[0].text"),
        ({"prompt": "Hi", "sampling": {"temperatur": 1}}, "sampling.temperatur"),
        ({"prompt": "Hi", "sampling": {"temperature": "hot"}}, "sampling.temperature"),
        ({"prompt": "Hi", "sampling": {"temperature": 9}}, "sampling.temperature"),
        ({"prompt": "Hi", "tools": [{"nome": "x"}]}, "tools[0]"),
        ({"prompt": "Hi", "tools": [{"name": "a b"}]}, "tools[0].name"),
        ({"prompt": "Hi", "reasoning": "much"}, "reasoning"),
        ({"prompt": "Hi", "system": 7}, "system"),
        ({"prompt": "Hi", "response_format": {"type": "string"}}, "response_format.schema"),
    ],
)
def test_errors_in_gestura_s_terms_name_the_path(body: dict[str, Any], path: str) -> None:
    """So that a caller finds the place."""
    with pytest.raises(Refused) as caught:
        read_stream_request(body)

    assert path == caught.value.path


def test_a_wrong_kind_of_value_is_told_in_the_same_words_everywhere() -> None:
    """What was expected, and what was found."""
    for body, words in (
        ({"prompt": 1}, "prompt: expected a string, found 1"),
        ({"prompt": "Hi", "sampling": {"temperature": "hot"}}, "sampling.temperature: expected a number, found 'hot'"),
        ({"prompt": "Hi", "tools": [{"name": 1}]}, "tools[0].name: expected str, found int"),
    ):
        with pytest.raises(Refused) as caught:
            read_stream_request(body)
        assert words == str(caught.value)


def test_tools_and_formats_may_be_written_as_providers_write_them() -> None:
    """A tool in a provider's shape, a format as its JSON Schema, instructions as a string."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    read = read_stream_request({"prompt": "Hi", "system": "Be brief.", "tools": [tool], "response_format": schema})

    assert ("get_weather", "Be brief.", "answer") == (
        read.request.tools[0].name,
        read.request.system[0].text,
        read.request.response_format.name,
    )
