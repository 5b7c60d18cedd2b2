"""Rows of the fault table: what goes wrong once an answer has begun."""

from __future__ import annotations

import json
from typing import Any

from faults.before_the_answer import HELLO, HTML, PLEASE_WAIT, told
from faults.row import (
    BREAK,
    DONE,
    OK,
    OVERFLOW,
    Again,
    Wire,
    body,
    error,
    hopeless,
    row,
    timeout,
    tried_again,
)
from scripting import ANSWER, FINISH, delta, event, text
from scripting import DONE as DONE_EVENT

from gestura.chunks import Text, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.config import AfterOutput
from gestura.errors import ErrorKind
from gestura.limits import Limits
from gestura.transport.scripted import Hang, Wait

HEL = text("Hel")
SHOWN = [Text("Hel")]
PING = b": ping\n\n"
EMPTY = delta(role="assistant", content="")
PINGS = [PING, Wait(10.0)] * 60
"""Ten minutes of them."""

CURIOUS = event(choices=None) + delta(content=5) + event(choices=[{"index": 0, "delta": "none"}], usage="much")
HALF_PAIR = b'data: {"choices": [{"index": 0, "delta": {"content": "\\ud83d"}}]}\n\n'
OVERLOADED = event(error={"message": "Overloaded", "type": "overloaded_error"})


def call(arguments: str, index: int = 0) -> bytes:
    function = {"name": "look", "arguments": arguments}
    return delta(tool_calls=[{"index": index, "id": f"call{index}", "function": function}])


HALF_CALL = call('{"a')
CALLED = [ToolCallStart("call0", "look"), ToolCallArgs("call0", '{"a')]


def anthropic(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: " + each["type"].encode() + b"\n" + event(**each) for each in events)


ANTHROPIC = {"kind": "anthropic", "api_key": "key"}
ANTHROPIC_HEL = anthropic(
    {"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
)
GEMINI = {"kind": "gemini", "api_key": "key"}
GEMINI_HEL = event(candidates=[{"content": {"role": "model", "parts": [{"text": "Hel"}]}}])
OLLAMA = {"kind": "ollama"}
OLLAMA_HEL = json.dumps({"message": {"role": "assistant", "content": "Hel"}, "done": False}).encode() + b"\n"
RESPONSES = {"kind": "openai_responses"}
RESPONSES_HEL = anthropic(
    {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0, "delta": "Hel"}
)

BEFORE_CONTENT = [
    tried_again("silence", body(Hang()), ErrorKind.TIMEOUT, "first_content"),
    row("silence, once", [body(Hang()), OK], [Again(1.0), HELLO], DONE, deadline="first_content"),
    tried_again("comments for ever", body(*PINGS), ErrorKind.TIMEOUT, "first_content"),
    tried_again("empty deltas for ever", body(*[EMPTY, Wait(10.0)] * 60), ErrorKind.TIMEOUT, "first_content"),
    row("comments for a while", body(*[PING, Wait(10.0)] * 20, ANSWER), [HELLO], DONE),
    row(
        "silence beyond the stream's own deadline",
        body(Hang()),
        [],
        timeout("total"),
    ),
    tried_again("the connection is reset", body(BREAK), ErrorKind.CONNECTION),
    tried_again(
        "the connection is closed in the middle of a chunk", body(BREAK, wire=Wire.CUT_OFF), ErrorKind.CONNECTION
    ),
    row("the connection is reset, once", [body(PING, BREAK), OK], [Again(1.0), HELLO], DONE),
    tried_again("the body is empty", body(), ErrorKind.TRUNCATED),
    tried_again("the body has comments alone", body(PING), ErrorKind.TRUNCATED),
    tried_again("the body has an empty delta alone", body(EMPTY), ErrorKind.TRUNCATED),
    tried_again("an error in the stream: overloaded", body(OVERLOADED), ErrorKind.OVERLOADED, "overloaded_error"),
    row(
        "an error in the stream: overloaded, and then silence",
        [body(EMPTY, OVERLOADED, Hang()), OK],
        [Again(1.0), HELLO],
        DONE,
    ),
    row(
        "an error in the stream: too many requests",
        body(event(error={"message": PLEASE_WAIT, "code": "rate_limit_exceeded"})),
        [Again(5.0), Again(5.0)],
        error(ErrorKind.RATE_LIMITED, "rate_limit_exceeded"),
        asks_next=True,
    ),
    hopeless(
        "an error in the stream: bad request",
        body(event(error={"message": "no", "type": "invalid_request_error"})),
        ErrorKind.BAD_REQUEST,
    ),
    hopeless(
        "an error in the stream: quota",
        body(event(error={"message": "no", "code": "insufficient_quota"})),
        ErrorKind.QUOTA,
    ),
    row(
        "an error in the stream: the conversation is too long",
        body(event(error={"message": "no", "code": "context_length_exceeded"})),
        [],
        OVERFLOW,
    ),
    tried_again(
        "200 with a JSON error, overloaded",
        body(told(code="overloaded"), headers={"Content-Type": "application/json"}),
        ErrorKind.OVERLOADED,
        "overloaded",
    ),
    hopeless(
        "200 with JSON that is no stream",
        body(b'{"hello": "world"}', headers={"Content-Type": "application/json"}),
        ErrorKind.PROTOCOL,
    ),
    hopeless(
        "200 with a page of HTML",
        body(HTML, headers={"Content-Type": "text/html"}),
        ErrorKind.PROTOCOL,
    ),
    hopeless("an event that is no JSON", body(b"data: {oops\n\n"), ErrorKind.PROTOCOL),
    hopeless("an event that is no object", body(b"data: [1]\n\n"), ErrorKind.PROTOCOL),
    hopeless("an event nested a hundred thousand deep", body(b"data: " + b"[" * 100_000 + b"\n\n"), ErrorKind.LIMIT),
    hopeless(
        "an event of more parts than `max_json_parts`",
        body(b'data: {"x":[' + b"{}," * 1000 + b"{}]}\n\n"),
        ErrorKind.LIMIT,
        limits=Limits(max_json_parts=1000),
    ),
    hopeless(
        "a body longer than `max_body_bytes`",
        body(b": ping\n" * 1000),
        ErrorKind.LIMIT,
        limits=Limits(max_body_bytes=1000),
    ),
    hopeless(
        "a line longer than `max_frame_bytes`",
        body(b"data: " + b"x" * 2000),
        ErrorKind.LIMIT,
        limits=Limits(max_frame_bytes=1000),
    ),
    hopeless(
        "an event longer than `max_frame_bytes`",
        body(b"data: xxxxxxxxxxxxxxxxxxxx\n" * 100),
        ErrorKind.LIMIT,
        limits=Limits(max_frame_bytes=1000),
    ),
    tried_again(
        "Anthropic's `overloaded_error`",
        body(anthropic({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})),
        ErrorKind.OVERLOADED,
        "overloaded_error",
        settings=ANTHROPIC,
    ),
    tried_again(
        "Ollama's error line",
        body(b'{"error": "llama runner process has terminated"}\n'),
        ErrorKind.SERVER,
        settings=OLLAMA,
    ),
    tried_again(
        "`response.failed` of OpenAI Responses",
        body(
            anthropic(
                {"type": "response.failed", "response": {"error": {"code": "server_error", "message": "no"}}},
            )
        ),
        ErrorKind.SERVER,
        "server_error",
        settings=RESPONSES,
    ),
]

IN_TEXT = [
    row("the connection is reset", body(HEL, BREAK), SHOWN, error(ErrorKind.CONNECTION)),
    row("the chunked body breaks off", body(HEL, BREAK, wire=Wire.CUT_OFF), SHOWN, error(ErrorKind.CONNECTION)),
    row("the body is shorter than declared", body(HEL, BREAK, wire=Wire.SHORT), SHOWN, error(ErrorKind.CONNECTION)),
    row("the body ends cleanly", body(HEL), SHOWN, error(ErrorKind.TRUNCATED)),
    row("the body ends with its connection", body(HEL, wire=Wire.UNFRAMED), SHOWN, error(ErrorKind.TRUNCATED)),
    row("the body ends in the middle of an event", body(HEL, text("lo")[:-9]), SHOWN, error(ErrorKind.TRUNCATED)),
    row(
        "the body ends without Anthropic's `message_stop`",
        body(ANTHROPIC_HEL),
        SHOWN,
        error(ErrorKind.TRUNCATED),
        settings=ANTHROPIC,
    ),
    row(
        "the body ends without Gemini's `finishReason`",
        body(GEMINI_HEL),
        SHOWN,
        error(ErrorKind.TRUNCATED),
        settings=GEMINI,
    ),
    row("the body ends without Ollama's `done`", body(OLLAMA_HEL), SHOWN, error(ErrorKind.TRUNCATED), settings=OLLAMA),
    row(
        "the body ends without `response.completed` of OpenAI Responses",
        body(RESPONSES_HEL),
        SHOWN,
        error(ErrorKind.TRUNCATED),
        settings=RESPONSES,
    ),
    row("silence", body(HEL, Hang()), SHOWN, timeout("idle")),
    row("comments for ever", body(HEL, *PINGS), SHOWN, timeout("idle")),
    row("empty deltas for ever", body(HEL, *[EMPTY, Wait(10.0)] * 60), SHOWN, timeout("idle")),
    row(
        "comments for a while",
        body(HEL, *[PING, Wait(10.0)] * 10, text("lo"), FINISH, DONE_EVENT),
        [HELLO],
        DONE,
    ),
    row(
        "an answer that is not complete at the stream's own deadline",
        body(*[text("x"), Wait(3.0)] * 4, Hang()),
        [Text("xxxx")],
        timeout("total"),
    ),
    row("an error in the stream: overloaded", body(HEL, OVERLOADED), SHOWN, error(ErrorKind.OVERLOADED)),
    row("an error in the stream, and then silence", body(HEL, OVERLOADED, Hang()), SHOWN, error(ErrorKind.OVERLOADED)),
    row(
        "an error in the stream: the conversation is too long",
        body(HEL, event(error={"message": "no", "code": "context_length_exceeded"})),
        SHOWN,
        OVERFLOW,
    ),
    row("an event that is no JSON", body(HEL, b"data: {oops\n\n"), SHOWN, error(ErrorKind.PROTOCOL)),
    row(
        "a line longer than `max_frame_bytes`",
        body(HEL, b"data: " + b"x" * 2000),
        SHOWN,
        error(ErrorKind.LIMIT),
        limits=Limits(max_frame_bytes=1000),
    ),
    row(
        "an answer longer than `max_answer_bytes`",
        body(HEL, *[text("lo" * 10)] * 3, Hang()),
        [Text("Hel" + "lo" * 10)],
        error(ErrorKind.LIMIT),
        limits=Limits(max_answer_bytes=20),
    ),
    row("a byte that is no UTF-8", body(text("H?").replace(b"?", b"\xff"), ANSWER), [Text("H\ufffdHello")], DONE),
    row("known fields of other types", body(HEL, CURIOUS, text("lo"), FINISH, DONE_EVENT), [HELLO], DONE),
    row("half of a surrogate pair", body(HEL, HALF_PAIR, FINISH, DONE_EVENT), [Text("Hel\ufffd")], DONE),
    row("events and fields that nobody knows", body(HEL, event(a=1), text("lo"), ANSWER), [Text("HelloHello")], DONE),
    row(
        "`after_output=RESTART`: the connection is reset, once",
        [body(HEL, BREAK), OK],
        [*SHOWN, Again(1.0, discard=True), HELLO],
        DONE,
        after_output=AfterOutput.RESTART,
    ),
    row(
        "`after_output=RESTART`: the connection is reset, always",
        body(HEL, BREAK),
        [*SHOWN, Again(1.0, discard=True), *SHOWN, Again(2.0, discard=True), *SHOWN],
        error(ErrorKind.CONNECTION),
        asks_next=True,
        after_output=AfterOutput.RESTART,
    ),
    row(
        "`after_output=CONTINUE`: the connection is reset, once",
        [body(HEL, BREAK), body(text("lo"), FINISH, DONE_EVENT)],
        [*SHOWN, Again(1.0), Text("lo")],
        DONE,
        after_output=AfterOutput.CONTINUE,
    ),
]

IN_CALL = [
    row("the connection is reset", body(HALF_CALL, BREAK), CALLED, error(ErrorKind.CONNECTION)),
    row(
        "`after_output=RESTART`: the connection is reset",
        body(HALF_CALL, BREAK),
        CALLED,
        error(ErrorKind.CONNECTION),
        after_output=AfterOutput.RESTART,
    ),
    row(
        "`after_output=CONTINUE`: the body ends cleanly",
        body(HEL, HALF_CALL),
        [*SHOWN, *CALLED],
        error(ErrorKind.TRUNCATED),
        after_output=AfterOutput.CONTINUE,
    ),
    row("the body ends cleanly", body(HALF_CALL), CALLED, error(ErrorKind.TRUNCATED)),
    row("silence", body(HALF_CALL, Hang()), CALLED, timeout("idle")),
    row("comments for ever", body(HALF_CALL, *PINGS), CALLED, timeout("idle")),
    row("an error in the stream: overloaded", body(HALF_CALL, OVERLOADED), CALLED, error(ErrorKind.OVERLOADED)),
    row("an event that is no JSON", body(HALF_CALL, b"data: {oops\n\n"), CALLED, error(ErrorKind.PROTOCOL)),
    row(
        "arguments longer than `max_tool_argument_bytes`",
        body(HALF_CALL, call("x" * 200)),
        CALLED,
        error(ErrorKind.LIMIT),
        limits=Limits(max_tool_argument_bytes=100),
    ),
    row(
        "more calls than `max_tool_calls`",
        body(HALF_CALL, call("{", 1), call("{", 2)),
        CALLED,
        error(ErrorKind.LIMIT),
        limits=Limits(max_tool_calls=2),
    ),
    row(
        "arguments that are no JSON, in a complete answer",
        body(HALF_CALL, delta("tool_calls"), DONE_EVENT),
        [*CALLED, ToolCallEnd("call0")],
        DONE,
    ),
    row(
        "a call with the index 1,000,000,000",
        body(call("{}", 10**9), delta("tool_calls"), DONE_EVENT),
        [
            ToolCallStart("call1000000000", "look"),
            ToolCallArgs("call1000000000", "{}"),
            ToolCallEnd("call1000000000"),
        ],
        DONE,
    ),
    row(
        "a call without a name, in a complete answer",
        body(HEL, delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]), delta("tool_calls"), DONE_EVENT),
        SHOWN,
        DONE,
    ),
]

AFTER_FINISH = [
    row("the body ends without `[DONE]`", body(HEL, FINISH), SHOWN, DONE),
    row("`[DONE]` without a finish reason", body(HEL, DONE_EVENT), SHOWN, DONE),
    row("the connection is reset before `[DONE]`", body(HEL, FINISH, BREAK), SHOWN, DONE),
    row("silence before `[DONE]`", body(HEL, FINISH, Hang()), SHOWN, DONE, deadline="idle"),
    row("an error in the stream before `[DONE]`", body(HEL, FINISH, OVERLOADED), SHOWN, error(ErrorKind.OVERLOADED)),
    row(
        "an event that is no JSON before `[DONE]`", body(HEL, FINISH, b"data: {\n\n"), SHOWN, error(ErrorKind.PROTOCOL)
    ),
    row("the connection is reset after `[DONE]`", body(HEL, FINISH, DONE_EVENT, BREAK), SHOWN, DONE),
    row("the body never ends after `[DONE]`", body(HEL, FINISH, DONE_EVENT, Hang()), SHOWN, DONE),
    row("more text after `[DONE]`", body(HEL, FINISH, DONE_EVENT, text("lo")), SHOWN, DONE),
    row("an error in the stream after `[DONE]`", body(HEL, FINISH, DONE_EVENT, OVERLOADED), SHOWN, DONE),
]
