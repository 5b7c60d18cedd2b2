"""A `Request` as the body of Chat Completions, in the dialect of the server that is asked.

OpenAI's API reference ("Create chat completion") is the standard. It wants the results of tools right behind the calls,
one message each, and takes nothing but text in them: what else a tool gave goes into the user's message that follows,
under a label. It takes no document but PDF: text goes as text. docs/providers/openai_chat.md has the whole table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gestura.chat_dialect import ChatDialect
from gestura.conversation import Request
from gestura.messages import Role
from gestura.parts import (
    CacheTime,
    DocumentPart,
    ImagePart,
    Part,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCall,
    ToolResult,
)
from gestura.providers._as_text import document_text, result_text
from gestura.providers._call_ids import CallIds
from gestura.providers._inline_files import inline_file
from gestura.providers._reasoning import effort_of
from gestura.providers._reasoning_details import WIRE, as_entry
from gestura.providers._translation import cache_control, cannot_say, data_url, described, shortened, without_none
from gestura.providers._turns import Located, runs
from gestura.request_options import NamedTool, Reasoning, Tool, ToolChoice
from gestura.tool_schemas import as_written

__all__ = ["chat_body"]

CALL_ID: Final = re.compile(r".{1,40}", re.DOTALL)
"""OpenAI refuses longer ones."""

SHORT_CALL_ID: Final = re.compile("[A-Za-z0-9]{9}")

PDF: Final = "application/pdf"


def chat_body(request: Request, model: str, dialect: ChatDialect) -> dict[str, Any]:
    """The JSON body. What the request leaves open is left out; extra fields are put in as they are, and win.

    Raises:
        ConfigError: the wire format has no words for something; the message names its path.
    """
    sampling, shape = request.sampling, request.response_format
    told: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens": sampling.max_output_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        **_reasoning(request.reasoning, dialect),
        "tools": [_tool(tool, dialect) for tool in request.tools] or None,
        "tool_choice": _tool_choice(request.tool_choice) if request.tools else None,
    }
    if shape:
        named = {"name": shape.name, **described(shape.description)}
        schema = {**named, "schema": shape.schema, "strict": shape.strict}
        told["response_format"] = {"type": "json_schema", "json_schema": schema}
    body = {
        "model": model,
        "messages": list(_Conversation(dialect).messages(request)),
        "stream": True,
        "stream_options": {"include_usage": True},
        **without_none(told),
    }
    return {**{dialect.field_names.get(name, name): value for name, value in body.items()}, **request.extra}


def _reasoning(reasoning: Reasoning | None, dialect: ChatDialect) -> dict[str, Any]:
    if reasoning is None:
        return {}
    asked_in = dialect.reasoning_asked_in
    if asked_in == "thinking" and reasoning == "off":
        return {"thinking": {"type": "disabled"}}
    if asked_in == "reasoning" and isinstance(reasoning, int):
        return {"reasoning": {"max_tokens": reasoning}}
    effort = "none" if reasoning == "off" else effort_of(reasoning)
    if asked_in == "reasoning":
        return {"reasoning": {"effort": effort}}
    switch = {"thinking": {"type": "enabled"}} if asked_in == "thinking" else {}
    return {**switch, "reasoning_effort": effort}


def _tool(tool: Tool, dialect: ChatDialect) -> dict[str, Any]:
    if written := as_written(tool, "openai"):
        return {**written, **_hint(tool.cache, dialect)}
    function = {"name": tool.name, **described(tool.description), "parameters": tool.parameters, "strict": tool.strict}
    return {"type": "function", "function": without_none(function), **_hint(tool.cache, dialect)}


def _tool_choice(choice: ToolChoice | None) -> str | dict[str, Any] | None:
    return {"type": "function", "function": {"name": choice.name}} if isinstance(choice, NamedTool) else choice


def _hint(cache: CacheTime | None, dialect: ChatDialect) -> dict[str, Any]:
    return cache_control(cache) if cache is not None and dialect.cache_control else {}


class _Conversation:
    """The messages of one request."""

    def __init__(self, dialect: ChatDialect) -> None:
        self._dialect = dialect
        self._ids = CallIds(SHORT_CALL_ID, form="{:.9}") if dialect.short_call_ids else CallIds(CALL_ID)

    def messages(self, request: Request) -> Iterator[dict[str, Any]]:
        if request.system:
            yield {"role": "system", "content": self._joined(request.system, "\n\n")}
        for role, messages in runs(request.messages):
            if role is Role.USER:
                yield from self._of_user(messages)
            else:
                yield from filter(None, map(self._of_model, messages))

    def _of_user(self, turns: Sequence[Sequence[Located]]) -> Iterator[dict[str, Any]]:
        """Messages of the user's that follow one another: first all results, then what else is said in each."""
        beside: list[dict[str, Any]] = []
        for path, part in (located for turn in turns for located in turn):
            if isinstance(part, ToolResult):
                yield self._result(path, part, beside)
        for turn in turns:
            said = [self._content(path, part) for path, part in turn if not isinstance(part, ToolResult)]
            if said:
                content, beside = [*beside, *said], []
                yield {"role": "user", "content": shortened(content)}
        if beside:
            yield {"role": "user", "content": beside}

    def _result(self, path: str, result: ToolResult, beside: list[dict[str, Any]]) -> dict[str, Any]:
        """The message with a tool's result. What is no text of it is added to `beside`, under a label."""
        call_id, texts = self._ids.of_result(result), []
        for place, part in enumerate(result.content):
            content = self._content(f"{path}.content[{place}]", part)
            if content["type"] == "text":
                texts.append(content["text"])
            else:
                label = f"attachment {place + 1} of tool result {call_id}"
                texts.append(f"[{label}: see the user's next message]")
                beside += [{"type": "text", "text": f"[{label}]"}, content]
        cache = result.cache or next((part.cache for part in reversed(result.content) if part.cache), None)
        text = TextPart(result_text(result, texts), cache=cache)
        return {"role": "tool", "tool_call_id": call_id, "content": self._joined([text])}

    def _content(self, path: str, part: Part) -> dict[str, Any]:
        """One part of a message's content."""
        match part:
            case TextPart(text):
                said: dict[str, Any] = {"type": "text", "text": text}
            case ImagePart():
                if part.data is None and not str(part.url).startswith(("https:", "http:", "data:")):
                    cannot_say(f"{path}.image.url", "Chat Completions fetches https:// only; or give the bytes")
                said = {"type": "image_url", "image_url": {"url": data_url(part)}}
            case DocumentPart():
                said = _document(path, part)
            case _:
                raise AssertionError(part)  # conversation_rules admits nothing else here
        return {**said, **_hint(part.cache, self._dialect)}

    def _of_model(self, turn: Sequence[Located]) -> dict[str, Any] | None:
        """A message of the model's; `None` for one of thinking alone, which no server takes."""
        texts = [part for _, part in turn if isinstance(part, TextPart)]
        refusal = "".join(part.text for _, part in turn if isinstance(part, RefusalPart))
        calls = [part for _, part in turn if isinstance(part, ToolCall)]
        if not (texts or refusal or calls):
            return None
        message: dict[str, Any] = {"role": "assistant", "content": self._joined(texts) if texts else None}
        if refusal:
            message["refusal"] = refusal
        if calls:
            message["tool_calls"] = [
                {
                    "id": self._ids.of_call(call),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in calls
            ]
        return {**message, **self._thinking(turn)}

    def _thinking(self, turn: Sequence[Located]) -> dict[str, Any]:
        """The model's reasoning, for servers that want it back. Under the seal of another wire format it never is."""
        parts = [(path, part) for path, part in turn if isinstance(part, ThinkingPart)]
        match self._dialect.reasoning_returned_in:
            case None:
                return {}
            case "reasoning_details":
                entries = [as_entry(path, part) for path, part in parts if part.sealed_by == WIRE]
                return {"reasoning_details": entries} if entries else {}
            case field:
                text = "".join(part.text for _, part in parts if part.sealed_by in (None, WIRE))
                return {field: text} if text else {}

    def _joined(self, parts: Sequence[TextPart], between: str = "") -> str | list[dict[str, Any]]:
        """Texts as one string, which every server takes; as several parts only where a hint has to be kept."""
        if self._dialect.cache_control and any(part.cache for part in parts):
            return [self._content("", part) for part in parts]
        return between.join(part.text for part in parts)


def _document(path: str, part: DocumentPart) -> dict[str, Any]:
    text = document_text(path, part)
    if text is not None:
        return {"type": "text", "text": text}
    held = inline_file(path, part)
    if held is None:
        cannot_say(f"{path}.document.url", "Chat Completions fetches no documents; give the bytes")
    if held[0] != PDF:
        cannot_say(f"{path}.document.media_type", f"Chat Completions takes PDF and text, not {held[0]}")
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": data_url(part)}}
