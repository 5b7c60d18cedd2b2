"""Recorded requests to OpenAI Responses as `gestura.Request`, and the form in which two bodies are compared."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from recorded_requests import Body, Recorded, RecordedWire

from gestura import parts
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.request_options import ResponseFormat, Sampling, Tool

NO_FIELD = {
    "background": "an answer that goes on without a connection",
    "include": "what else to tell",
    "moderation": "a model that watches",
    "store": "whether OpenAI keeps the answer",
    "tools": "tools of OpenAI's own",
    "tool_choice": "a choice among such tools",
    "reasoning": "a summary",
}
SEALED = ["reasoning.encrypted_content"]


def read(body: Body) -> Recorded:
    body = normal(body)
    extra = {name: body[name] for name in ("background", "include", "moderation", "store") if name in body}
    tools = body.get("tools", [])
    if any(tool["type"] != "function" for tool in tools):
        extra |= {name: body[name] for name in ("tools", "tool_choice") if name in body}
    reasoning = body.get("reasoning")
    if reasoning and set(reasoning) != {"effort"}:
        extra["reasoning"] = reasoning
    if "reasoning" in body and "reasoning" not in extra and extra.get("include") == SEALED:
        del extra["include"]  # goes with it
    wanted = body.get("text", {}).get("format")
    request = Request(
        messages=_messages(body["input"]),
        system=body.get("instructions"),
        tools=[_tool(tool) for tool in tools if "tools" not in extra],
        tool_choice=None if "tool_choice" in extra else body.get("tool_choice"),
        sampling=Sampling(
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            max_output_tokens=body.get("max_output_tokens"),
        ),
        reasoning=reasoning["effort"] if reasoning and "reasoning" not in extra else None,
        response_format=wanted
        and ResponseFormat(name=wanted["name"], schema=wanted["schema"], strict=wanted["strict"]),
        extra=extra,
    )
    return Recorded(request, ProviderSettings(kind="openai_responses", model=body["model"]))


def _tool(tool: Body) -> Tool:
    return Tool(
        name=tool["name"],
        description=tool.get("description", ""),
        parameters=tool["parameters"],
        strict=tool.get("strict"),
    )


def _messages(items: list[Body]) -> tuple[Message, ...]:
    """The model's items that follow one another are one message, as are outputs; a message of the user's is its own."""

    def speaker(numbered: tuple[int, Body]) -> tuple[Role, int]:
        number, item = numbered
        match item:
            case {"role": "user"}:
                return Role.USER, number
            case {"type": "function_call_output"}:
                return Role.USER, -1
            case _:
                return Role.ASSISTANT, -1

    return tuple(
        Message(role, [part for _, item in run for part in _parts(item)])
        for (role, _), run in groupby(enumerate(items), key=speaker)
    )


def _parts(item: Body) -> list[Any]:
    match item:
        case {"role": "user" | "assistant", "content": str(text)}:
            return [parts.TextPart(text)]
        case {"role": "user", "content": [*content]}:
            return [parts.TextPart(each["text"]) for each in content]
        case {"type": "function_call", "call_id": call, "name": name, "arguments": arguments}:
            return [parts.ToolCall(call, name, arguments)]
        case {"type": "function_call_output", "call_id": call, "output": str(text)}:
            return [parts.ToolResult(call, (parts.TextPart(text),))]
        case {"type": "reasoning"}:
            return [parts.ThinkingPart("", signature=json.dumps(item), sealed_by="openai_responses")]
        case _:
            raise AssertionError(item)


def normal(body: Body) -> Body:
    """What the API reference says means the same is the same.

    A string is one message of the user's, and one text of a message. `null` is as good as nothing. The type of a
    message is optional, and so are the ids and statuses of what the model said. A first message of the system's or the
    developer's is what `instructions` stand for.
    """
    body = {name: value for name, value in body.items() if value is not None}
    items = body["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else [_normal_item(item) for item in items]
    if items[0].get("role") in ("system", "developer"):
        body["instructions"] = items.pop(0)["content"]
    body["input"] = items
    if "tools" in body:
        body["tools"] = [_normal_tool(tool) for tool in body["tools"]]
    return body


def _normal_tool(tool: Body) -> Body:
    return {name: value for name, value in tool.items() if value is not None}


def _normal_item(item: Body) -> Body:
    match item:
        case {"role": role, "content": [{"type": "input_text" | "output_text", "text": text}]}:
            return {"role": role, "content": text}
        case {"role": role, "content": content}:
            return {"role": role, "content": content}
        case {"type": "function_call"}:
            return {name: value for name, value in item.items() if name not in ("id", "status")}
        case _:
            return item


def _asking_for_seals(body: Body) -> Body:
    return body | {"include": SEALED}


def _saying_that_it_is_not_strict(body: Body) -> Body:
    return body | {"tools": [tool | {"strict": False} for tool in body["tools"]]}


RESPONSES = RecordedWire(
    read=read,
    normal=normal,
    no_field=NO_FIELD,
    odd={
        "openai-gpt-5-2025-08-07-reason-text-4": ("seals are not asked for with reasoning", _asking_for_seals),
        "openai-gpt-5.6-sol-incomplete-tool-1": ("`strict` is left to OpenAI", _saying_that_it_is_not_strict),
        "openai-chatgpt-backend-gpt-5.4-ptools-reason-1": ("the same", _saying_that_it_is_not_strict),
    },
)
