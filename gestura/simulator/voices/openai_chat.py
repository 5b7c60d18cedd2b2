"""The voice of OpenAI Chat Completions, and of the many servers that copy it.

Each SSE event is a `chat.completion.chunk`: first the role alone, then one small `delta` each, then `finish_reason` on
an empty delta, then, if `stream_options.include_usage` asks for it, the token counts with empty `choices`, and `[DONE]`
(platform.openai.com/docs/api-reference/chat-streaming). Thinking is `reasoning_content`, DeepSeek's extension. An error
is an object of its own with nothing after it. Ids and times are constants: the same scenario gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.scenario import Comment, Scenario, StreamError, ToolCall
from gestura.usage import TokenUsage

__all__ = ["OpenAIChatVoice"]

COMPLETION_ID = "chatcmpl-simulated"
CREATED = 1_700_000_000


@attrs.frozen
class OpenAIChatVoice:
    """Chat Completions, streamed."""

    path = "/v1/chat/completions"
    content_type = "text/event-stream; charset=utf-8"

    def model_of(self, parameters: Mapping[str, str], body: Mapping[str, Any]) -> str:  # noqa: ARG002  # it is in the body
        return str(body.get("model", ""))

    def render(self, scenario: Scenario, body: Mapping[str, Any]) -> list[bytes]:
        tells_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return list(_events(scenario, tells_usage=tells_usage))

    def error(self, status: int, message: str, code: str | None) -> bytes:
        return _json({"error": {"message": message, "type": _error_type(status), "param": None, "code": code}})


def _events(scenario: Scenario, *, tells_usage: bool) -> Iterator[bytes]:
    envelope = {
        "id": COMPLETION_ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": scenario.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }
    if tells_usage:
        envelope["usage"] = None

    def chunk(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**envelope, "choices": [choice]})

    speaks = any(isinstance(step, Text) for step in scenario.steps)
    yield chunk({"role": "assistant", "content": "" if speaks else None, "refusal": None})

    tool_calls = 0
    for step in scenario.steps:
        match step:
            case Thinking(text):
                yield from (chunk({"reasoning_content": piece}) for piece in scenario.sending.pieces(text))
            case Text(text):
                yield from (chunk({"content": piece}) for piece in scenario.sending.pieces(text))
            case Refusal(text):
                yield from (chunk({"refusal": piece}) for piece in scenario.sending.pieces(text))
            case ToolCall(id=call_id, name=name, arguments=arguments):
                start = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
                yield chunk({"tool_calls": [{"index": tool_calls, **start}]})
                for piece in scenario.sending.pieces(arguments):
                    yield chunk({"tool_calls": [{"index": tool_calls, "function": {"arguments": piece}}]})
                tool_calls += 1
            case Comment(text):
                yield f": {text}\n\n".encode()
            case StreamError(message, kind, code):
                yield _event({"error": {"message": message, "type": kind, "param": None, "code": code}})
                return

    if scenario.finish is not FinishReason.UNKNOWN:
        yield chunk({}, finish_reason=_finish_reason(scenario.finish))
    if tells_usage and scenario.usage is not None:
        yield _event({**envelope, "choices": [], "usage": _usage(scenario.usage)})
    if scenario.end_marker:
        yield b"data: [DONE]\n\n"


def _finish_reason(reason: FinishReason) -> str:
    # A refusal stops like any answer. For stop, length, tool_calls and content_filter gestura uses OpenAI's own words.
    return "stop" if reason is FinishReason.REFUSAL else reason.value


def _usage(usage: TokenUsage) -> dict[str, Any]:
    # `cache_write_tokens` is OpenRouter's extension.
    prompt = _known(cached_tokens=usage.cached_input_tokens, cache_write_tokens=usage.cache_write_tokens)
    return _known(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=prompt or None,
        completion_tokens_details=_known(reasoning_tokens=usage.reasoning_tokens) or None,
    )


def _known(**counts: Any) -> dict[str, Any]:
    return {name: count for name, count in counts.items() if count is not None}


def _error_type(status: int) -> str:
    match status:
        case 429:
            return "rate_limit_error"
        case _ if status >= 500:
            return "server_error"
        case _:
            return "invalid_request_error"


def _event(payload: Mapping[str, Any]) -> bytes:
    return b"data: " + _json(payload) + b"\n\n"


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
