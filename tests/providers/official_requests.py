"""Whether the official packages accept a body: their own request types, validated by pydantic."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from google.genai import types as gemini
from ollama._types import ChatRequest
from ollama._types import Message as OllamaMessage
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

_CHAT = TypeAdapter(CompletionCreateParamsStreaming)
_RESPONSES = TypeAdapter(ResponseCreateParamsStreaming)
_ANTHROPIC = TypeAdapter(MessageCreateParamsStreaming)
_GEMINI: dict[str, TypeAdapter[Any]] = {
    "contents": TypeAdapter(list[gemini.Content]),
    "systemInstruction": TypeAdapter(gemini.Content),
    "generationConfig": TypeAdapter(gemini.GenerationConfig),
    "tools": TypeAdapter(list[gemini.Tool]),
    "toolConfig": TypeAdapter(gemini.ToolConfig),
}
"""By the field; `google-genai` has no type for the whole body, and its models know no field that is not theirs."""


def check_openai_chat(body: dict[str, Any]) -> None:
    """Every field is one that `openai` knows, and holds what it should."""
    assert _consumed(_CHAT.validate_python(body)) == body


def check_openai_responses(body: dict[str, Any]) -> None:
    """Every field is one that `openai` knows, and holds what it should."""
    assert _consumed(_RESPONSES.validate_python(body)) == body


def check_anthropic(body: dict[str, Any]) -> None:
    """Every field is one that `anthropic` knows, and holds what it should, but for two that it dropped of late."""
    known = {name: value for name, value in body.items() if name not in ("temperature", "top_p")}
    assert _consumed(_ANTHROPIC.validate_python(known)) == known


def check_gemini(body: dict[str, Any]) -> None:
    """Every field is one that `google-genai` knows, and holds what it should."""
    for name, value in body.items():
        _GEMINI[name].validate_json(json.dumps(value))


def _consumed(value: Any) -> Any:
    """pydantic validates an `Iterable` while it is read, and leaves unknown fields of a `TypedDict` out."""
    match value:
        case str() | bytes():
            return value
        case Mapping():
            return {name: _consumed(each) for name, each in value.items()}
        case Iterable():
            return [_consumed(each) for each in value]
        case _:
            return value


def check_ollama(body: dict[str, Any]) -> None:
    """Every field is one that `ollama` knows, or newer servers than it do, and holds what it should."""
    ChatRequest.model_validate(body)
    assert set(body) <= set(ChatRequest.model_fields)
    for message in body["messages"]:
        images = message.get("images", [])
        assert all(base64.b64decode(image, validate=True) for image in images)
        OllamaMessage.model_validate(message | {"images": [{"value": image} for image in images]})
        assert set(message) <= set(OllamaMessage.model_fields) | {"tool_call_id"}
        for call in message.get("tool_calls", ()):
            assert {"id", "type", "function"} == set(call)
            assert "function" == call["type"]
