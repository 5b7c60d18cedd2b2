"""Whether the official packages accept a body: their own request types, validated by pydantic.

A package is imported when a body is first held against it: all of them take seconds, and every worker of the suite
imports this module.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter

_TYPES = {
    "openai_chat": ("openai.types.chat.completion_create_params", "CompletionCreateParamsStreaming"),
    "openai_responses": ("openai.types.responses.response_create_params", "ResponseCreateParamsStreaming"),
    "anthropic": ("anthropic.types.message_create_params", "MessageCreateParamsStreaming"),
}
"""The module and the name of each wire's type of body."""


@cache
def _official(wire: str) -> TypeAdapter[Any]:
    module, name = _TYPES[wire]
    return TypeAdapter(getattr(import_module(module), name))


@cache
def _of_gemini() -> dict[str, TypeAdapter[Any]]:
    """By the field; `google-genai` has no type for the whole body, and its models know no field that is not theirs."""
    from google.genai import types

    return {
        "contents": TypeAdapter(list[types.Content]),
        "systemInstruction": TypeAdapter(types.Content),
        "generationConfig": TypeAdapter(types.GenerationConfig),
        "tools": TypeAdapter(list[types.Tool]),
        "toolConfig": TypeAdapter(types.ToolConfig),
    }


def check_openai_chat(body: dict[str, Any]) -> None:
    """Every field is one that `openai` knows, and holds what it should."""
    assert _consumed(_official("openai_chat").validate_python(body)) == body


def check_openai_responses(body: dict[str, Any]) -> None:
    """Every field is one that `openai` knows, and holds what it should."""
    assert _consumed(_official("openai_responses").validate_python(body)) == body


def check_anthropic(body: dict[str, Any]) -> None:
    """Every field is one that `anthropic` knows, and holds what it should, but for two that it dropped of late."""
    known = {name: value for name, value in body.items() if name not in ("temperature", "top_p")}
    assert _consumed(_official("anthropic").validate_python(known)) == known


def check_gemini(body: dict[str, Any]) -> None:
    """Every field is one that `google-genai` knows, and holds what it should."""
    for name, value in body.items():
        _of_gemini()[name].validate_json(json.dumps(value))


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
    from ollama._types import ChatRequest, Message

    ChatRequest.model_validate(body)
    assert set(body) <= set(ChatRequest.model_fields)
    for message in body["messages"]:
        images = message.get("images", [])
        assert all(base64.b64decode(image, validate=True) for image in images)
        Message.model_validate(message | {"images": [{"value": image} for image in images]})
        assert set(message) <= set(Message.model_fields) | {"tool_call_id"}
        for call in message.get("tool_calls", ()):
            assert {"id", "type", "function"} == set(call)
            assert "function" == call["type"]
