"""Anthropic Messages: what is asked, and what is made of every shape of event."""

from __future__ import annotations

import json
import sys
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import cuts

from gestura.chunks import FinishReason, Refusal, Signature, Text, Thinking, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind, Fault, ProtocolError
from gestura.limits import Limits
from gestura.messages import assistant, user
from gestura.providers._anthropic_thinking import DEFAULT_MAX_TOKENS
from gestura.providers.anthropic import FINISH_REASONS, AnthropicDecoder, AnthropicMessages
from gestura.request_options import Sampling
from gestura.simulator import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.simulator.voices.anthropic import AnthropicVoice
from gestura.stages import fuse
from gestura.stages.deltas import (
    CONTROL_CLASSES,
    Anomaly,
    Finish,
    Frame,
    ModelName,
    Oddity,
    Terminal,
    ToolCallFragment,
    Usage,
)
from gestura.stages.sse import SseFramer
from gestura.stages.tool_calls import ToolCallAssembler
from gestura.testing import check_stage, run_inline
from gestura.usage import TokenUsage

KEY = "sk-ant-canary-0123456789"
STRANGE = Anomaly(Oddity.UNEXPECTED_SHAPE)
UNKNOWN = Anomaly(Oddity.UNKNOWN_EVENT)

# How it asks.


def provider(**settings: Any) -> AnthropicMessages:
    return AnthropicMessages(ProviderSettings(**{"kind": "anthropic", "model": "m", "api_key": KEY} | settings))


def asked(request: Request | None = None, **settings: Any):
    return provider(**settings).ask(request or Request.of("Hi"))


def body_of(request: Request | None = None, **settings: Any) -> dict[str, Any]:
    return json.loads(asked(request, **settings).body)


def hi(**fields: Any) -> Request:
    return Request(messages=(user("Hi"),), **fields)


BARE = {
    "model": "m",
    "max_tokens": DEFAULT_MAX_TOKENS,
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
}


def test_a_bare_prompt_sends_nothing_that_was_not_asked_for():
    """The body of a plain prompt has the model, the message, the wish to stream, and the limit that is demanded."""
    assert BARE == body_of()


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(), {}),
        (Sampling(temperature=0.0), {"temperature": 0.0}),
        (Sampling(top_p=0.5), {"top_p": 0.5}),
        (Sampling(max_output_tokens=7), {"max_tokens": 7}),
        (Sampling(stop=("a", "b")), {"stop_sequences": ["a", "b"]}),
        (Sampling(stop=()), {}),
    ],
)
def test_sampling_is_sent_as_far_as_it_is_told(sampling, sent):
    """Each sampling parameter has its field; zero is not open."""
    assert BARE | sent == body_of(hi(sampling=sampling))


def test_system_instructions_stand_beside_the_conversation():
    """System instructions have a field of their own; the messages keep their order."""
    body = body_of(Request(messages=(user("a"), assistant("b"), user("c")), system="s"))

    assert "s" == body["system"]
    assert [("user", "a"), ("assistant", "b"), ("user", "c")] == [
        (message["role"], message["content"]) for message in body["messages"]
    ]


def test_extra_fields_pass_through_and_win():
    """A provider's own fields go into the body as they are, also over ours."""
    extra = {"max_tokens": 9, "thinking": {"type": "adaptive"}, "metadata": {"user_id": "u"}}

    assert BARE | extra == body_of(hi(extra=extra))


def test_what_json_cannot_express_is_the_users_mistake():
    """A request that can't be written as JSON is a `ConfigError`."""
    with pytest.raises(ConfigError, match="JSON"):
        asked(hi(extra={"metadata": object()}))


def test_the_key_goes_into_one_header_and_nowhere_else():
    """The key is `x-api-key`; the URL, the body and every `repr` are free of it."""
    request = asked()

    assert [("x-api-key", KEY)] == [(name, value) for name, value in request.headers.items() if KEY in value]
    assert KEY not in repr(request) + request.url + request.body.decode() + repr(provider())


def test_headers_of_the_settings_are_sent():
    """Further headers go along and before ours (`anthropic-beta`, another version); without a key there is none."""
    request = asked(api_key="", headers={"anthropic-beta": "b", "anthropic-version": "v"})

    assert {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "anthropic-version": "v",
        "anthropic-beta": "b",
    } == request.headers
    assert "2023-06-01" == asked().headers["anthropic-version"]


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/messages"),
        ("https://gateway.example/anthropic/v1/", "https://gateway.example/anthropic/v1/messages"),
    ],
)
def test_it_posts_to_the_endpoint_below_the_base_url(base_url, url):
    """`messages` stands below the base URL, Anthropic's unless told."""
    request = asked(base_url=base_url)

    assert ("POST", url) == (request.method, request.url)


def test_a_server_without_a_key_may_be_asked_in_the_clear():
    """Plain HTTP to another machine is refused only where a key or a header would go there."""
    there = {"base_url": "http://10.0.0.7:8080"}

    assert "http://10.0.0.7:8080/v1/messages" == asked(api_key="", **there).url
    for secret in ({}, {"api_key": "", "headers": {"Authorization": "Bearer t"}}):
        with pytest.raises(ConfigError, match="plain http"):
            asked(**there, **secret)


# How it reads.


def read(*events: Any) -> list[Any]:
    """What a decoder makes of these events; strings and frames stand for themselves."""
    frames = [each if isinstance(each, Frame) else Frame(_data(each)) for each in events]
    return run_inline(AnthropicDecoder(), [frames])


def _data(each: Any) -> str:
    return each if isinstance(each, str) else json.dumps(each)


def start(kind: Any, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind, **fields}}


def delta(kind: Any, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(word: Any = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": word, "stop_sequence": None, **fields}}


def tool(index: int = 0, **fields: Any) -> dict[str, Any]:
    return start("tool_use", index, **{"id": f"t{index}", "name": "f", "input": {}} | fields)


def piece(arguments: str, index: int = 0) -> dict[str, Any]:
    return delta("input_json_delta", index, partial_json=arguments)


STOP = {"type": "message_stop"}


@pytest.mark.parametrize(
    ("event", "deltas"),
    [
        (start("text", text=""), []),
        (start("text", text="Hi", citations=None), [Text("Hi")]),
        (delta("text_delta", text="Hi"), [Text("Hi")]),
        (delta("text_delta", text=""), []),
        (start("thinking", thinking="", signature=""), []),
        (start("thinking", thinking="hm", signature="s"), [Thinking("hm"), Signature("s", sealed_by="anthropic")]),
        (delta("thinking_delta", thinking="hm"), [Thinking("hm")]),
        (delta("thinking_delta", thinking=""), []),
        (delta("signature_delta", signature="s"), [Signature("s", sealed_by="anthropic")]),
        (delta("signature_delta", signature=""), []),
        (start("redacted_thinking", data="c2VjcmV0"), [Signature("c2VjcmV0", redacted=True, sealed_by="anthropic")]),
        (start("redacted_thinking", data=""), []),
        (delta("citations_delta", citation={"type": "page_location", "cited_text": "x"}), []),
        (start("server_tool_use", id="srvtoolu_1", name="web_search", input={"query": "x"}), []),
        (start("mcp_tool_use", id="mcptoolu_1", name="echo", server_name="s", input={}), []),
        (start("web_search_tool_result", tool_use_id="srvtoolu_1", content=[]), []),
        (start("tool_of_tomorrow_tool_result", tool_use_id="srvtoolu_1", content={}), []),
        (start("container_upload", file_id="file_1"), []),
        (start("compaction", content=None), []),
        (delta("compaction_delta", content="Summary"), []),
        (start("fallback", to={"model": "b"}, **{"from": {"model": "a"}}), [ModelName("b")]),
        (start("fallback"), []),
        (piece('{"query":'), []),
        (stop(), []),
        ({"type": "ping"}, []),
        ({"type": "message_start"}, []),
        ({"type": "message_delta"}, []),
        ({"type": "message_delta", "delta": {"stop_reason": None}, "usage": None}, []),
        (delta("text_delta", text="Hi", unknown={"field": [1, 2]}), [Text("Hi")]),
        (Frame('{"index":0,"delta":{"type":"text_delta","text":"Hi"}}', "content_block_delta"), [Text("Hi")]),
        (Frame("{}", "ping"), []),
    ],
)
def test_each_kind_of_event_has_its_deltas(event, deltas):
    """The model's own words become deltas, nothing empty is told, and what the provider does on its side is normal."""
    assert deltas == read(event)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "news"},
        {},
        {"type": None},
        start("hologram", text="Hi"),
        start(None),
        {"type": "content_block_start", "index": 0},
        delta("hologram_delta", text="Hi"),
        {"type": "content_block_delta", "index": 0},
        Frame("{}", "news"),
    ],
)
def test_unknown_kinds_are_counted(event):
    """An event, a block or a delta of a kind that did not exist when this was written is passed over and counted."""
    assert [UNKNOWN, Text("Hi")] == read(event, delta("text_delta", text="Hi"))


# Tool calls.


def fragment(number: int = 0, **fields: Any) -> ToolCallFragment:
    return ToolCallFragment(index=number, **fields)


def begun(number: int = 0, index: int = 0) -> ToolCallFragment:
    return fragment(number, id=f"t{index}", name="f")


@pytest.mark.parametrize(
    ("events", "deltas"),
    [
        (
            [tool(), piece(""), piece('{"a"'), piece(":1}"), stop()],
            [begun(), fragment(arguments='{"a"'), fragment(arguments=":1}")],
        ),
        ([tool(), stop()], [begun(), fragment(arguments="{}")]),
        ([tool(), piece(""), stop()], [begun(), fragment(arguments="{}")]),
        ([tool(input={"a": "é"}), stop()], [begun(), fragment(arguments='{"a":"é"}')]),
        ([tool(input={"a": 1}), piece('{"b":2}'), stop()], [begun(), fragment(arguments='{"b":2}')]),
        ([tool(input=None), stop()], [begun(), fragment(arguments="{}")]),
        ([tool(input={"a": 1}), STOP], [begun(), fragment(arguments='{"a":1}'), Terminal()]),
        ([tool(), stop(), stop(), stop(7)], [begun(), fragment(arguments="{}")]),
        ([tool(), stop(), piece('{"late":1}')], [begun(), fragment(arguments="{}")]),
    ],
)
def test_the_input_of_a_call_is_its_deltas_or_else_its_start(events, deltas):
    """Arguments are streamed as they come; where no delta brings any, they are the `input` of the start, or `{}`."""
    assert deltas == read(*events)


def test_calls_are_numbered_without_gaps():
    """Calls count from 0 whatever the indexes of their blocks; server tools and text between them count for nothing."""
    events = [start("text", 0), stop(0), tool(1), piece("{", 1), piece("}", 1), stop(1)]
    events += [start("server_tool_use", 2, input={}), piece('{"q":1}', 2), stop(2), tool(3), piece("{}", 3), stop(3)]
    fragments = [each for each in read(*events, STOP) if isinstance(each, ToolCallFragment) and not each.complete]

    assert [(0, "t1", "{}"), (1, "t3", "{}")] == [
        (number, f"t{index}", "".join(each.arguments for each in fragments if each.index == number))
        for number, index in ((0, 1), (1, 3))
    ]
    assert [begun(0, 1), begun(1, 3)] == [each for each in fragments if each.id]


def test_interleaved_calls_are_told_apart():
    """Deltas belong to the block of their index, in whatever order they come."""
    assert [
        begun(0, 0),
        begun(1, 1),
        fragment(1, arguments="[1]"),
        fragment(0, arguments="[0]"),
    ] == read(tool(0), tool(1), piece("[1]", 1), piece("[0]", 0), stop(0), stop(1))


def test_a_call_is_complete_once_another_block_begins():
    """A stop alone may be the work of the token limit; that the model goes on tells that the call before was whole."""
    whole = [begun(), fragment(arguments="{}")]

    assert whole == read(tool(), piece("{}"), stop())
    assert [*whole, fragment(complete=True), Text("Hi")] == read(
        tool(), piece("{}"), stop(), start("text", 1, text="Hi")
    )


def chunks_of(*events: Any) -> list[Any]:
    stages = fuse(AnthropicDecoder(), ToolCallAssembler())
    made = run_inline(stages, [[Frame(json.dumps(each)) for each in events]])
    return [each for each in made if not isinstance(each, CONTROL_CLASSES)]


@pytest.mark.parametrize("word", ["tool_use", "end_turn", None])
def test_calls_end_with_the_answer(word):
    """At the end of the answer every call is delivered whole."""
    assert [ToolCallStart("t0", "f"), ToolCallArgs("t0", "{}"), ToolCallEnd("t0")] == chunks_of(
        tool(), stop(), *([end(word)] if word else []), STOP
    )


@pytest.mark.parametrize("word", ["max_tokens", "model_context_window_exceeded"])
def test_a_call_that_was_cut_off_has_no_end(word):
    """The call that the limit of tokens cut off is never whole, though its block was stopped; those before it are."""
    assert [
        ToolCallStart("t0", "f"),
        ToolCallArgs("t0", "{}"),
        ToolCallEnd("t0"),
        ToolCallStart("t1", "f"),
        ToolCallArgs("t1", '{"path":"/ho'),
    ] == chunks_of(tool(0), stop(0), tool(1), piece('{"path":"/ho', 1), stop(1), end(word), STOP)


# Usage, model, end.

STARTED = {"input_tokens": 10, "output_tokens": 1}


def message(usage: Any = None, model: Any = "m") -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg", "model": model, "content": [], "usage": usage}}


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (STARTED, {"output_tokens": 5}, {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}),
        (
            STARTED,
            {"input_tokens": 30, "output_tokens": 5},
            {"input_tokens": 30, "output_tokens": 5, "total_tokens": 35},
        ),
        (
            STARTED,
            {"input_tokens": None, "output_tokens": 0},
            {"input_tokens": 10, "output_tokens": 0, "total_tokens": 10},
        ),
        (
            STARTED | {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 1000},
            {"output_tokens": 5},
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cached_input_tokens": 100,
                "cache_write_tokens": 1000,
                "total_tokens": 1115,
            },
        ),
        (
            STARTED | {"cache_read_input_tokens": 0, "cache_creation_input_tokens": None},
            {"output_tokens": 5, "cache_read_input_tokens": 7},
            {"input_tokens": 10, "output_tokens": 5, "cached_input_tokens": 7, "total_tokens": 22},
        ),
        (
            STARTED,
            {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}},
            {"input_tokens": 10, "output_tokens": 5, "reasoning_tokens": 3, "total_tokens": 15},
        ),
        (
            STARTED | {"service_tier": "standard", "cache_creation": {"ephemeral_5m_input_tokens": 0}},
            {"output_tokens": 5, "server_tool_use": {"web_search_requests": 1}, "iterations": []},
            {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        ),
        (None, {"output_tokens": 5}, {"output_tokens": 5}),
        ({"input_tokens": 10}, None, {"input_tokens": 10}),
    ],
)
def test_usage_is_joined_from_both_ends(first, last, told):
    """Counts of the start hold until later ones take their place; they are totals, never added to; the total is ours.

    Cached tokens come on top of `input_tokens`. A count that is absent or null is not told.
    """
    deltas = read(message(first), {"type": "message_delta", "delta": {}, "usage": last})

    assert Usage(TokenUsage(**told)) == deltas[-1]


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, {"service_tier": "standard"}])
def test_usage_without_counts_tells_nothing(usage):
    """An empty usage object is no usage."""
    assert [ModelName("m")] == read(message(usage), {"type": "message_delta", "usage": usage})


def test_the_model_is_told_when_it_changes():
    """The model's name is told once, and again when another one takes over."""
    events = [message(), message(), start("fallback", to={"model": "n"}), start("fallback", to={"model": "n"})]

    assert [ModelName("m"), ModelName("n")] == read(*events, message(model=None), message(model=""))


@pytest.mark.parametrize(("word", "reason"), [*FINISH_REASONS.items()])
def test_stop_reasons_are_translated_and_kept(word, reason):
    """Every stop reason of the API has gestura's term beside it."""
    assert [Finish(reason, word)] == read(end(word))


def test_a_stop_reason_of_tomorrow_is_kept_and_counted():
    """A word that is not known ends the answer as `OTHER`."""
    assert [
        Finish(FinishReason.OTHER, "bored"),
        Terminal(),
    ] == read(end("bored"), STOP)


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"type": "refusal", "category": "cyber", "explanation": "Not this."}, [Refusal("Not this.")]),
        ({"type": "refusal", "category": None, "explanation": None}, []),
        (None, []),
    ],
)
def test_the_words_of_a_refusal_are_shown(details, words):
    """The explanation beside the stop reason, where there is one, is the refusal."""
    assert [*words, Finish(FinishReason.REFUSAL, "refusal")] == read(end("refusal", stop_details=details))


@pytest.mark.parametrize(
    ("events", "deltas"),
    [
        ([STOP], [Terminal()]),
        ([Frame('{"type":"message_stop"}', "message_stop", terminated=False)], [Terminal()]),
        ([end(), STOP], [Finish(FinishReason.STOP, "end_turn"), Terminal()]),
        ([end()], [Finish(FinishReason.STOP, "end_turn")]),
        ([delta("text_delta", text="Hi")], [Text("Hi")]),
        ([STOP, message(STARTED), delta("text_delta", text="late"), STOP, "[DONE]"], [Terminal()]),
        ([], []),
    ],
)
def test_an_answer_is_complete_with_message_stop(events, deltas):
    """`message_stop` ends an answer, once, and nothing follows it; neither a stop reason nor the input's end does."""
    assert deltas == read(*events)


@pytest.mark.parametrize("data", ["", " ", "\t"])
def test_empty_data_is_passed_over(data):
    """Events without data are keep-alives."""
    assert [Text("Hi")] == read(data, delta("text_delta", text="Hi"), Frame(data, "error"))


# Failures, told inside a stream that began well.


@pytest.mark.parametrize(
    ("failed", "kind", "words", "code"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ErrorKind.OVERLOADED, "Overloaded", "overloaded_error"),
        ({"type": "api_error", "message": "Internal"}, ErrorKind.SERVER, "Internal", "api_error"),
        ({"type": "timeout_error", "message": "Slow"}, ErrorKind.SERVER, "Slow", "timeout_error"),
        ({"type": "rate_limit_error", "message": "Wait"}, ErrorKind.RATE_LIMITED, "Wait", "rate_limit_error"),
        ({"type": "billing_error", "message": "Pay"}, ErrorKind.QUOTA, "Pay", "billing_error"),
        ({"type": "authentication_error", "message": "No"}, ErrorKind.AUTHENTICATION, "No", "authentication_error"),
        ({"type": "permission_error", "message": "No"}, ErrorKind.AUTHENTICATION, "No", "permission_error"),
        ({"type": "invalid_request_error", "message": "Bad"}, ErrorKind.BAD_REQUEST, "Bad", "invalid_request_error"),
        (
            {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
            ErrorKind.CONTEXT_OVERFLOW,
            "prompt is too long: 210000 tokens > 200000 maximum",
            "invalid_request_error",
        ),
        ("boom", ErrorKind.SERVER, "boom", None),
    ],
)
@pytest.mark.parametrize("event", ["error", ""])
def test_an_error_ends_the_stream(failed, kind, words, code, event):
    """An `error` event is a fault of the kind that its type tells, with the request's id, and nothing follows it."""
    frame = Frame(json.dumps({"type": "error", "error": failed, "request_id": "req_1"}), event)

    assert [Fault(kind=kind, message=words, code=code, request_id="req_1")] == read(frame, STOP)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("upstream went away", "upstream went away"),
        ('{"message":"boom"}', "boom"),
        ('{"type":"overloaded_error","message":"boom"}', "boom"),
        ('{"type":"error"}', "the provider reported an error without a message (no code)"),
        ('{"type":"error","message":{"model":"m"}}', "the provider reported an error without a message (no code)"),
    ],
)
def test_an_event_named_error_is_one_whatever_it_holds(data, words):
    """Gateways put other things than Anthropic's object under the event name `error`, also what is no JSON."""
    (fault,) = read(Frame(data, "error"))

    assert words == fault.message


def test_an_answer_that_reached_its_limit_is_no_overflow():
    """Once the model is answering, a limit of tokens that the provider speaks of is the answer's, not the request's."""
    failed = {"type": "error", "error": {"type": "invalid_request_error", "message": "token limit reached"}}
    (refused,) = read(failed)
    *_, cut_short = read(start("text", text="Hi"), failed)

    assert (ErrorKind.CONTEXT_OVERFLOW, ErrorKind.BAD_REQUEST) == (refused.kind, cut_short.kind)


# What fits into no shape.


@pytest.mark.parametrize(
    ("strange", "deltas"),
    [
        (delta("text_delta", text=5), [STRANGE]),
        (delta("text_delta", text="Hi", signature=5), [STRANGE, Text("Hi")]),
        (delta("text_delta", index="0", text="Hi"), [STRANGE, Text("Hi")]),
        (start("text", text="Hi", input=[1]), [STRANGE, Text("Hi")]),
        (start("thinking", thinking=["hm"], signature="s"), [STRANGE, Signature("s", sealed_by="anthropic")]),
        (start("redacted_thinking", data=5), [STRANGE]),
        (start("fallback", to="b"), [STRANGE]),
        (tool(input="{}", id=5), [STRANGE, ToolCallFragment(index=0, name="f")]),
        (message("10"), [STRANGE, ModelName("m")]),
        (
            message({"input_tokens": "10", "output_tokens": 5}),
            [STRANGE, ModelName("m"), Usage(TokenUsage(output_tokens=5))],
        ),
        (end(5), [STRANGE]),
        (end("refusal", stop_details="no"), [STRANGE, Finish(FinishReason.REFUSAL, "refusal")]),
        ({"type": ["ping"]}, [STRANGE, UNKNOWN]),
        ('{"type":"content_block_delta","delta":{"type":"text_delta","text":"\\ud83d"}}', [STRANGE, Text("\ufffd")]),
        ('{"type":"content_block_delta","delta":{"type":"text_delta","text":"\\ud83d\\ude00"}}', [Text("😀")]),
        (
            '{"type":"message_delta","usage":{"input_tokens":NaN,"output_tokens":5}}',
            [STRANGE, Usage(TokenUsage(output_tokens=5))],
        ),
    ],
)
def test_a_field_of_another_type_costs_that_field_and_no_more(strange, deltas):
    """What does not have its declared type is passed over and counted; all that stands beside it is read."""
    assert deltas == read(strange)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "event 2 is not valid JSON"),
        ("[DONE]", "event 2 is not valid JSON"),
        ("[]", "event 2 is a JSON list, not an object"),
        ("null", "event 2 is a JSON NoneType, not an object"),
        ('{"delta":' + "[" * 100_000, "event 2 is nested too deeply"),
    ],
)
def test_what_is_no_json_object_breaks_the_protocol(data, words):
    """An event that is no JSON object is a `ProtocolError` that says which event; what came before it is kept."""
    with pytest.raises(ProtocolError, match=words.replace("[", r"\[")) as caught:
        read(delta("text_delta", text="Hi"), data)

    assert [Text("Hi")] == list(caught.value.made)


@pytest.mark.parametrize("name", ['"f"', r'"\ud800"'], ids=["at once", "leniently"])
def test_no_depth_of_nesting_slips_through(name):
    """At every depth around the interpreter's limit, an input is read whole or is a `ProtocolError`."""
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit()):
        arguments = '{"a":' * depth + "1" + "}" * depth
        block = f'{{"type":"tool_use","id":"t","name":{name},"input":{arguments}}}'
        try:
            deltas = read(f'{{"type":"content_block_start","content_block":{block}}}', {"type": "content_block_stop"})
        except ProtocolError:
            continue

        assert arguments == deltas[-1].arguments


@pytest.mark.parametrize(
    ("data", "deltas"),
    [
        (json.dumps(delta("text_delta", text="Hi")), [Text("a"), Text("Hi")]),
        ('{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi', [Text("a")]),
        ("{", [Text("a")]),
    ],
)
def test_what_the_end_cut_off_counts_only_if_it_is_whole(data, deltas):
    """A last event without its blank line is read where its JSON is complete, and is no fault where it is not."""
    assert deltas == read(delta("text_delta", text="a"), Frame(data, terminated=False))


# Any JSON at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object in which each field has its shape, another one, or is absent; or no object at all."""
    return st.fixed_dictionaries({}, optional={name: each | JSON for name, each in fields.items()}) | JSON


TEXT = st.text(max_size=2)
USAGE = shaped(
    input_tokens=st.integers(),
    output_tokens=st.integers(),
    cache_read_input_tokens=st.integers(),
    output_tokens_details=shaped(thinking_tokens=st.integers()),
)
EVENT = shaped(
    type=st.sampled_from(
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
            "ping",
            "error",
        ]
    ),
    index=st.integers(0, 1),
    message=shaped(model=TEXT, usage=USAGE),
    content_block=shaped(
        type=st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "fallback"]),
        **dict.fromkeys(["text", "thinking", "signature", "data", "id", "name"], TEXT),
        input=st.dictionaries(TEXT, JSON, max_size=2),
        to=shaped(model=TEXT),
    ),
    delta=shaped(
        type=st.sampled_from(["text_delta", "thinking_delta", "signature_delta", "input_json_delta"]),
        **dict.fromkeys(["text", "thinking", "signature", "partial_json"], TEXT),
        stop_reason=st.sampled_from(["end_turn", ""]),
        stop_details=shaped(explanation=TEXT),
    ),
    usage=USAGE,
    error=shaped(message=JSON, type=st.sampled_from(["overloaded_error", "²"])),
    request_id=TEXT,
)


@given(st.lists(st.builds(Frame, EVENT.map(json.dumps), st.sampled_from(["", "error"]), st.booleans()), max_size=6))
@example([Frame('{"type":"message_stop","type":"error","error":{"code":"²"}}')])
def test_any_json_gives_deltas_or_a_protocol_error(frames):
    """Whatever a server puts into the fields, deltas or a `ProtocolError` come out.

    No text is empty, calls are numbered without gaps, and nothing follows an end.
    """
    try:
        deltas = run_inline(AnthropicDecoder(), [frames])
    except ProtocolError as error:
        deltas = list(error.made)

    assert [] == [each for each in deltas if isinstance(each, Text | Thinking | Refusal) and not each.text]
    assert [] == [each for each in deltas if isinstance(each, Signature) and not each.signature]
    numbers = list(dict.fromkeys(each.index for each in deltas if isinstance(each, ToolCallFragment)))
    assert list(range(len(numbers))) == numbers
    assert [] == [each for each in deltas[:-1] if isinstance(each, Terminal | Fault)]
    # No half of a surrogate pair is left, which nobody could print or send on.
    json.dumps([attrs.asdict(each) for each in deltas], ensure_ascii=False, default=str).encode()


# What the simulator says.

counts = st.none() | st.integers(0, 10**9)
steps = st.one_of(
    st.builds(Thinking, st.text()),
    st.builds(Text, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCall, st.text(min_size=1), st.text(min_size=1), st.text(min_size=1)),
    st.builds(Comment, st.text()),
)
scenarios = st.builds(
    Scenario,
    model=st.text(min_size=1),
    steps=st.lists(steps).map(tuple),
    finish=st.sampled_from([each for each in FinishReason if each is not FinishReason.CONTENT_FILTER]),
    usage=st.builds(
        TokenUsage,
        input_tokens=counts,
        output_tokens=counts,
        cached_input_tokens=counts,
        cache_write_tokens=counts,
        reasoning_tokens=counts,
    ),
    sending=st.builds(Sending, characters_per_event=st.none() | st.integers(1, 9)),
)


def heard(scenario: Scenario) -> list[Any]:
    framer = SseFramer(Limits())
    return run_inline(fuse(framer, AnthropicDecoder()), [AnthropicVoice().render(scenario, {})])


@given(scenarios)
def test_what_the_voice_says_is_what_the_decoder_hears(scenario):
    """Text, thinking, refusal, tool calls, finish reason, usage, model and the end are decoded as they were meant."""
    deltas = heard(scenario)

    def said(kind):
        return "".join(each.text for each in deltas if isinstance(each, kind))

    def meant(kind):
        return "".join(step.text for step in scenario.steps if isinstance(step, kind))

    assert {kind: meant(kind) for kind in (Thinking, Text, Refusal)} == {
        kind: said(kind) for kind in (Thinking, Text, Refusal)
    }
    seals = [each for each in deltas if isinstance(each, Signature)]
    assert len(seals) == sum(isinstance(step, Thinking) for step in scenario.steps)
    fragments = [each for each in deltas if isinstance(each, ToolCallFragment)]
    calls = [step for step in scenario.steps if isinstance(step, ToolCall)]
    assert calls == [
        ToolCall(
            id="".join(each.id or "" for each in fragments if each.index == number),
            name="".join(each.name or "" for each in fragments if each.index == number),
            arguments="".join(each.arguments for each in fragments if each.index == number),
        )
        for number in range(len(calls))
    ]
    refused = meant(Refusal) and scenario.finish is FinishReason.STOP
    reasons = [FinishReason.REFUSAL if refused else scenario.finish]
    assert [each for each in reasons if each is not FinishReason.UNKNOWN] == [
        each.reason for each in deltas if isinstance(each, Finish)
    ]
    told = [attrs.evolve(each.usage, total_tokens=None) for each in deltas if isinstance(each, Usage)]
    assert scenario.usage in (told[-1:] or [TokenUsage()])
    assert [ModelName(scenario.model)] == [each for each in deltas if isinstance(each, ModelName)]
    assert isinstance(deltas[-1], Terminal)
    assert [] == [each for each in deltas if each == UNKNOWN]


@given(scenarios, cuts())
def test_cuts_do_not_matter(scenario, where):
    """What the voice says gives the same chunks wherever the network cuts it."""
    wire = b"".join(AnthropicVoice().render(scenario, {}))

    assert check_stage(lambda: fuse(SseFramer(Limits()), AnthropicDecoder(), ToolCallAssembler()), wire, where)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"end_marker": False}, Terminal()),
        ({"finish": FinishReason.UNKNOWN}, Finish(FinishReason.STOP, "end_turn")),
        ({"usage": None}, Usage(TokenUsage(input_tokens=1, output_tokens=3, total_tokens=4))),
    ],
)
def test_the_end_can_be_left_unsaid(changes, missing):
    """A scenario can do without the end marker, a finish reason, or usage."""
    spoken = Scenario(model="m", steps=(Text("one"),), usage=TokenUsage(input_tokens=1, output_tokens=3))

    assert missing in heard(spoken)
    assert missing not in heard(attrs.evolve(spoken, **changes))


def test_an_error_in_the_stream_is_the_last_event():
    """After an `error` event comes nothing, and it has Anthropic's type."""
    scenario = Scenario(model="m", steps=(Text("one"), StreamError("Overloaded", "overloaded_error")))
    *said, fault = heard(scenario)

    assert Text("one") in said
    assert (ErrorKind.OVERLOADED, "Overloaded") == (fault.kind, fault.message)
    assert b"event: error\n" in AnthropicVoice().render(scenario, {})[-1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")],
)
def test_http_errors_have_anthropics_shape(status, kind):
    """The body of an HTTP error names its type, and the request."""
    body = json.loads(AnthropicVoice().error(status, "No.", None))

    assert ("error", {"type": kind, "message": "No."}) == (body["type"], body["error"])
    assert body["request_id"]
