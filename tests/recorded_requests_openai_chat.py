"""Recorded bodies of Chat Completions, read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from recorded_requests import Body, Recorded, RecordedWire, without_nulls

from gestura.chat_dialect import ChatDialect
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.parts import Part, RefusalPart, TextPart, ThinkingPart, ToolCall, ToolResult
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool

NO_FIELD = {
    "n": "several answers at once",
    "user": "an end user's id",
    "service_tier": "how fast and how dear",
    "logprobs": "probabilities of tokens",
    "presence_penalty": "sampling that few providers have",
    "frequency_penalty": "sampling that few providers have",
    "safe_prompt": "Mistral's own guard",
    "provider": "OpenRouter's choice of hosts",
    "usage": "OpenRouter's older way to ask for usage",
    "enable_thinking": "Qwen's switch, at hosts of it",
    "thinking": "reasoning that is on, with no word on how much; Z.ai's own options",
    "reasoning": "reasoning that is on, with no word on how much",
}
OTHER_NAMES = {"max_tokens": "max_completion_tokens", "random_seed": "seed"}
RETURNED_IN = ("reasoning_content", "reasoning", "reasoning_details")


def read(body: Body) -> Recorded:
    body = without_nulls(body)
    assert body.pop("stream") is True
    body.pop("stream_options", None)
    messages = [_as_content(message) for message in body.pop("messages")]
    dialect = ChatDialect(
        field_names={ours: name for name, ours in OTHER_NAMES.items() if name in body},
        reasoning_returned_in=next((name for name in RETURNED_IN for message in messages if name in message), None),
        cache_control="cache_control" in json.dumps(messages),
    )
    body = {OTHER_NAMES.get(name, name): value for name, value in body.items()}
    dialect, reasoning = _reasoning(body, dialect)
    settings = ProviderSettings(kind="openai_chat", model=body.pop("model"), dialect=dialect)
    system = [message for message in messages if message["role"] in ("system", "developer")]
    assert messages[: len(system)] == system
    request = Request(
        messages=tuple(_messages(messages[len(system) :])),
        system=tuple(part for message in system for part in _texts(message)),
        tools=tuple(map(_tool, body.pop("tools", ()))),
        tool_choice=_tool_choice(body.pop("tool_choice", None)),
        sampling=Sampling(
            temperature=body.pop("temperature", None),
            top_p=body.pop("top_p", None),
            max_output_tokens=body.pop("max_completion_tokens", None),
            seed=body.pop("seed", None),
            stop=body.pop("stop", ()),
        ),
        reasoning=reasoning,
        response_format=_response_format(body.pop("response_format", None)),
        extra=body,
    )
    return Recorded(request, settings)


def _reasoning(body: Body, dialect: ChatDialect) -> tuple[ChatDialect, Any]:
    match body:
        case {"thinking": {"type": "enabled", **rest}, "reasoning_effort": _} if not rest:
            del body["thinking"]
            return attrs.evolve(dialect, reasoning_asked_in="thinking"), body.pop("reasoning_effort")
        case {"reasoning": {"effort": effort, **rest}} if not rest:
            del body["reasoning"]
            return attrs.evolve(dialect, reasoning_asked_in="reasoning"), effort
        case _:
            return dialect, body.pop("reasoning_effort", None)


def _messages(messages: Sequence[Body]) -> Iterator[Message]:
    """The results of tools are the user's."""
    for message in messages:
        match message["role"]:
            case "assistant":
                yield Message(Role.ASSISTANT, _said_by_model(message))
            case "tool":
                yield Message(Role.USER, [ToolResult(message["tool_call_id"], tuple(_texts(message)))])
            case "user":
                yield Message(Role.USER, _texts(message))


def _said_by_model(message: Body) -> Iterator[Part]:
    for field in ("reasoning_content", "reasoning"):
        if field in message:
            yield ThinkingPart(message[field])
    for entry in message.get("reasoning_details", ()):
        text = entry.pop("text", "")
        yield ThinkingPart(text, signature=json.dumps(entry), sealed_by="openai_chat")
    yield from (part for part in _texts(message) if part.text)
    if "refusal" in message:
        yield RefusalPart(message["refusal"])
    for call in message.get("tool_calls", ()):
        yield ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])


def _texts(message: Body) -> Iterator[TextPart]:
    for part in message.get("content", ()):
        assert part["type"] == "text", part
        cached = part.get("cache_control")
        yield TextPart(part["text"], cache=cached.get("ttl", "5m") if cached else None)


def _tool(tool: Body) -> Tool:
    function = tool.pop("function")
    assert {"type": "function"} == tool
    return Tool(**function)


def _tool_choice(choice: Any) -> Any:
    match choice:
        case {"type": "function", "function": {"name": name}}:
            return NamedTool(name)
        case "any":
            return "required"
        case _:
            return choice


def _response_format(shape: Body | None) -> ResponseFormat | None:
    return ResponseFormat(**shape["json_schema"]) if shape else None


def normal(body: Body) -> Body:
    """A body in its normal form.

    - A missing field, null, and an empty list of tools are the same.
    - Usage is asked for by us always (`stream_options`), by others now and then.
    - A developer's message is what OpenAI calls a system message since its reasoning models.
    - Content that is a string is one part of that text; none at all, or an empty string, is no part.
    - A cache hint on a message is one on its last part.
    - One word to stop at is a list of one. Mistral's `any` is everybody's `required`.
    """
    body = without_nulls(body)
    body.pop("stream_options", None)
    if body.get("tools") == []:
        del body["tools"]
    if "stop" in body and isinstance(body["stop"], str):
        body["stop"] = [body["stop"]]
    if body.get("tool_choice") == "any":
        body["tool_choice"] = "required"
    return {**body, "messages": [_as_content(message) for message in body["messages"]]}


def _as_content(message: Body) -> Body:
    message = dict(message)
    content = message.pop("content", None) or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if "cache_control" in message:
        parts[-1] = {**parts[-1], "cache_control": message.pop("cache_control")}
    if message["role"] == "developer":
        message["role"] = "system"
    return {**message, "content": parts} if parts else message


def _one_name_for_reasoning(body: Body) -> Body:
    for message in body["messages"]:
        message.pop("reasoning", None)
    return body


def _no_name_beside_function(body: Body) -> Body:
    for tool in body["tools"]:
        tool.pop("name")
    return body


def _with_ids(body: Body) -> Body:
    _, model, result = body["messages"]
    model["tool_calls"][0]["id"] = result["tool_call_id"] = "call_1"
    return body


TWICE = "the reasoning is sent back twice, under two names; we send it under one"

OPENAI_CHAT = RecordedWire(
    read=read,
    normal=normal,
    no_field=NO_FIELD,
    odd={
        "ollama-gpt-oss-120b-text-1": (TWICE, _one_name_for_reasoning),
        "ollama-gpt-oss-120b-reason-text-2": (TWICE, _one_name_for_reasoning),
        "openai-gpt-4.1-nano-2025-04-14-tool-1": (
            "a tool's name stands beside its function, too",
            _no_name_beside_function,
        ),
        "writer-palmyra-x4-text-1": ("a call and its result have no id, which OpenAI demands", _with_ids),
    },
)
