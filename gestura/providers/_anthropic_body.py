"""What Anthropic is asked: a `Request` as the JSON body of `POST /v1/messages`.

The conversation becomes turns of content blocks, as in Anthropic's API reference ("Create a Message"). What a turn says
goes there in its order; only the results of tools come first, as they must. Blank texts are left out, for they are
refused, and so is reasoning that is not under Anthropic's own seal. `gestura.providers._anthropic_thinking` says how
much to think.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Role
from gestura.parts import (
    CacheTime,
    DocumentPart,
    ImagePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
)
from gestura.providers._anthropic_thinking import thinking_fields
from gestura.providers._as_text import TEXTUAL
from gestura.providers._call_ids import CallIds
from gestura.providers._inline_files import inline_file, kind_of
from gestura.providers._translation import (
    arguments_object,
    base64_text,
    cache_control,
    cannot_say,
    described,
    described_schema,
    shortened,
    without_none,
)
from gestura.providers._turns import Located, turns, without_empty
from gestura.request_options import NamedTool, Sampling, Tool
from gestura.tool_schemas import as_written

__all__ = ["WIRE", "request_body"]

WIRE: Final = "anthropic"
"""Whose the seals on reasoning are."""

CALL_ID: Final = re.compile("[a-zA-Z0-9_-]{1,64}")
"""What the id of a call may be. The letters are Anthropic's rule, the length is that of Amazon Bedrock."""

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")

MOST_BREAKPOINTS: Final = 4
"""How many cache hints a request may have (Anthropic's "Prompt caching", as is the rule for their order)."""


def request_body(request: Request, settings: ProviderSettings) -> dict[str, Any]:
    """The JSON body. What the request leaves open is left out, but for `max_tokens`, which has to be there.

    Raises:
        ConfigError: Anthropic has no terms for something in the request.
    """
    sampling = request.sampling
    _check(sampling)
    hints = _CacheHints()
    thinking = thinking_fields(request, settings)
    tools = [_tool(f"tools[{number}]", tool, hints) for number, tool in enumerate(request.tools)]
    system = [
        block for number, part in enumerate(request.system) if (block := _shown(f"system[{number}]", part, hints))
    ]
    optional = {
        "system": shortened(system) or None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop_sequences": list(sampling.stop) or None,
        "tools": tools or None,
        "tool_choice": _tool_choice(request),
        "thinking": thinking.thinking,
        "output_config": {**thinking.output_config, **_output_format(request)} or None,
    }
    body: dict[str, Any] = {
        "model": settings.model,
        "max_tokens": thinking.max_tokens,
        "messages": list(_messages(request, hints)),
        "stream": True,
        **without_none(optional),
    }
    return {**body, **request.extra}


def _check(sampling: Sampling) -> None:
    if sampling.seed is not None:
        cannot_say("sampling.seed", "Anthropic has no seed; leave it out")
    if sampling.temperature is not None and sampling.temperature > 1:
        cannot_say("sampling.temperature", "Anthropic admits none above 1")


# The conversation.


def _messages(request: Request, hints: _CacheHints) -> list[dict[str, Any]]:
    """The turns, without those of the model's in which nothing is left, such as thinking under another's seal."""
    return [
        {"role": speaker.value, "content": shortened(blocks)}
        for speaker, blocks in without_empty(_turns(request, hints))
    ]


def _turns(request: Request, hints: _CacheHints) -> Iterator[tuple[Role, list[dict[str, Any]]]]:
    ids = CallIds(CALL_ID)
    for speaker, parts in turns(request.messages):
        blocks = [block for located in parts if (block := _block(located, ids, hints))]
        if not blocks and speaker is Role.USER:
            cannot_say(parts[0][0], "Anthropic refuses a message of blank text alone")
        yield speaker, blocks


def _block(located: Located, ids: CallIds, hints: _CacheHints) -> dict[str, Any] | None:
    """A part as a content block; `None` where there is nothing to say."""
    path, part = located
    match part:
        case TextPart() | ImagePart() | DocumentPart():
            return _shown(path, part, hints)
        case RefusalPart(text):
            return {"type": "text", "text": text} if _says(text) else None
        case ThinkingPart():
            return _thinking(part)
        case ToolCall():
            return {"type": "tool_use", "id": ids.of_call(part), "name": part.name, "input": arguments_object(part)}
        case ToolResult():
            return _result(path, part, ids, hints)


def _thinking(part: ThinkingPart) -> dict[str, Any] | None:
    if part.signature is None or part.sealed_by != WIRE:
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.signature}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _result(path: str, result: ToolResult, ids: CallIds, hints: _CacheHints) -> dict[str, Any]:
    content = []
    for number, piece in enumerate(result.content):
        where = f"{path}.content[{number}]"
        if result.is_error and not isinstance(piece, TextPart):
            cannot_say(where, "Anthropic takes nothing but text from a tool that failed")
        if block := _shown(where, piece, hints):
            content.append(block)
    block = {"type": "tool_result", "tool_use_id": ids.of_result(result)}
    if content:
        block["content"] = shortened(content)
    if result.is_error:
        block["is_error"] = True
    return block | hints.at(path, result.cache)


def _shown(path: str, part: TextPart | ImagePart | DocumentPart, hints: _CacheHints) -> dict[str, Any] | None:
    match part:
        case TextPart(text):
            if not _says(text) and part.cache:
                cannot_say(f"{path}.cache", "Anthropic can't cache up to a blank text")
            return {"type": "text", "text": text} | hints.at(path, part.cache) if _says(text) else None
        case ImagePart():
            return {"type": "image", "source": _image_source(path, part)} | hints.at(path, part.cache)
        case DocumentPart():
            title = {"title": part.name} if part.name else {}
            return {"type": "document", "source": _document_source(path, part)} | title | hints.at(path, part.cache)


def _says(text: str) -> bool:
    """Whether Anthropic takes the text: it refuses one of blanks alone."""
    return bool(text.strip())


def _image_source(path: str, part: ImagePart) -> dict[str, Any]:
    held = inline_file(path, part)
    if held is None:
        return _url_source(path, part)
    media_type, data = held
    if media_type not in IMAGE_TYPES:
        cannot_say(f"{path}.image.media_type", f"Anthropic takes {', '.join(IMAGE_TYPES)}, not {media_type}")
    return {"type": "base64", "media_type": media_type, "data": base64_text(data)}


def _document_source(path: str, part: DocumentPart) -> dict[str, Any]:
    """A PDF as it is; text of any kind as plain text."""
    held = inline_file(path, part)
    media_type = held[0] if held else part.media_type or "application/pdf"
    if media_type == "application/pdf":
        if held is None:
            return _url_source(path, part)
        return {"type": "base64", "media_type": media_type, "data": base64_text(held[1])}
    if held is None:
        cannot_say(f"{path}.document.url", f"Anthropic fetches nothing but PDFs; give the {media_type} as bytes")
    if not media_type.startswith(TEXTUAL):
        cannot_say(f"{path}.document.media_type", f"Anthropic takes PDFs and text, not {media_type}")
    try:
        return {"type": "text", "media_type": "text/plain", "data": held[1].decode()}
    except UnicodeDecodeError as error:
        cannot_say(f"{path}.document.data", f"Anthropic takes text in UTF-8; the byte at {error.start} is none")


def _url_source(path: str, part: ImagePart | DocumentPart) -> dict[str, Any]:
    if not (part.url or "").startswith(("https://", "http://")):
        cannot_say(f"{path}.{kind_of(part)}.url", "Anthropic fetches from https:// addresses only")
    return {"type": "url", "url": part.url}


# What is asked for beside it.


def _tool(path: str, tool: Tool, hints: _CacheHints) -> dict[str, Any]:
    hint = hints.at(path, tool.cache)
    if written := as_written(tool, "anthropic"):
        return written | hint
    optional = {**described(tool.description), "strict": tool.strict, **hint}
    return {"name": tool.name, "input_schema": tool.parameters, **without_none(optional)}


def _tool_choice(request: Request) -> dict[str, Any] | None:
    """How the model shall choose; nothing where it has no tools, for then Anthropic refuses a choice."""
    if not request.tools and "tools" not in request.extra:
        return None
    match request.tool_choice:
        case None:
            return None
        case "required":
            return {"type": "any"}
        case NamedTool(name):
            return {"type": "tool", "name": name}
        case "auto" | "none" as choice:
            return {"type": choice}


def _output_format(request: Request) -> Mapping[str, Any]:
    """The shape of the answer. A description goes into the schema; for a name there is no place."""
    wanted = request.response_format
    if wanted is None:
        return {}
    return {"format": {"type": "json_schema", "schema": described_schema(wanted)}}


class _CacheHints:
    """Says the cache hints of a request, to be asked for in the order of the prompt, and keeps the rules for them."""

    def __init__(self) -> None:
        self._said: list[CacheTime] = []

    def at(self, path: str, cache: CacheTime | None) -> dict[str, Any]:
        """The field for a part with this hint.

        Raises:
            ConfigError: there are too many, or a longer one comes after a shorter one.
        """
        if cache is None:
            return {}
        if len(self._said) == MOST_BREAKPOINTS:
            cannot_say(f"{path}.cache", f"Anthropic takes {MOST_BREAKPOINTS} cache hints at the most")
        if cache == "1h" and "5m" in self._said:
            cannot_say(f"{path}.cache", "Anthropic wants those of '1h' before those of '5m' (tools, system, messages)")
        self._said.append(cache)
        return cache_control(cache)
