"""Recorded requests to Anthropic as `gestura.Request`, and the form in which two bodies are compared."""

from __future__ import annotations

import base64
import json
from typing import Any

from recorded_requests import Body, Recorded, RecordedWire

from gestura import parts
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.request_options import NamedTool, Sampling, Tool

NO_FIELD = {
    "anthropic_version": "on Vertex AI, what a header says elsewhere",
    "context_management": "what Anthropic drops of a long conversation by itself",
    "metadata": "who the user is",
    "tools": "tools of Anthropic's own, or some that are loaded late",
    "tool_choice": "a choice among such tools",
    "thinking": "thinking without an effort, or not shown",
    "output_config": "an effort without thinking",
}
TOOL_FIELDS = {"name", "description", "input_schema", "cache_control", "strict"}


def read(body: Body) -> Recorded:
    extra = {name: body[name] for name in ("anthropic_version", "context_management", "metadata") if name in body}
    tools = body.get("tools", [])
    if any(set(tool) - TOOL_FIELDS for tool in tools):
        extra |= {name: body[name] for name in ("tools", "tool_choice") if name in body}
    reasoning = _reasoning(body)
    if reasoning is None:
        extra |= {name: body[name] for name in ("thinking", "output_config") if name in body}
    request = Request(
        messages=tuple(
            Message(Role(message["role"]), [_part(block) for block in _blocks(message["content"])])
            for message in body["messages"]
        ),
        system=tuple(_part(block) for block in _blocks(body.get("system", []))),
        tools=() if "tools" in extra else tuple(_tool(tool) for tool in tools),
        tool_choice=_tool_choice(body.get("tool_choice")) if "tool_choice" not in extra else None,
        sampling=Sampling(
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            max_output_tokens=body["max_tokens"],
            stop=body.get("stop_sequences", ()),
        ),
        reasoning=reasoning,
        extra=extra,
    )
    return Recorded(request, ProviderSettings(kind="anthropic", model=body["model"]))


def _reasoning(body: Body) -> Any:
    effort = body.get("output_config", {}).get("effort")
    match body.get("thinking"):
        case {"type": "enabled", "budget_tokens": int(budget)}:
            return budget
        case {"type": "adaptive", **others} if effort and others.get("display") != "omitted":
            return effort
        case _:
            return None


def _blocks(content: Any) -> list[Body]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _part(block: Body) -> Any:
    cache = block["cache_control"].get("ttl", "5m") if "cache_control" in block else None
    match block:
        case {"type": "text", "text": text}:
            return parts.TextPart(text, cache=cache)
        case {"type": "thinking", "thinking": text, "signature": signature}:
            return parts.ThinkingPart(text, signature=signature, sealed_by="anthropic")
        case {"type": "redacted_thinking", "data": data}:
            return parts.ThinkingPart("", signature=data, sealed_by="anthropic", redacted=True)
        case {"type": "tool_use", "id": call, "name": name, "input": arguments}:
            return parts.ToolCall(call, name, json.dumps(arguments))
        case {"type": "tool_result", "tool_use_id": call, **others}:
            content = tuple(_part(inner) for inner in _blocks(others.get("content", [])))
            return parts.ToolResult(call, content, is_error=others.get("is_error", False), cache=cache)
        case {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}:
            return parts.ImagePart(data=base64.b64decode(data), media_type=media_type, cache=cache)
        case _:
            raise AssertionError(block)


def _tool(tool: Body) -> Tool:
    cache = tool["cache_control"].get("ttl", "5m") if "cache_control" in tool else None
    return Tool(
        name=tool["name"],
        description=tool.get("description", ""),
        parameters=tool["input_schema"],
        cache=cache,
        strict=tool.get("strict"),
    )


def _tool_choice(choice: Body | None) -> Any:
    match choice:
        case None:
            return None
        case {"type": "tool", "name": name}:
            return NamedTool(name)
        case {"type": "any"}:
            return "required"
        case {"type": kind}:
            return kind


def normal(body: Body) -> Body:
    """What the API reference says means the same is the same.

    A string is one text block. A cache hint is for five minutes unless it says otherwise. Thinking is shown, up to
    Claude 4.6, unless told otherwise. Parallel calls are allowed unless told otherwise.
    """
    if "system" in body:
        body["system"] = [_normal_block(block) for block in _blocks(body["system"])]
    body["messages"] = [
        message | {"content": [_normal_block(block) for block in _blocks(message["content"])]}
        for message in body["messages"]
    ]
    if "tools" in body:
        body["tools"] = [_normal_block(tool) for tool in body["tools"]]
    if "thinking" in body:
        body["thinking"] = _without(body["thinking"], display="summarized")
    if "tool_choice" in body:
        body["tool_choice"] = _without(body["tool_choice"], disable_parallel_tool_use=False)
    return body


def _normal_block(block: Body) -> Body:
    if "cache_control" in block:
        block = block | {"cache_control": _without(block["cache_control"], ttl="5m")}
    if block.get("type") == "tool_result":
        block = block | {"content": [_normal_block(inner) for inner in _blocks(block.get("content", []))]}
    return block


def _without(fields: Body, **defaults: Any) -> Body:
    return {name: value for name, value in fields.items() if name not in defaults or value != defaults[name]}


ANTHROPIC = RecordedWire(read=read, normal=normal, no_field=NO_FIELD)
