"""What is asked over OpenAI Responses: a `Request` as the JSON body of `POST /v1/responses`.

The conversation becomes items, as in OpenAI's API reference ("Create a model response", `input`): messages, function
calls and their outputs, and reasoning, which is the item itself that its seal holds. What the model said goes without
the ids that OpenAI gave it: those are for looking up what OpenAI has stored, and all is in the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

import msgspec

from gestura.conversation import Request
from gestura.messages import Role
from gestura.parts import (
    DocumentPart,
    ImagePart,
    RefusalPart,
    ResultPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
)
from gestura.providers._as_text import FAILED
from gestura.providers._call_ids import CallIds
from gestura.providers._inline_files import inline_file, kind_of
from gestura.providers._reasoning import effort_of
from gestura.providers._translation import cannot_say, data_url, described, joined_text, shortened, without_none
from gestura.providers._turns import Located, parts_of
from gestura.request_options import NamedTool, Reasoning, ResponseFormat, Tool
from gestura.tool_schemas import as_written

__all__ = ["WIRE", "request_body"]

WIRE: Final = "openai_responses"
"""Whose the seals on reasoning are."""

CALL_ID: Final = re.compile(r".{1,64}", re.DOTALL)
"""What the id of a call may be: OpenAI refuses longer ones."""

SEALED_REASONING: Final = "reasoning.encrypted_content"
"""What to ask for, so that reasoning comes with its seal: OpenAI does so by itself, others don't."""

_ENDINGS: Final = {"text/plain": "txt", "text/markdown": "md"}


def request_body(request: Request, model: str) -> dict[str, Any]:
    """The JSON body. What the request leaves open is left out.

    Raises:
        ConfigError: this API has no terms for something in the request.
    """
    sampling = request.sampling
    if sampling.stop:
        cannot_say("sampling.stop", "Responses has no stop sequences; a server that has may get them by `extra`")
    if sampling.seed is not None:
        cannot_say("sampling.seed", "Responses has no seed; leave it out")
    optional = {
        "instructions": joined_text(request.system) or None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_output_tokens,
        "tools": [_tool(tool) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request),
        "text": _text(request.response_format),
        **_reasoning(request.reasoning),
    }
    body: dict[str, Any] = {
        "model": model,
        "input": list(_input(request)),
        "stream": True,
        **without_none(optional),
    }
    return {**body, **request.extra}


# The conversation.


def _input(request: Request) -> Iterator[dict[str, Any]]:
    ids = CallIds(CALL_ID)
    for number, message in enumerate(request.messages):
        parts = parts_of(number, message)
        yield from _asked(parts, ids) if message.role is Role.USER else _answered(parts, ids)


def _asked(parts: list[Located], ids: CallIds) -> Iterator[dict[str, Any]]:
    """The user's turn: outputs of functions, then the rest as one message."""
    content = []
    for path, part in parts:
        match part:
            case ToolResult():
                yield {"type": "function_call_output", "call_id": ids.of_result(part), "output": _output(path, part)}
            case TextPart() | ImagePart() | DocumentPart():
                content.append(_content(path, part))
    if content:
        yield {"role": "user", "content": shortened(content, "input_text")}


def _answered(parts: list[Located], ids: CallIds) -> Iterator[dict[str, Any]]:
    """The model's turn. Reasoning that is not sealed here is left out; words of refusal go as text."""
    for is_said, run in groupby(parts, key=lambda located: isinstance(located[1], TextPart | RefusalPart)):
        if is_said:
            text = "".join(part.text for _, part in run if isinstance(part, TextPart | RefusalPart))
            # The type is optional, but llama.cpp knows an assistant's message by nothing else.
            yield {"type": "message", "role": "assistant", "content": text}
            continue
        for path, part in run:
            match part:
                case ToolCall():
                    call_id = ids.of_call(part)
                    arguments = part.arguments or "{}"
                    yield {"type": "function_call", "call_id": call_id, "name": part.name, "arguments": arguments}
                case ThinkingPart(signature=str(seal), sealed_by="openai_responses"):
                    yield _reasoning_item(path, seal)


def _reasoning_item(path: str, seal: str) -> dict[str, Any]:
    try:
        item = msgspec.json.decode(seal)
    except (msgspec.DecodeError, RecursionError):
        item = None
    if not isinstance(item, dict) or item.get("type") != "reasoning":
        cannot_say(f"{path}.signature", "a seal of this wire format is a reasoning item as JSON, and this is none")
    return item


def _output(path: str, result: ToolResult) -> str | list[dict[str, Any]]:
    content = [_content(f"{path}.content[{number}]", piece) for number, piece in enumerate(result.content)]
    if result.is_error:
        match content:
            case [{"type": "input_text", "text": text}, *others]:
                content = [{"type": "input_text", "text": FAILED + text}, *others]
            case _:
                content.insert(0, {"type": "input_text", "text": FAILED.strip()})
    return shortened(content, "input_text") if content else ""


def _content(path: str, part: ResultPart) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "input_text", "text": text}
        case ImagePart():
            return {"type": "input_image", "detail": "auto", "image_url": _address(path, part)}
        case DocumentPart():
            if held := inline_file(path, part):
                return {"type": "input_file", "filename": _file_name(part, held[0]), "file_data": data_url(part)}
            return {"type": "input_file", "file_url": _address(path, part)}


def _address(path: str, part: ImagePart | DocumentPart) -> str:
    url = data_url(part)
    if not url.startswith(("https://", "http://", "data:")):
        cannot_say(f"{path}.{kind_of(part)}.url", "OpenAI fetches from https:// addresses only")
    return url


def _file_name(part: DocumentPart, media_type: str) -> str:
    """The name, which has to be there with bytes: OpenAI tells the type by its ending."""
    return part.name or f"document.{_ENDINGS.get(media_type, media_type.rpartition('/')[2])}"


# What is asked for beside it.


def _tool(tool: Tool) -> dict[str, Any]:
    if written := as_written(tool, "openai_responses"):
        return written
    return {
        "type": "function",
        "name": tool.name,
        **described(tool.description),
        "parameters": tool.parameters,
        "strict": tool.strict or False,  # left out, it would make optional parameters required
    }


def _tool_choice(request: Request) -> str | dict[str, Any] | None:
    """How the model shall choose; nothing where it has no tools to choose from."""
    if not request.tools and "tools" not in request.extra:
        return None
    if isinstance(request.tool_choice, NamedTool):
        return {"type": "function", "name": request.tool_choice.name}
    return request.tool_choice


def _text(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    return {
        "format": {
            "type": "json_schema",
            "name": wanted.name,
            **described(wanted.description),
            "schema": wanted.schema,
            "strict": wanted.strict,
        }
    }


def _reasoning(reasoning: Reasoning | None) -> dict[str, Any]:
    """How hard to think, a budget as the effort that it is enough for."""
    match reasoning:
        case None:
            return {}
        case "off":
            return {"reasoning": {"effort": "none"}}
        case _:
            return {"reasoning": {"effort": effort_of(reasoning)}, "include": [SEALED_REASONING]}
