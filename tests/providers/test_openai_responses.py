"""OpenAI Responses: what is asked, and what is made of every shape that servers answer in."""

from __future__ import annotations

import json
import sys
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from responses_events import (
    NO,
    added,
    arguments,
    begun,
    completed,
    done,
    ended,
    event,
    frames_of,
    message,
    piece,
    read,
    received,
    summaries,
    summary,
    text,
)

from gestura.chunks import FinishReason, Refusal, Signature, Text, Thinking, ToolCallArgs, ToolCallStart
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind, Fault, ProtocolError
from gestura.messages import assistant, user
from gestura.providers import BUILTIN_PROVIDERS
from gestura.providers._responses_items import LONGEST_ID, MOST_PARTS
from gestura.providers.openai_responses import OpenAIResponses, ResponsesDecoder, request_body
from gestura.request_options import Sampling
from gestura.stages.deltas import Anomaly, Finish, Frame, ModelName, Oddity, Terminal, ToolCallFragment, Usage
from gestura.testing import merged, run_inline
from gestura.usage import TokenUsage

KEY = "sk-canary-0123456789"
STRANGE, UNKNOWN = Anomaly(Oddity.UNEXPECTED_SHAPE), Anomaly(Oddity.UNKNOWN_EVENT)
STOP = Finish(FinishReason.STOP, "completed")
WRITTEN = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
WRITTEN_SEAL = Signature(json.dumps(WRITTEN, separators=(",", ":")), sealed_by="openai_responses")
"""Reasoning that is told in plain words, and its seal."""


# How it asks.


def asked(request: Request | None = None, **settings: Any):
    settings = {"kind": "openai_responses", "model": "m", "api_key": KEY} | settings
    return OpenAIResponses(ProviderSettings(**settings)).ask(request or Request.of("Hi"))


def body_of(**fields: Any) -> dict[str, Any]:
    return request_body(Request(messages=(user("Hi"),), **fields), "m")


BARE = {"model": "m", "input": [{"role": "user", "content": "Hi"}], "stream": True}


def test_a_bare_prompt_sends_nothing_that_was_not_asked_for():
    """The body of a plain prompt has the model, the message, and the wish to stream; nothing else."""
    assert BARE == json.loads(asked().body)


@pytest.mark.parametrize(
    ("sampling", "sent"),
    [
        (Sampling(), {}),
        (Sampling(temperature=0.0), {"temperature": 0.0}),
        (Sampling(top_p=0.5), {"top_p": 0.5}),
        (Sampling(max_output_tokens=7), {"max_output_tokens": 7}),
        (Sampling(stop=()), {}),
    ],
)
def test_sampling_is_sent_as_far_as_it_is_told(sampling, sent):
    """Each sampling parameter has its field; what is left open is left out."""
    assert BARE | sent == body_of(sampling=sampling)


def test_a_conversation_keeps_its_order_and_the_system_prompt_stands_apart():
    """System instructions are `instructions`; messages are input items, oldest first, the model's with their type."""
    body = request_body(Request(messages=(user("a"), assistant("b"), user("c")), system="s"), "m")

    assert (
        BARE
        | {
            "instructions": "s",
            "input": [
                {"role": "user", "content": "a"},
                {"type": "message", "role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
        }
        == body
    )


def test_extra_fields_pass_through_and_win():
    """A provider's own fields go into the body as they are, also over ours."""
    extra = {"store": False, "reasoning": {"effort": "low", "summary": "auto"}, "stream": False}

    assert BARE | extra == body_of(extra=extra)


def test_what_json_cannot_express_is_the_users_mistake():
    """A request that can't be written as JSON is a `ConfigError`."""
    with pytest.raises(ConfigError, match="object"):
        asked(Request(messages=(user("Hi"),), extra={"user": object()}))


def test_the_key_goes_into_one_header_and_nowhere_else():
    """The key is the bearer token; the URL, the body and every `repr` are free of it."""
    request = asked()

    assert f"Bearer {KEY}" == request.headers["Authorization"]
    assert [] == [name for name, value in request.headers.items() if KEY in value and name != "Authorization"]
    assert KEY not in repr(request) + request.url + request.body.decode()


def test_headers_of_the_settings_are_sent_and_hidden():
    """Further headers go along (Azure's `api-key`); without a key there is no `Authorization`."""
    request = asked(api_key="", headers={"api-key": KEY, "Accept": "*/*"})

    assert {"Content-Type": "application/json", "Accept": "*/*", "api-key": KEY} == request.headers
    assert KEY not in repr(request)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "https://api.openai.com/v1/responses"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/responses"),
        ("https://api.x.ai/v1/", "https://api.x.ai/v1/responses"),
    ],
)
def test_it_posts_to_the_endpoint_below_the_base_url(base_url, url):
    """`responses` stands below the base URL, OpenAI's unless told."""
    request = asked(base_url=base_url)

    assert ("POST", url) == (request.method, request.url)


def test_settings_name_it_by_its_kind():
    """The kind `openai_responses` is this provider."""
    assert BUILTIN_PROVIDERS["openai_responses"] is OpenAIResponses


# How it reads.


@pytest.mark.parametrize(
    ("name", "chunk"),
    [
        ("output_text", Text("Hi")),
        ("refusal", Refusal("Hi")),
        ("reasoning_summary_text", Thinking("Hi")),
        ("reasoning_text", Thinking("Hi")),
    ],
)
def test_pieces_are_shown_as_they_come(name, chunk):
    """Text, refusal, reasoning summary and reasoning text have an event each; nothing empty is told."""
    assert [chunk] == read(piece(name, "Hi", item_id="i", output_index=0), piece(name, "", item_id="i"))


@pytest.mark.parametrize(
    ("whole", "chunks"),
    [
        (event("output_text.done", item_id="i", output_index=0, content_index=0, text="Hi"), [Text("Hi")]),
        (event("refusal.done", item_id="i", output_index=0, content_index=0, refusal="No."), [Refusal("No.")]),
        (
            event("reasoning_summary_text.done", item_id="i", output_index=0, summary_index=0, text="hm"),
            [Thinking("hm")],
        ),
        (event("reasoning_text.done", item_id="i", output_index=0, content_index=0, text="hm"), [Thinking("hm")]),
        (done("message", id="i", content=message("Hi")), [Text("Hi")]),
        (done("message", id="i", content=message("Hi", NO, " you")), [Text("Hi"), Refusal("No."), Text(" you")]),
        (done("message", id="i", content=None), []),
        (done("reasoning", id="i", summary=summaries("hm")), [Thinking("hm")]),
        (done("reasoning", summary=[], content=WRITTEN["content"]), [Thinking("hm"), WRITTEN_SEAL]),
        (done("reasoning", id="i", summary=summaries("a", "b")), [Thinking("a"), Thinking("\n\nb")]),
    ],
)
def test_what_is_told_only_as_a_whole_is_told_once(whole, chunks):
    """A part or an item without pieces before it is shown, whether the end of the response repeats it or not."""
    assert chunks == read(whole)
    assert chunks == read(whole, whole)
    end = completed(whole["item"]) if "item" in whole else completed()
    assert chunks == [each for each in read(whole, end) if isinstance(each, Text | Refusal | Thinking | Signature)]


PLACES = [
    {"item_id": "msg", "output_index": 0, "content_index": 0},
    {"item_id": "msg", "content_index": 0},
    {"item_id": "msg"},
    {"output_index": 0},
    {},
]
CONNECTED = [(one, other) for one in PLACES for other in PLACES if not one or not other or one.keys() & other.keys()]


@pytest.mark.parametrize(("place", "whole_place"), CONNECTED)
def test_a_whole_that_repeats_pieces_is_not_shown_again(place, whole_place):
    """Whatever a server leaves out of pieces and of wholes, a text that came in pieces is shown once."""
    events = [
        piece("output_text", "He", **place),
        piece("output_text", "llo", **place),
        event("output_text.done", text="Hello", **whole_place),
        event("content_part.done", part=message("Hello")[0], **whole_place),
        done("message", whole_place.get("output_index"), id=whole_place.get("item_id"), content=message("Hello")),
    ]

    assert [Text("Hello")] == merged(read(*events))


def test_a_whole_item_tells_the_parts_that_had_no_pieces():
    """Of an item's parts, those are shown that no event told before."""
    whole = done("message", id="msg", content=message("Hello", " again"))

    assert [Text("Hello"), Text(" again")] == read(text("Hello"), whole)


def test_changing_ids_do_not_repeat_a_text():
    """GitHub Copilot gives an item another id in each event; its index is steady."""
    events = [
        text("Hel", "id-2"),
        text("lo", "id-3"),
        event("output_text.done", item_id="id-4", output_index=0, content_index=0, text="Hello"),
        done("message", id="id-5", content=message("Hello")),
        completed({"type": "message", "id": "id-6", "content": message("Hello")}),
    ]

    assert [Text("Hello"), STOP, Terminal()] == merged(read(*events))


def test_two_messages_follow_one_another():
    """Messages of one answer are shown one after the other, as the official package joins them."""
    events = [
        text("First", "m1", 0),
        done("message", None, id="m1", content=message("First")),
        text("Second", "m2", 1),
        done("message", None, id="m2", content=message("Second")),
    ]

    assert [Text("FirstSecond")] == merged(read(*events))


@pytest.mark.parametrize(
    ("output", "chunks"),
    [
        ([{"type": "message", "content": message("Hi")}], [Text("Hi")]),
        ([{"type": "message", "content": [NO]}], [Refusal("No.")]),
        (
            [{"type": "reasoning", "summary": summaries("hm")}, {"type": "message", "content": message("Hi")}],
            [Thinking("hm"), Text("Hi")],
        ),
        ([{"type": "web_search_call", "status": "completed"}, {"type": "hologram"}], []),
    ],
)
def test_an_answer_told_only_at_the_end_is_shown(output, chunks):
    """A server that sends nothing before `response.completed` still answers."""
    end = Finish(FinishReason.REFUSAL, "completed") if chunks == [Refusal("No.")] else STOP

    assert [*chunks, end, Terminal()] == read(event("created", response={}), completed(*output))


def test_what_was_told_before_is_not_told_again_at_the_end():
    """Of the response at the end, only a kind of content is shown that no event told, whatever its ids are then."""
    events = [
        summary("hm"),
        text("Hi", output_index=1),
        completed(
            {"type": "reasoning", "id": "other", "summary": summaries("hm"), "encrypted_content": "sealed"},
            {"type": "message", "id": "another", "content": message("Hi")},
            {"type": "message", "id": "third", "content": [NO]},
        ),
    ]
    *said, _, _ = read(*events)

    assert [Thinking, Text, Signature, Refusal] == [type(each) for each in said]


# Reasoning.


def test_parts_of_reasoning_are_paragraphs():
    """Between two parts stands a blank line: parts of one item, of two items, and of a summary and a text."""
    events = [
        summary("**A**", 0),
        summary(" first", 0),
        event("reasoning_summary_part.added", summary_index=1, part={"type": "summary_text", "text": ""}),
        summary("", 1),
        summary("**B**", 1),
        text("Hi", output_index=1),
        summary("**C**", 0, 2, "rs_2"),
        piece("reasoning_text", "D", item_id="rs_2", output_index=2, content_index=0),
    ]
    thinking = "".join(each.text for each in read(*events) if isinstance(each, Thinking))

    assert thinking == "**A** first\n\n**B**\n\n**C**\n\nD"


@pytest.mark.parametrize("place", [{}, {"item_id": "rs"}, {"output_index": 0}])
def test_a_part_of_reasoning_stays_one(place):
    """Pieces of one part run on, also where servers give no indexes."""
    assert [Thinking("one two")] == merged(
        read(piece("reasoning_text", "one", **place), piece("reasoning_text", " two", **place))
    )


def sealed(**item: Any) -> Any:
    """The `Signature` that a reasoning item gives, its JSON taken apart."""
    (signature,) = (each for each in read(done("reasoning", **item)) if isinstance(each, Signature))
    return json.loads(signature.signature), signature.redacted


def test_a_seal_is_the_item_that_a_later_turn_sends_back():
    """Encrypted reasoning becomes a `Signature`: the input item as JSON, with id, seal and summary, without status."""
    item = {"id": "rs_1", "summary": summaries("a", "b"), "encrypted_content": "sealed"}

    assert ({"type": "reasoning", **item}, False) == sealed(**item, status="completed", content=[])


def test_a_seal_without_any_words_stands_for_the_thinking():
    """Where the provider shows nothing of the reasoning, the `Signature` is `redacted`."""
    item = {"id": "rs_1", "summary": [], "encrypted_content": "sealed"}

    assert ({"type": "reasoning", **item}, True) == sealed(**item)


def test_a_seal_is_told_once_and_whole():
    """The seal of the item's first event may be incomplete, and the end of the response repeats it in other words."""
    events = [
        added("reasoning", id="rs", summary=[], encrypted_content="begun"),
        done("reasoning", id="rs", summary=[], encrypted_content="whole"),
        done("reasoning", id="rs", summary=[], encrypted_content="whole"),
        completed({"type": "reasoning", "id": "other", "encrypted_content": "again"}),
    ]

    assert ["whole"] == [
        json.loads(each.signature)["encrypted_content"] for each in read(*events) if isinstance(each, Signature)
    ]


def test_reasoning_in_plain_words_is_its_own_seal():
    """Where reasoning is not encrypted but told in full, the item has its words, and is sent back as well."""
    assert (WRITTEN, False) == sealed(**WRITTEN, status="completed", encrypted_content=None)


@pytest.mark.parametrize("encrypted", [None, ""])
def test_reasoning_without_a_seal_has_no_signature(encrypted):
    """An item that only its server could find again by id is nothing to send back."""
    assert [] == read(done("reasoning", id="rs", summary=[], encrypted_content=encrypted))


# What is not shown, and what is not known.


@pytest.mark.parametrize(
    "known",
    [
        event("created", response={"id": "r", "output": [], "usage": None}),
        event("in_progress", response=None),
        event("queued"),
        event("content_part.added", part={"type": "output_text", "text": ""}),
        event("content_part.done", part={"type": "output_text", "text": "Hi"}),
        event("output_text.annotation.added", annotation={"type": "url_citation", "url": "https://example.com"}),
        event("reasoning_summary_part.done", part={"type": "summary_text", "text": "hm"}),
        event("web_search_call.searching", item_id="ws", output_index=0),
        event("code_interpreter_call_code.delta", delta="import math"),
        event("code_interpreter_call_code.done", code="import math"),
        event("custom_tool_call_input.delta", delta="SELECT"),
        event("mcp_call_arguments.done", arguments="{}"),
        event("mcp_call.failed"),
        event("shell_call_output_content.delta", delta={"stdout": "hello"}),
        event("image_generation_call.partial_image", partial_image_b64="iVBORw0KGgo="),
        event("audio.transcript.delta", delta="hi"),
        {"type": "keepalive", "sequence_number": 2},
        {"type": "codex.rate_limits", "rate_limits": {"primary": {"used_percent": 3}}},
        added("message", id="msg", content=[]),
        added("reasoning", id="rs"),
        done("web_search_call", id="ws", status="completed", action={"type": "search"}),
        done("tool_search_call", id="ts", arguments={"paths": ["x"]}, call_id=None),
        done("custom_tool_call", id="ct", call_id="c", name="sql", input="SELECT"),
        Frame('{"sequence_number":2}', "keepalive"),
        "[DONE]",
        "",
        " ",
    ],
)
def test_what_is_known_and_not_shown_is_nothing_strange(known):
    """Framing, the tools on the provider's side, and keep-alives pass without a word and without being counted."""
    assert [Text("Hi")] == read(known, text("Hi"))


@pytest.mark.parametrize(
    "unknown",
    [
        {"type": "response.hologram.delta", "delta": "…"},
        {"type": "hologram"},
        {"type": "response"},
        {"type": ""},
        {},
        {"type": "response.output_item.done"},
        done("hologram", id="h"),
        done("hologram", id="h", content=[{"type": "text", "text": "no"}]),
        Frame('{"delta":"x"}', "response.hologram.delta"),
    ],
)
def test_what_is_unknown_is_counted(unknown):
    """An event or an item of a kind that nobody told us of is passed over, and counted."""
    assert [UNKNOWN, Text("Hi")] == read(unknown, text("Hi"))


def test_an_event_without_type_goes_by_its_name():
    """Where the JSON has no `type`, the name of the server-sent event says what it is; else the JSON counts."""
    piece_without_type = {"delta": "Hi", "item_id": "msg"}

    assert [Text("Hi")] == read(Frame(json.dumps(piece_without_type), "response.output_text.delta"))
    assert [Text("Hi")] == read(Frame(json.dumps(text("Hi")), "response.refusal.delta"))
    assert [STOP, Terminal()] == read(Frame("{}", "response.completed"))


# The end.


@pytest.mark.parametrize(
    ("last", "finish"),
    [
        (completed(), STOP),
        (event("completed"), STOP),
        (event("completed", response={"status": "completed", "output": None, "incomplete_details": None}), STOP),
        (
            event("incomplete", response={"incomplete_details": {"reason": "max_output_tokens"}}),
            Finish(FinishReason.LENGTH, "max_output_tokens"),
        ),
        (
            event("incomplete", response={"incomplete_details": {"reason": "content_filter"}}),
            Finish(FinishReason.CONTENT_FILTER, "content_filter"),
        ),
        (
            event("incomplete", response={"incomplete_details": {"reason": "hologram"}}),
            Finish(FinishReason.OTHER, "hologram"),
        ),
        (event("incomplete", response={"incomplete_details": None}), Finish(FinishReason.OTHER, "incomplete")),
        (event("incomplete"), Finish(FinishReason.OTHER, "incomplete")),
        (
            completed(incomplete_details={"reason": "max_output_tokens"}),
            Finish(FinishReason.LENGTH, "max_output_tokens"),
        ),
    ],
)
def test_the_last_event_says_why_the_model_stopped(last, finish):
    """The provider's word is the status, or the reason of an incomplete answer; one unknown to us is `OTHER`."""
    assert [finish, Terminal()] == read(last)


def test_a_refusal_that_is_complete_is_a_refusal():
    """After words of refusal, a completed response means that the model declined; an incomplete one has its reason."""
    refusal = piece("refusal", "No.", item_id="msg", output_index=0)
    filtered = event("incomplete", response={"incomplete_details": {"reason": "content_filter"}})

    assert [Refusal("No."), Finish(FinishReason.REFUSAL, "completed"), Terminal()] == read(refusal, completed())
    assert [Refusal("No."), Finish(FinishReason.CONTENT_FILTER, "content_filter"), Terminal()] == read(
        refusal, filtered
    )


@pytest.mark.parametrize("events", [[], [text("Hi")], [text("Hi"), "[DONE]"], [done("message", content=message("Hi"))]])
def test_without_a_last_event_the_answer_is_truncated(events):
    """Neither the end of the input nor `[DONE]` nor a complete item is the end of an answer."""
    assert not [each for each in read(*events) if isinstance(each, Terminal | Finish)]


def test_nothing_is_read_after_the_end():
    """What follows the end of an answer, such as `[DONE]` or another response, is passed over."""
    assert [STOP, Terminal()] == read(completed(), "[DONE]", text("late"), completed(), "nonsense")


def test_the_model_is_told_when_it_changes():
    """The model's name is told once, and again when another one goes on."""
    names = ("", "a", "a", None, "b")

    assert [ModelName("a"), ModelName("b")] == read(*(event("in_progress", response={"model": name}) for name in names))


USED = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
TOLD = USED


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (USED, TOLD),
        (USED | {"input_tokens_details": {"cached_tokens": 4}}, TOLD | {"cached_input_tokens": 4}),
        (USED | {"input_tokens_details": {"cache_write_tokens": 3}}, TOLD | {"cache_write_tokens": 3}),
        (USED | {"output_tokens_details": {"reasoning_tokens": 0}}, TOLD | {"reasoning_tokens": 0}),
        (USED | {"input_tokens_details": None, "output_tokens_details": None}, TOLD),
        (USED | {"cost": 0.25, "context_details": {"x": [1]}}, TOLD),
        ({"input_tokens": 10, "output_tokens": 5}, TOLD),
        ({"input_tokens": 10, "output_tokens": None}, {"input_tokens": 10}),
        ({"input_tokens": 0}, {"input_tokens": 0}),
    ],
)
@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_usage_comes_with_the_end(usage, told, kind):
    """Counts are told whatever the end; an absent one is not told, but a total can be added up: it holds all others."""
    deltas = read(event(kind, response={"usage": usage}))

    assert Usage(TokenUsage(**told)) == deltas[0]
    assert isinstance(deltas[-1], Terminal)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": None}, {"cost": 1}])
def test_usage_without_counts_tells_nothing(usage):
    """An empty usage object is no usage."""
    assert [STOP, Terminal()] == read(completed(usage=usage))


# Failures, told inside a stream that began well.


@pytest.mark.parametrize(
    ("failed", "kind", "words", "code"),
    [
        (
            {"type": "error", "code": "server_error", "message": "boom", "param": None},
            ErrorKind.SERVER,
            "boom",
            "server_error",
        ),
        ({"type": "error", "code": None, "message": "boom"}, ErrorKind.SERVER, "boom", None),
        (
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "x"},
            },
            ErrorKind.CONTEXT_OVERFLOW,
            "x",
            "context_length_exceeded",
        ),
        ({"type": "error", "error": "boom"}, ErrorKind.SERVER, "boom", None),
        ({"type": "response.error", "error": {"code": 429, "message": "x"}}, ErrorKind.RATE_LIMITED, "x", None),
        ({"error": {"message": "boom", "code": "overloaded"}}, ErrorKind.OVERLOADED, "boom", "overloaded"),
        ({"object": "error", "message": "boom", "code": 400}, ErrorKind.BAD_REQUEST, "boom", None),
        (Frame('{"message":"boom"}', "error"), ErrorKind.SERVER, "boom", None),
        (Frame("upstream went away", "error"), ErrorKind.SERVER, "upstream went away", None),
        (
            event("failed", response={"error": {"code": "rate_limit_exceeded", "message": "tokens per min: Limit 1"}}),
            ErrorKind.RATE_LIMITED,
            "tokens per min: Limit 1",
            "rate_limit_exceeded",
        ),
        (
            event("failed", response={"error": {"code": "invalid_prompt", "message": "x"}}),
            ErrorKind.BAD_REQUEST,
            "x",
            "invalid_prompt",
        ),
        (completed(error={"code": "server_error", "message": "boom"}), ErrorKind.SERVER, "boom", "server_error"),
        (event("failed", response={"error": "boom"}), ErrorKind.SERVER, "boom", None),
        (event("failed"), ErrorKind.SERVER, "the provider reported an error without a message (no code)", None),
    ],
)
def test_an_error_inside_the_stream_is_a_fault(failed, kind, words, code):
    """An `error` event, flat or nested, and a failed response tell a fault, by code and words; nothing is complete."""
    deltas = read(failed)
    faults = [each for each in deltas if isinstance(each, Fault)]

    assert [(kind, words, code)] == [(fault.kind, fault.message, fault.code) for fault in faults]
    assert not [each for each in deltas if isinstance(each, Finish)]


def test_what_came_before_an_error_is_kept():
    """Text, usage and the failed response's own error come out; the response has ended, and its calls have not."""
    failed = event("failed", response={"error": {"message": "boom"}, "usage": USED, "output": message("never")})
    deltas = received(text("Hi"), begun(), arguments("{", item_id="fc_0"), {"type": "error", "message": "bang"}, failed)

    assert [Text, ToolCallStart, ToolCallArgs, Fault, Usage, Fault, Anomaly, Terminal] == [
        type(each) for each in deltas
    ]
    assert ["bang", "boom"] == [each.message for each in deltas if isinstance(each, Fault)]


def test_an_answer_that_reached_its_limit_is_no_overflow():
    """Once the model is answering, a limit of tokens that the provider speaks of is the answer's, not the request's."""
    failed = {"type": "error", "error": {"code": 400, "message": "Token limit reached"}}
    (refused,) = read(failed)
    *_, cut_short = read(text("Hi"), failed)

    assert (ErrorKind.CONTEXT_OVERFLOW, ErrorKind.BAD_REQUEST) == (refused.kind, cut_short.kind)


# What fits into no shape.


@pytest.mark.parametrize(
    ("strange", "deltas"),
    [
        (text("Hi") | {"delta": 5}, [STRANGE]),
        (text("Hi") | {"delta": {"text": "Hi"}}, [STRANGE]),
        (text("Hi") | {"delta": None}, []),
        (text("Hi") | {"item_id": 7, "output_index": "0", "content_index": 1.5}, [STRANGE, Text("Hi")]),
        (text("Hi") | {"response": "none", "item": []}, [STRANGE, Text("Hi")]),
        (text("Hi") | {"error": ["boom"]}, [STRANGE, Text("Hi")]),
        (text("Hi") | {"logprobs": 5, "unknown": {"field": [1, 2]}}, [Text("Hi")]),
        (done("message", content=[5, {"type": "output_text", "text": "Hi"}, None]), [STRANGE, Text("Hi")]),
        (done("message", content={"0": "Hi"}), [STRANGE]),
        (done("message", content=[{"type": 5, "text": "Hi"}]), [STRANGE, Text("Hi")]),
        (done("reasoning", summary="hm", content=[{"text": "hm"}]), [STRANGE, Thinking("hm"), WRITTEN_SEAL]),
        (completed(usage={"input_tokens": "10", "output_tokens": 5}), [STRANGE, Usage(TokenUsage(output_tokens=5))]),
        (completed(usage=USED | {"input_tokens_details": [1]}), [STRANGE, Usage(TokenUsage(**TOLD))]),
        (completed(model=5), [STRANGE]),
        (event("completed", response=[1]), [STRANGE]),
        (begun(call_id=7), [STRANGE, ToolCallFragment(index=0)]),
        (
            ended(arguments=[1]),
            [STRANGE, ToolCallFragment(index=0, id="call_0", name="f", complete=True)],
        ),
        (arguments("x", item_id="fc_0") | {"delta": {"a": 1}}, [STRANGE]),
        ('{"type":"response.output_text.delta","delta":"\\ud83d"}', [STRANGE, Text("\ufffd")]),
        ('{"type":"response.output_text.delta","delta":"\\ud83d\\ude00"}', [Text("😀")]),
    ],
)
def test_a_field_of_another_type_costs_that_field_and_no_more(strange, deltas):
    """What does not have its declared type is passed over and counted; all that stands beside it is read."""
    assert deltas == [each for each in read(strange) if not isinstance(each, Finish | Terminal)]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("{", "event 2 is not valid JSON"),
        ("nonsense", "event 2 is not valid JSON"),
        ("[]", "event 2 is a JSON list, not an object"),
        ("null", "event 2 is a JSON NoneType, not an object"),
        ('{"response":' + "[" * 100_000, "event 2 is nested too deeply"),
    ],
)
def test_what_is_no_json_object_breaks_the_protocol(data, problem):
    """An event that is no JSON object is a `ProtocolError` that says which event; what came before it is kept."""
    with pytest.raises(ProtocolError, match=problem) as caught:
        read(text("Hi"), data)

    assert [Text("Hi")] == list(caught.value.made)


@pytest.mark.parametrize("name", ['"f"', r'"\ud800"'], ids=["at once", "leniently"])
def test_no_depth_of_nesting_slips_through(name):
    """At every depth around the interpreter's limit, an event is read whole or is a `ProtocolError`."""
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit()):
        nested = '{"a":' * depth + "1" + "}" * depth
        item = f'{{"type":"function_call","name":{name},"arguments":{nested}}}'
        try:
            deltas = read(f'{{"type":"response.output_item.done","item":{item}}}')
        except ProtocolError:
            continue

        assert nested == deltas[-1].arguments


@pytest.mark.parametrize(
    ("data", "deltas"),
    [
        (json.dumps(completed()), [STOP, Terminal()]),
        (json.dumps(completed())[:-1], []),
        ('{"type":"response.output_text.delta","delta":"Hi', []),
        ("{", []),
    ],
)
def test_what_the_end_cut_off_counts_only_if_it_is_whole(data, deltas):
    """A last event without its blank line is read where its JSON is complete, and is no fault where it is not."""
    assert [Text("a"), *deltas] == read(text("a"), Frame(data, terminated=False))


# Bounds.


def test_what_is_remembered_of_an_answer_is_bounded():
    """A server that names ever new items, by ever longer ids, does not make the decoder hold them."""
    decoder = ResponsesDecoder()
    for number in range(2 * MOST_PARTS):
        events = [text("x", f"{number}" * LONGEST_ID, number), text("x", f"m{number}", number)]
        decoder.feed(frames_of(events))
    remembered = decoder._parts._parts

    assert MOST_PARTS == len(remembered)
    assert LONGEST_ID >= max(len(str(alias)) for alias, *_ in remembered)


# Any JSON at all.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
SOME_TEXT = st.text(max_size=2)
SOME_ID = st.sampled_from(["", "a", "b"])


def shaped(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object in which each field has its shape, another one, or is absent; or no object at all."""
    return st.fixed_dictionaries({}, optional={name: each | JSON for name, each in fields.items()}) | JSON


TYPES = st.sampled_from(
    [
        *(f"response.{name}.{phase}" for name in ("output_text", "refusal") for phase in ("delta", "done")),
        *(f"response.reasoning_{name}.{phase}" for name in ("text", "summary_text") for phase in ("delta", "done")),
        *(f"response.function_call_arguments.{phase}" for phase in ("delta", "done")),
        *(f"response.output_item.{phase}" for phase in ("added", "done")),
        *(f"response.{status}" for status in ("created", "completed", "incomplete", "failed")),
        *("error", "response.error", "keepalive", "hologram", ""),
    ]
)
PART = shaped(type=st.sampled_from(["output_text", "refusal"]), text=SOME_TEXT, refusal=SOME_TEXT)
ITEM = shaped(
    type=st.sampled_from(["message", "reasoning", "function_call", "web_search_call", "hologram"]),
    id=SOME_ID,
    call_id=SOME_ID,
    name=SOME_TEXT,
    status=st.sampled_from(["in_progress", "completed", "incomplete"]),
    arguments=SOME_TEXT | JSON,
    content=st.lists(PART, max_size=2),
    summary=st.lists(PART, max_size=2),
    encrypted_content=SOME_TEXT,
)
COUNTS = shaped(cached_tokens=st.integers(), reasoning_tokens=st.integers())
RESPONSE = shaped(
    model=SOME_TEXT,
    output=st.lists(ITEM, max_size=2),
    usage=shaped(input_tokens=st.integers(), output_tokens=st.integers(), input_tokens_details=COUNTS),
    error=shaped(message=JSON, code=st.sampled_from(["²", 400, "500"])),
    incomplete_details=shaped(reason=st.sampled_from(["max_output_tokens", "content_filter", ""])),
)
EVENT = shaped(
    type=TYPES,
    response=RESPONSE,
    item=ITEM,
    item_id=SOME_ID,
    call_id=SOME_ID,
    output_index=st.integers(-1, 2),
    content_index=st.integers(-1, 2),
    summary_index=st.integers(-1, 2),
    delta=SOME_TEXT,
    text=SOME_TEXT,
    refusal=SOME_TEXT,
    name=SOME_TEXT,
    arguments=SOME_TEXT,
    error=shaped(message=JSON, code=JSON),
    message=JSON,
    code=JSON,
)


@given(st.lists(st.builds(Frame, EVENT.map(json.dumps), TYPES, st.booleans()), max_size=6))
@example([Frame('{"type":"response.failed","response":{"error":{"code":"²"}}}')])
def test_any_json_gives_deltas_or_a_protocol_error(frames):
    """Whatever is in the fields, deltas or a `ProtocolError` come out; no text is empty, and the end is last."""
    try:
        deltas = run_inline(ResponsesDecoder(), [frames])
    except ProtocolError as error:
        deltas = list(error.made)

    assert [] == [each for each in deltas if isinstance(each, Text | Thinking | Refusal) and not each.text]
    assert all(each.message for each in deltas if isinstance(each, Fault))
    assert Terminal() not in deltas[:-1]
    # Numbers of calls are dense, each call is complete once, and nothing of it follows.
    fragments = [each for each in deltas if isinstance(each, ToolCallFragment)]
    ends = [each.index for each in fragments if each.complete]
    assert len(ends) == len(set(ends))
    assert all(
        each.complete or each.index not in ends[: ends.index(each.index)] for each in fragments if each.index in ends
    )
    # No half of a surrogate pair is left, which nobody could print or send on.
    json.dumps([attrs.asdict(each) for each in deltas], ensure_ascii=False, default=str).encode()
