"""The voice of Anthropic Messages.

Each SSE event has a name that its data repeats as `type`: `message_start` with the input's tokens, a `ping`, content
blocks (start, deltas, stop) that count up by `index`, `message_delta` with the stop reason and all tokens, and
`message_stop` (platform.claude.com/docs/en/build-with-claude/streaming). Thinking is sealed with a signature. A refusal
has no block: its words are the explanation beside the stop reason. An error has nothing after it. Ids and signatures
are constants: the same scenario gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.scenario import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.usage import TokenUsage

__all__ = ["AnthropicVoice"]

MESSAGE_ID = "msg_simulated"
REQUEST_ID = "req_simulated"
SIGNATURE = "c2ltdWxhdGVk"

STOP_REASONS: Final[Mapping[FinishReason, str | None]] = {
    FinishReason.STOP: "end_turn",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.REFUSAL: "refusal",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.PAUSE: "pause_turn",
    FinishReason.OTHER: "other",
    FinishReason.UNKNOWN: None,
}

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Of HTTP errors; all others are an `api_error`."""


@attrs.frozen
class AnthropicVoice:
    """Messages, streamed."""

    path = "/v1/messages"
    content_type = "text/event-stream; charset=utf-8"

    def model_of(self, parameters: Mapping[str, str], body: Mapping[str, Any]) -> str:  # noqa: ARG002  # it is in the body
        return str(body.get("model", ""))

    def render(self, scenario: Scenario, body: Mapping[str, Any]) -> list[bytes]:  # noqa: ARG002  # all is told unasked
        return list(_events(scenario))

    def error(self, status: int, message: str, code: str | None) -> bytes:  # noqa: ARG002  # it has types only
        error = {"type": ERROR_TYPES.get(status, "api_error"), "message": message}
        return _json({"type": "error", "error": error, "request_id": REQUEST_ID})


def _events(scenario: Scenario) -> Iterator[bytes]:
    usage = scenario.usage or TokenUsage()
    message: dict[str, Any] = {
        "model": scenario.model,
        "id": MESSAGE_ID,
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    yield _event("message_start", message=message | _usage(_before_the_answer(usage)))
    yield _event("ping")

    explanation = ""
    index = 0
    for step in scenario.steps:
        match step:
            case Thinking() | Text() | ToolCall():
                yield from _block(index, step, scenario.sending)
                index += 1
            case Refusal(text):
                explanation += text
            case Comment():
                yield _event("ping")
            case StreamError(message=words, type=kind):
                yield _event("error", error={"type": kind, "message": words}, request_id=REQUEST_ID)
                return

    delta: dict[str, Any] = {"stop_reason": _stop_reason(scenario.finish, explanation), "stop_sequence": None}
    if explanation:
        delta["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
    yield _event("message_delta", delta=delta, **_usage(usage))
    if scenario.end_marker:
        yield _event("message_stop")


def _block(index: int, step: Thinking | Text | ToolCall, sending: Sending) -> Iterator[bytes]:
    start: dict[str, Any]
    match step:
        case Thinking(text):
            start = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in sending.pieces(text)]
            deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        case Text(text):
            start = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in sending.pieces(text)]
        case ToolCall(id=call_id, name=name, arguments=arguments):
            start = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
            pieces = ["", *sending.pieces(arguments)]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    yield _event("content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _stop_reason(reason: FinishReason, explanation: str) -> str | None:
    return "refusal" if explanation and reason is FinishReason.STOP else STOP_REASONS[reason]


def _before_the_answer(usage: TokenUsage) -> TokenUsage:
    """What is known when the answer begins: the input, and a first token of output."""
    begun = None if usage.output_tokens is None else min(usage.output_tokens, 1)
    return attrs.evolve(usage, output_tokens=begun, reasoning_tokens=None)


def _usage(usage: TokenUsage) -> dict[str, Any]:
    """The field `usage` of an event, if there is anything to tell."""
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    told = {name: count for name, count in counts.items() if count is not None}
    return {"usage": told} if told else {}


def _event(name: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _json({"type": name, **fields}))


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
