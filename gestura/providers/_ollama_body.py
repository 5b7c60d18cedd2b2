"""A `Request` as the body of Ollama's `/api/chat`.

Ollama's API reference ("Generate a chat completion") and its server's types are the standard. A message has one text,
and images beside it, by their bytes. Tools are the model's to call as it likes: nothing can make it, and it is kept
from it by not being told of them. docs/providers/ollama.md has the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Role
from gestura.parts import DocumentPart, ImagePart, Part, RefusalPart, TextPart, ThinkingPart, ToolCall, ToolResult
from gestura.providers._as_text import document_text, result_text
from gestura.providers._inline_files import inline_file
from gestura.providers._reasoning import effort_of
from gestura.providers._translation import (
    arguments_object,
    base64_text,
    cannot_say,
    described,
    described_schema,
    joined_text,
    without_none,
)
from gestura.providers._turns import Located, runs
from gestura.request_options import NamedTool, Tool
from gestura.tool_schemas import as_written

__all__ = ["ollama_body"]


def ollama_body(request: Request, settings: ProviderSettings) -> dict[str, Any]:
    """The JSON body. What the request leaves open is left out; extra fields are put in as they are, and win.

    Extra `options` are put beside those of the sampling.

    Raises:
        ConfigError: Ollama has no words for something; the message names its path.
    """
    if request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool):
        cannot_say("tool_choice", "Ollama can't make a model call a tool: leave the choice to the model")
    sampling = request.sampling
    asked = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "num_predict": sampling.max_output_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    options = without_none(asked)
    told = {
        "think": _think(request, settings),
        "tools": [_tool(tool) for tool in request.tools if request.tool_choice != "none"] or None,
        "format": described_schema(request.response_format) if request.response_format else None,
        "options": options or None,
    }
    body = {
        "model": settings.model,
        "messages": list(_messages(request)),
        "stream": True,
        **without_none(told),
    }
    match request.extra.get("options"):
        case Mapping() as more:
            return {**body, **request.extra, "options": {**options, **more}}
    return {**body, **request.extra}


def _think(request: Request, settings: ProviderSettings) -> bool | str | None:
    """The request's word counts, then the setting's.

    Levels are gpt-oss's alone, which in turn knows no other switch. Servers refuse them for another model.
    """
    match request.reasoning:
        case None:
            return settings.think
        case "off":
            return False
        case asked:
            return effort_of(asked) if "gpt-oss" in settings.model.lower() else True


def _tool(tool: Tool) -> dict[str, Any]:
    if written := as_written(tool, "openai"):
        return written
    function = {"name": tool.name, **described(tool.description), "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(request: Request) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": joined_text(request.system)}
    names: dict[str, str] = {}
    for role, turns in runs(request.messages):
        if role is Role.USER:
            located = [each for turn in turns for each in turn]
            yield from (_result(path, part, names) for path, part in located if isinstance(part, ToolResult))
            yield from filter(None, map(_of_user, turns))
        else:
            names.update((part.id, part.name) for turn in turns for _, part in turn if isinstance(part, ToolCall))
            yield from filter(None, map(_of_model, turns))


def _result(path: str, result: ToolResult, names: Mapping[str, str]) -> dict[str, Any]:
    content = [(f"{path}.content[{place}]", part) for place, part in enumerate(result.content)]
    texts, images = _texts_and_images(content)
    return {
        "role": "tool",
        "tool_name": names[result.call_id],
        "tool_call_id": result.call_id,
        "content": result_text(result, texts),
        **images,
    }


def _of_user(turn: Sequence[Located]) -> dict[str, Any] | None:
    texts, images = _texts_and_images([(path, part) for path, part in turn if not isinstance(part, ToolResult)])
    return {"role": "user", "content": "\n\n".join(texts), **images} if texts or images else None


def _texts_and_images(content: Iterable[tuple[str, Part]]) -> tuple[list[str], dict[str, list[str]]]:
    """The texts of the parts, and the field of a message that holds its images."""
    texts, images = [], []
    for path, part in content:
        match part:
            case TextPart(text):
                texts.append(text)
            case ImagePart():
                held = inline_file(path, part)
                if held is None:
                    cannot_say(f"{path}.image.url", "Ollama fetches no images; give the bytes")
                images.append(base64_text(held[1]))
            case DocumentPart():
                document = document_text(path, part)
                if document is None:
                    cannot_say(f"{path}.document", "Ollama takes no documents but text, by its bytes")
                texts.append(document)
    return texts, {"images": images} if images else {}


def _of_model(turn: Sequence[Located]) -> dict[str, Any] | None:
    """A message of the model's; `None` for one of thinking alone.

    Thinking without a seal is sent back, as Ollama's own examples do: a model that calls tools goes on from it. A
    refusal is text here.
    """
    texts = [part.text for _, part in turn if isinstance(part, TextPart | RefusalPart)]
    calls = [part for _, part in turn if isinstance(part, ToolCall)]
    if not texts and not calls:
        return None
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if thinking := "".join(part.text for _, part in turn if isinstance(part, ThinkingPart) and not part.sealed_by):
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments_object(call)}}
            for call in calls
        ]
    return message
