"""Whether the official packages accept a body: their own request types, validated by pydantic."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from ollama._types import ChatRequest
from ollama._types import Message as OllamaMessage
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

_CHAT = TypeAdapter(CompletionCreateParamsStreaming)


def check_openai_chat(body: dict[str, Any]) -> None:
    """Every field is one that `openai` knows, and holds what it should."""
    assert _consumed(_CHAT.validate_python(body)) == body


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
