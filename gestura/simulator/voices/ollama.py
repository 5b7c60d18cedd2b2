"""The voice of Ollama's chat endpoint: one JSON object per line, each with the model and a time.

First thinking, text and tool calls, a small `message` each, then an empty one with `"done": true`, the reason and the
counts (github.com/ollama/ollama, docs/api.md). A tool call stands whole in one line, its arguments an object, or a
string where they are none. Ollama has no words of its own for refusals, which are text, nor for signs of life, which
are empty messages. An error is a line of its own with nothing after it. Times are constants: the same scenario gives
the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.scenario import Comment, Scenario, StreamError, ToolCall

__all__ = ["OllamaVoice"]

CREATED = "2023-11-14T22:13:20.000000000Z"
DURATIONS = {
    "total_duration": 2_000_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_duration": 500_000_000,
    "eval_duration": 1_000_000_000,
}
"""Nanoseconds."""


@attrs.frozen
class OllamaVoice:
    """`/api/chat`, streamed."""

    path = "/api/chat"
    content_type = "application/x-ndjson"

    def model_of(self, parameters: Mapping[str, str], body: Mapping[str, Any]) -> str:  # noqa: ARG002  # it is in the body
        return str(body.get("model", ""))

    def render(self, scenario: Scenario, body: Mapping[str, Any]) -> list[bytes]:  # noqa: ARG002  # it asks for no variant
        return list(_lines(scenario))

    def error(self, status: int, message: str, code: str | None) -> bytes:  # noqa: ARG002  # Ollama tells the message alone
        return _json({"error": message})


def _lines(scenario: Scenario) -> Iterator[bytes]:
    def line(message: Mapping[str, Any], **more: Any) -> bytes:
        said = {"role": "assistant", "content": "", **message}
        return _line({"model": scenario.model, "created_at": CREATED, "message": said, "done": False, **more})

    tool_calls = 0
    for step in scenario.steps:
        match step:
            case Thinking(text):
                yield from (line({"thinking": piece}) for piece in scenario.sending.pieces(text))
            case Text(text) | Refusal(text):
                yield from (line({"content": piece}) for piece in scenario.sending.pieces(text))
            case ToolCall(id=call_id, name=name, arguments=arguments):
                function = {"index": tool_calls, "name": name, "arguments": _arguments(arguments)}
                yield line({"tool_calls": [{"id": call_id, "function": function}]})
                tool_calls += 1
            case Comment():
                yield line({})
            case StreamError(message):
                yield _line({"error": message})
                return

    if scenario.end_marker:
        yield line({}, done=True, **_reason(scenario.finish), **DURATIONS, **_counts(scenario))


def _arguments(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def _reason(finish: FinishReason) -> dict[str, str]:
    match finish:
        case FinishReason.UNKNOWN:
            return {}
        case FinishReason.TOOL_CALLS | FinishReason.REFUSAL:
            return {"done_reason": "stop"}
        case _:
            return {"done_reason": finish.value}


def _counts(scenario: Scenario) -> dict[str, int]:
    if scenario.usage is None:
        return {}
    counts = {"prompt_eval_count": scenario.usage.input_tokens, "eval_count": scenario.usage.output_tokens}
    return {name: count for name, count in counts.items() if count is not None}


def _line(payload: Mapping[str, Any]) -> bytes:
    return _json(payload) + b"\n"


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
