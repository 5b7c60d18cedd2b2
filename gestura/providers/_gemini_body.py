"""What Gemini is asked: a `Request` as the JSON body of `streamGenerateContent` (ai.google.dev/api/generate-content).

The conversation becomes contents of the roles `user` and `model`. What a turn says goes there in its order; only the
results of tools come first, as they must. Empty texts are left out, for they are refused, and so is reasoning that is
not under Gemini's own seal.

Models since Gemini 3 want other terms than those before in three places: how much to think, pictures in results, and
calls that Gemini did not make itself. Which one a model is, its name tells; an unknown one is taken for a newer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from gestura.conversation import Request
from gestura.messages import Role
from gestura.parts import DocumentPart, ImagePart, RefusalPart, TextPart, ThinkingPart, ToolCall, ToolResult
from gestura.providers._inline_files import inline_file, kind_of
from gestura.providers._reasoning import budget_of
from gestura.providers._translation import (
    arguments_object,
    base64_text,
    cannot_say,
    described,
    described_schema,
    without_none,
)
from gestura.providers._turns import Located, turns, without_empty
from gestura.request_options import NamedTool, Reasoning, ResponseFormat, Sampling, Tool
from gestura.tool_schemas import as_written

__all__ = ["WIRE", "request_body"]

WIRE: Final = "gemini"
"""Whose the seals on thoughts and calls are."""

FOREIGN_CALL: Final = "skip_thought_signature_validator"
"""Stands for the seal of a call that Gemini did not make (ai.google.dev, "Thought signatures", questions). Without any
seal on the first call of a turn, models since Gemini 3 refuse the request."""

_ROLES: Final = {Role.USER: "user", Role.ASSISTANT: "model"}
_MODES: Final = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
_TYPES_BY_ENDING: Final = {
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain",
    "webp": "image/webp",
}
"""What Gemini takes, by how its address ends."""


def request_body(request: Request, model: str) -> dict[str, Any]:
    """The JSON body. What the request leaves open is left out; objects in `extra` are merged with ours.

    Raises:
        ConfigError: Gemini has no terms for something in the request.
    """
    body: dict[str, Any] = {"contents": _contents(request, is_since_3=_is_since_3(model))}
    if system := [{"text": part.text} for part in request.system if part.text]:
        body["systemInstruction"] = {"parts": system}
    generation = {
        **_sampling(request.sampling),
        **_response_format(request.response_format),
        **_thinking(request.reasoning, is_since_3=_is_since_3(model)),
    }
    if generation:
        body["generationConfig"] = generation
    if request.tools:
        body["tools"] = _tools(request.tools)
    if choice := _tool_choice(request):
        body["toolConfig"] = {"functionCallingConfig": choice}
    for name, value in request.extra.items():
        ours = body.get(name)
        body[name] = {**ours, **value} if isinstance(ours, dict) and isinstance(value, Mapping) else value
    return body


def _is_since_3(model: str) -> bool:
    return re.search(r"gemini-[12](?!\d)", model.lower()) is None


# The conversation.


def _contents(request: Request, *, is_since_3: bool) -> list[dict[str, Any]]:
    """The turns, without those of the model's in which nothing is left, such as thinking under another's seal."""
    said = without_empty(_turns(request, is_since_3=is_since_3))
    return [{"role": _ROLES[speaker], "parts": parts} for speaker, parts in said]


def _turns(request: Request, *, is_since_3: bool) -> Iterator[tuple[Role, list[dict[str, Any]]]]:
    calls: dict[str, ToolCall] = {}
    for speaker, located in turns(request.messages):
        parts = [part for each in located for part in _parts(each, calls, is_since_3=is_since_3)]
        if not parts and speaker is Role.USER:
            cannot_say(located[0][0], "Gemini refuses a message of empty text alone")
        if is_since_3:
            _seal_foreign_calls(parts)
        yield speaker, parts


def _seal_foreign_calls(parts: list[dict[str, Any]]) -> None:
    """Put the seal that stands for none on the first call. Of calls side by side only the first has one, if any."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None and not any("thoughtSignature" in part for part in parts if "functionCall" in part):
        first["thoughtSignature"] = FOREIGN_CALL


def _parts(located: Located, calls: dict[str, ToolCall], *, is_since_3: bool) -> list[dict[str, Any]]:
    """What becomes of one part. The `calls` so far are noted, because a result has to name its tool."""
    path, part = located
    match part:
        case TextPart(text) | RefusalPart(text):
            return [{"text": text}] if text else []
        case ImagePart() | DocumentPart():
            return [_file(path, part)]
        case ThinkingPart():
            return _thought(part)
        case ToolCall():
            calls[part.id] = part
            seal = {"thoughtSignature": part.signature} if part.signature and part.sealed_by == WIRE else {}
            return [{"functionCall": {"id": part.id, "name": part.name, "args": arguments_object(part)}, **seal}]
        case ToolResult():
            files = [
                _file(f"{path}.content[{number}]", piece)
                for number, piece in enumerate(part.content)
                if not isinstance(piece, TextPart)
            ]
            response: dict[str, Any] = {
                "id": part.call_id,
                "name": calls[part.call_id].name,
                "response": _response(part),
            }
            if is_since_3 and files:
                response["parts"], files = files, []
            return [{"functionResponse": response}, *files]


def _thought(part: ThinkingPart) -> list[dict[str, Any]]:
    """Under a seal of Gemini's, a thought, or the empty text that a seal on what came before is said with."""
    if part.signature is None or part.sealed_by != WIRE:
        return []
    thought = {"thought": True} if part.text else {}
    return [{"text": part.text, **thought, "thoughtSignature": part.signature}]


def _response(result: ToolResult) -> dict[str, Any]:
    """The texts of a result as an object, which Gemini wants: as they are if they are one, else in a field."""
    text = result.text
    if result.is_error:
        return {"error": text}
    try:
        value = msgspec.json.decode(text) if text.lstrip().startswith("{") else None
    except (msgspec.DecodeError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"output": text}


def _file(path: str, part: ImagePart | DocumentPart) -> dict[str, Any]:
    """Bytes in the request, or an address. There is no field for the name of a document."""
    if held := inline_file(path, part):
        media_type, data = held
        return {"inlineData": {"mimeType": media_type, "data": base64_text(data)}}
    url = part.url or ""
    ending = re.sub(r"[?#].*", "", url).rpartition(".")[2].lower()
    media_type = part.media_type or _TYPES_BY_ENDING.get(ending) or ""
    if not media_type and "/files/" not in url:
        cannot_say(f"{path}.{kind_of(part)}.media_type", "Gemini has to be told the type of what is at the address")
    return {"fileData": {"fileUri": url} | ({"mimeType": media_type} if media_type else {})}


# What is asked for beside it.


def _tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """One entry with all functions, and one for each tool of Gemini's own."""
    functions: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    for tool in tools:
        written = as_written(tool, "gemini") or _declaration(tool)
        (own if tool.parameters is None else functions).append(written)
    return [*([{"functionDeclarations": functions}] if functions else []), *own]


def _declaration(tool: Tool) -> dict[str, Any]:
    # `parameters` takes a dialect of its own, without empty objects; this field takes JSON Schema.
    return {"name": tool.name, **described(tool.description), "parametersJsonSchema": tool.parameters}


def _tool_choice(request: Request) -> dict[str, Any] | None:
    """How the model shall choose; nothing where it has no tools to choose from."""
    if request.tool_choice is None or not (request.tools or "tools" in request.extra):
        return None
    if isinstance(request.tool_choice, NamedTool):
        return {"mode": "ANY", "allowedFunctionNames": [request.tool_choice.name]}
    return {"mode": _MODES[request.tool_choice]}


def _sampling(sampling: Sampling) -> dict[str, Any]:
    optional = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "maxOutputTokens": sampling.max_output_tokens,
        "seed": sampling.seed,
        "stopSequences": list(sampling.stop) or None,
    }
    return without_none(optional)


def _response_format(wanted: ResponseFormat | None) -> dict[str, Any]:
    """The shape of the answer. A description goes into the schema; for a name there is no place."""
    if wanted is None:
        return {}
    return {"responseMimeType": "application/json", "responseJsonSchema": described_schema(wanted)}


def _thinking(reasoning: Reasoning | None, *, is_since_3: bool) -> dict[str, Any]:
    """How much to think, which is shown where thinking is asked for. A budget both generations take.

    Models since Gemini 3 can't be kept from thinking; `minimal` is the least they do.
    """
    match reasoning:
        case None:
            return {}
        case "off":
            return {"thinkingConfig": {"thinkingLevel": "minimal"} if is_since_3 else {"thinkingBudget": 0}}
        case str(level) if is_since_3:
            return {"thinkingConfig": {"thinkingLevel": level, "includeThoughts": True}}
        case _:
            return {"thinkingConfig": {"thinkingBudget": budget_of(reasoning), "includeThoughts": True}}
