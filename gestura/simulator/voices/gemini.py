"""The voice of Gemini: `streamGenerateContent` with `alt=sse`.

Each SSE event is a `GenerateContentResponse` with a few words, or with a whole function call, and ends with CR LF. The
last one has an empty text, the finish reason and the token counts; no event marks the end (ai.google.dev/api). Gemini
has no words for a refusal but the text's. An error comes as the real one does: JSON of several lines, outside of any
event, with nothing after it. The response id is a constant: the same scenario gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.scenario import Comment, Scenario, StreamError, ToolCall
from gestura.usage import TokenUsage

__all__ = ["GeminiVoice"]

RESPONSE_ID: Final = "simulated"

_FINISH_WORDS: Final = {
    FinishReason.LENGTH: "MAX_TOKENS",
    FinishReason.CONTENT_FILTER: "SAFETY",
    FinishReason.PAUSE: "OTHER",
    FinishReason.OTHER: "OTHER",
}
"""Tool calls and refusals stop like any answer."""

_STATUS_WORDS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""`google.rpc.Code`, by the HTTP status that it is sent with."""


@attrs.frozen
class GeminiVoice:
    """Gemini, streamed."""

    path = "/{version:v1(?:beta)?}/{model:.+}:streamGenerateContent"
    content_type = "text/event-stream"

    def model_of(self, parameters: Mapping[str, str], body: Mapping[str, Any]) -> str:  # noqa: ARG002  # it is in the path
        return parameters["model"].removeprefix("models/")

    def render(self, scenario: Scenario, body: Mapping[str, Any]) -> list[bytes]:  # noqa: ARG002  # nothing is optional
        return list(_events(scenario))

    def error(self, status: int, message: str, code: str | None) -> bytes:  # noqa: ARG002  # the status has its word
        return _error(status, message, None)


def _events(scenario: Scenario) -> Iterator[bytes]:
    def event(part: Mapping[str, Any], finish: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
        candidate = {"content": {"parts": [part], "role": "model"}, **(finish or {}), "index": 0}
        payload = {"candidates": [candidate], **fields, "modelVersion": scenario.model, "responseId": RESPONSE_ID}
        return f"data: {json.dumps(payload, ensure_ascii=False)}\r\n\r\n".encode()

    for step in scenario.steps:
        match step:
            case Thinking(text):
                yield from (event({"text": piece, "thought": True}) for piece in scenario.sending.pieces(text))
            case Text(text) | Refusal(text):
                yield from (event({"text": piece}) for piece in scenario.sending.pieces(text))
            case ToolCall():
                yield event({"functionCall": _call(step)})
            case Comment(text):
                yield f": {text}\r\n\r\n".encode()
            case StreamError(message, _, code):
                yield _error(500, message, code)
                return

    finish = {} if scenario.finish is FinishReason.UNKNOWN else {"finishReason": _finish_word(scenario.finish)}
    yield event({"text": ""}, finish, **({"usageMetadata": _counts(scenario.usage)} if scenario.usage else {}))


def _call(call: ToolCall) -> dict[str, Any]:
    """Arguments are an object here. What is none, or no JSON at all, is sent as a string of that text."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = None
    fields = {"name": call.name, "args": arguments if isinstance(arguments, dict) else call.arguments}
    return fields | ({"id": call.id} if call.id else {})


def _finish_word(reason: FinishReason) -> str:
    return _FINISH_WORDS.get(reason, "STOP")


def _counts(usage: TokenUsage) -> dict[str, int]:
    counts = {
        "promptTokenCount": usage.input_tokens,
        "cachedContentTokenCount": usage.cached_input_tokens,
        "candidatesTokenCount": usage.output_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _error(status: int, message: str, code: str | None) -> bytes:
    word = code or _STATUS_WORDS.get(status, "UNKNOWN")
    return json.dumps({"error": {"code": status, "message": message, "status": word}}, indent=2).encode()
