"""Recorded requests to Gemini as `gestura.Request`, and the form in which two bodies are compared."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from recorded_requests import Body, Recorded, RecordedWire

from gestura import parts
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool

NO_FIELD = {
    "cachedContent": "what was uploaded to be kept",
    "tools": "tools of Google's own",
    "generationConfig": "`candidateCount`, `responseModalities`, or a schema in Google's dialect",
}
ROLES = {"user": Role.USER, "model": Role.ASSISTANT}
GENERATION_FIELDS = {"temperature", "topP", "maxOutputTokens", "seed", "stopSequences", "thinkingConfig"}


def read(body: Body) -> Recorded:
    model = body.pop("model")
    body = _normal_but_for_ids(body)
    extra = {"cachedContent": body["cachedContent"]} if "cachedContent" in body else {}
    generation = dict(body.get("generationConfig", {}))
    wanted = None
    if schema := generation.pop("responseJsonSchema", None):
        generation.pop("responseMimeType")
        wanted = ResponseFormat(name="answer", schema=schema)
    if others := {name: value for name, value in generation.items() if name not in GENERATION_FIELDS}:
        extra["generationConfig"] = others
    declared = [each for tool in body.get("tools", []) for each in tool.get("functionDeclarations", [])]
    if body.get("tools") and not declared:
        extra["tools"] = body["tools"]
    request = Request(
        messages=_messages(body["contents"]),
        system=[parts.TextPart(part["text"]) for part in body.get("systemInstruction", {"parts": []})["parts"]],
        tools=[
            Tool(name=each["name"], description=each.get("description", ""), parameters=each["parametersJsonSchema"])
            for each in declared
        ],
        tool_choice=_tool_choice(body.get("toolConfig", {}).get("functionCallingConfig")),
        sampling=Sampling(
            temperature=generation.get("temperature"),
            top_p=generation.get("topP"),
            max_output_tokens=generation.get("maxOutputTokens"),
            seed=generation.get("seed"),
            stop=generation.get("stopSequences", ()),
        ),
        reasoning=_reasoning(generation.get("thinkingConfig")),
        response_format=wanted,
        extra=extra,
    )
    return Recorded(request, ProviderSettings(kind="gemini", model=model))


def _reasoning(config: Body | None) -> Any:
    match config:
        case None:
            return None
        case {"thinkingBudget": 0}:
            return "off"
        case {"includeThoughts": True, "thinkingLevel": level}:
            return level
        case {"includeThoughts": True, "thinkingBudget": budget}:
            return budget
        case _:
            raise AssertionError(config)


def _tool_choice(config: Body | None) -> Any:
    match config:
        case None:
            return None
        case {"mode": "ANY", "allowedFunctionNames": [name]}:
            return NamedTool(name)
        case {"mode": mode}:
            return {"AUTO": "auto", "ANY": "required", "NONE": "none"}[mode]


def _messages(contents: list[Body]) -> tuple[Message, ...]:
    """Calls without an id get one, and their results the same, told by the name."""
    waiting: list[parts.ToolCall] = []
    count = 0

    def part_of(part: Body) -> Any:
        nonlocal count
        seal = {"signature": part["thoughtSignature"], "sealed_by": "gemini"} if "thoughtSignature" in part else {}
        match part:
            case {"functionCall": {"name": name, "args": arguments, **others}}:
                count += 1
                waiting.append(parts.ToolCall(others.get("id", f"call_{count}"), name, json.dumps(arguments), **seal))
                return waiting[-1]
            case {"functionResponse": {"name": name, "response": response}}:
                call = next(call for call in waiting if call.name == name)
                waiting.remove(call)
                return parts.ToolResult(call.id, (parts.TextPart(json.dumps(response)),))
            case {"inlineData": {"data": data, "mimeType": media_type}}:
                return parts.ImagePart(data=base64.urlsafe_b64decode(_urlsafe(data)), media_type=media_type)
            case {"text": text}:
                assert not seal
                return parts.TextPart(text)
            case _:
                raise AssertionError(part)

    return tuple(Message(ROLES[content["role"]], [part_of(part) for part in content["parts"]]) for content in contents)


def normal(body: Body) -> Body:
    """What the API reference says means the same is the same.

    `null`, an empty list and an empty object are as good as nothing. Names may be written in snake case, enumerations
    in small letters, and base64 in either alphabet. The role of a system instruction is not read, and `thought: false`
    is the default. `parameters` is the older field for the schema of a function. Allowing all functions is the default.
    Ids of calls are optional: which result is which call's is compared, not how it is told. The model is in the URL.
    """
    return _without_ids(_normal_but_for_ids(body))


def _normal_but_for_ids(body: Body) -> Body:
    body.pop("model", None)
    body = {name: value for name, value in _camel_case(body).items() if value not in (None, [], {})}
    if "systemInstruction" in body:
        body["systemInstruction"] = {"parts": [_normal_part(part) for part in body["systemInstruction"]["parts"]]}
    body["contents"] = [
        content | {"parts": [_normal_part(part) for part in content["parts"]]} for content in body["contents"]
    ]
    if level := body.get("generationConfig", {}).get("thinkingConfig", {}).get("thinkingLevel"):
        thinking = body["generationConfig"]["thinkingConfig"] | {"thinkingLevel": level.lower()}
        body["generationConfig"] = body["generationConfig"] | {"thinkingConfig": thinking}
    names = set()
    if "tools" in body:
        body["tools"] = [{name: value for name, value in tool.items() if value is not None} for tool in body["tools"]]
        for tool in body["tools"]:
            if "functionDeclarations" in tool:
                tool["functionDeclarations"] = [_normal_function(each) for each in tool["functionDeclarations"]]
                names |= {each["name"] for each in tool["functionDeclarations"]}
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if names and names == set(calling.get("allowedFunctionNames", ())):
        body["toolConfig"] = {"functionCallingConfig": {"mode": calling["mode"]}}
    return body


def _without_ids(body: Body) -> Body:
    """The ids are left out once it is seen that each result has that of its call, or none has any."""
    waiting: list[tuple[Any, str]] = []
    contents = []
    for content in body["contents"]:
        kept = []
        for part in content["parts"]:
            for kind in ("functionCall", "functionResponse"):
                if kind in part:
                    told = part[kind]
                    key = (told.get("id"), told["name"])
                    waiting.append(key) if kind == "functionCall" else waiting.remove(key)
                    part = part | {kind: {name: value for name, value in told.items() if name != "id"}}
            kept.append(part)
        contents.append(content | {"parts": kept})
    return body | {"contents": contents}


def _normal_part(part: Body) -> Body:
    part = {name: value for name, value in part.items() if (name, value) != ("thought", False)}
    if "inlineData" in part:
        part["inlineData"] = part["inlineData"] | {"data": _urlsafe(part["inlineData"]["data"])}
    return part


def _urlsafe(data: str) -> str:
    return data.replace("+", "-").replace("/", "_")


def _normal_function(function: Body) -> Body:
    function = dict(function)
    if "parameters" in function:
        function["parametersJsonSchema"] = _small_types(function.pop("parameters"))
    return function


def _small_types(schema: Any) -> Any:
    match schema:
        case {"type": str(kind), **others}:
            return {"type": kind.lower(), **{name: _small_types(value) for name, value in others.items()}}
        case dict():
            return {name: _small_types(value) for name, value in schema.items()}
        case _:
            return schema


def _camel_case(body: Body) -> Body:
    """The names of `generationConfig`; nowhere else does a recording have another case."""
    generation = {
        _camel(name): {_camel(inner): each for inner, each in value.items()} if name == "thinkingConfig" else value
        for name, value in (body.get("generationConfig") or {}).items()
    }
    return body | {"generationConfig": generation}


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


GEMINI = RecordedWire(read=read, normal=normal, no_field=NO_FIELD)
