"""OpenAI Chat Completions, and everything that speaks it: `POST …/chat/completions`, server-sent events.

Events are as in OpenAI's API reference ("Chat completion chunk object"), and wider, since this is the wire format that
every server imitates: reasoning comes as `reasoning_content` (DeepSeek, xAI, llama.cpp), `reasoning` (Groq, OpenRouter,
Ollama), text entries of `reasoning_details` (Snowflake) or `content` parts of type `thinking` (Mistral); usage comes on
a last event without choices or along with others, where the last one told counts; an error comes under `error`, as the
event itself (vLLM), or under the event name `error`.

An answer is complete when `[DONE]` or a `finish_reason` was read: several servers send only one of the two. An input
that ends with neither is truncated.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, Final

import attrs
import msgspec

from gestura.chunks import FinishReason, Refusal, Signature, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ProtocolError
from gestura.limits import Limits
from gestura.providers._decoding import FrameDecoder, TokenCount, WireDecoder
from gestura.providers._encoding import encoded
from gestura.providers._openai_chat_body import chat_body
from gestura.providers._reasoning_details import EntryReader, shown_text
from gestura.providers.endpoints import endpoint_url
from gestura.providers.faults import fault_in_stream
from gestura.stages import Stage, fuse
from gestura.stages.deltas import (
    Anomaly,
    Delta,
    Finish,
    Frame,
    ModelName,
    Oddity,
    Terminal,
    ToolCallFragment,
    Usage,
)
from gestura.stages.json_limits import JsonLimits
from gestura.stages.sse import SseFramer
from gestura.transport import HttpRequest
from gestura.usage import TokenUsage

__all__ = ["ChatDecoder", "OpenAIChat"]

FINISH_REASONS: Final = {
    "stop": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    "content_filter": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "sensitive": FinishReason.CONTENT_FILTER,
}
"""OpenAI's own words, and those that gateways and other servers pass on from elsewhere; in lower case."""


@attrs.frozen
class OpenAIChat:
    """The provider: asks with a bearer key, reads server-sent events."""

    settings: ProviderSettings

    @property
    def think_tags(self) -> tuple[str, ...]:
        return ("think",) if self.settings.think_tags is None else self.settings.think_tags

    def ask(self, request: Request) -> HttpRequest:
        settings = self.settings
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **settings.headers}
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        url = endpoint_url(
            settings.base_url or "https://api.openai.com",
            "v1",
            "chat/completions",
            sends_secrets=bool(settings.api_key or settings.headers),
            allow_plain_http=settings.allow_plain_http,
        )
        return HttpRequest(url=url, headers=headers, body=encoded(chat_body(request, settings.model, settings.dialect)))

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return fuse(SseFramer(limits), JsonLimits(limits))

    def decoder(self) -> Stage[Frame, Delta]:
        return ChatDecoder()


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: TokenCount | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: TokenCount | None = None
    completion_tokens: TokenCount | None = None
    total_tokens: TokenCount | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    cached_tokens: TokenCount | None = None  # Together, Moonshot
    prompt_cache_hit_tokens: TokenCount | None = None  # DeepSeek
    reasoning_tokens: TokenCount | None = None  # GitHub Copilot


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    usage: _Usage | None = None  # Moonshot


class _GroqExtension(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: _Usage | None = None
    x_groq: _GroqExtension | None = None
    object: str | None = None
    error: dict[str, Any] | str | None = None
    # Of an event that is an error itself:
    message: Any = None
    code: Any = None
    type: Any = None


_NOTHING_TOLD: Final = TokenUsage()


class ChatDecoder(WireDecoder):
    """Frames to deltas, for the first choice; events of other choices are counted and passed over."""

    def __init__(self) -> None:
        self._events = FrameDecoder(_Event)
        self._model: str | None = None
        self._finish: Finish | None = None
        self._entries: EntryReader | None = None
        self._answering = False
        self._refused = False
        self._ended = False

    def close(self) -> list[Delta]:
        return [*self._sealed(), Terminal()] if self._finish and not self._ended else []

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        data = frame.data
        if self._ended or not data or (data[0] != "{" and self._is_no_event(data, out)):
            return
        try:
            event, as_expected = self._events.decode(frame)
        except ProtocolError:
            if frame.event != "error":
                raise
            out.append(fault_in_stream(frame.data, answering=self._answering))
            return
        if not as_expected:
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        model = event.model
        if model and model != self._model:
            self._model = model
            out.append(ModelName(model))
        for choice in event.choices or ():
            if choice.index:
                out.append(Anomaly(Oddity.OTHER_CHOICE))
            else:
                self._read_choice(choice, out)
        if usage := event.usage or (event.x_groq and event.x_groq.usage):
            _read_usage(usage, out)
        if event.error or event.object == "error" or frame.event == "error":
            out.append(fault_in_stream(_error_of(event), answering=self._answering))

    def _is_no_event(self, data: str, out: list[Delta]) -> bool:
        if data.startswith("[DONE]"):
            self._ended = True
            out += [*self._sealed(), Terminal()]
            return True
        return data.isspace()

    def _read_choice(self, choice: _Choice, out: list[Delta]) -> None:
        before = len(out)
        if delta := choice.delta:
            reasoning = delta.reasoning_content or delta.reasoning
            if delta.reasoning_details:
                self._read_details(delta.reasoning_details, reasoning, out)
            elif reasoning:
                out.append(Thinking(reasoning))
            content = delta.content
            if self._entries and (content or delta.refusal or delta.tool_calls):
                out.extend(self._sealed())
            if content:
                if isinstance(content, str):
                    out.append(Text(content))
                else:
                    out.extend(_parts(content))
            if delta.refusal:
                self._refused = True
                out.append(Refusal(delta.refusal))
            if delta.tool_calls:
                out.extend(map(_fragment, delta.tool_calls, count()))
        if word := choice.finish_reason:
            out.extend(self._sealed())
            reason = FINISH_REASONS.get(word.lower(), FinishReason.OTHER)
            if self._refused and reason is FinishReason.STOP:
                reason = FinishReason.REFUSAL
            self._finish = Finish(reason, word)
            out.append(self._finish)
        if len(out) > before:
            self._answering = True
        if choice.usage:
            _read_usage(choice.usage, out)

    def _read_details(self, details: list[Any], reasoning: str | None, out: list[Delta]) -> None:
        """Reasoning in entries; `reasoning` is the same without them, for the case that they show nothing."""
        entries = [detail for detail in details if isinstance(detail, dict)]
        if reasoning and not any(map(shown_text, entries)):
            out.append(Thinking(reasoning))
        self._entries = self._entries or EntryReader()
        for entry in entries:
            out.extend(self._entries.feed(entry))

    def _sealed(self) -> list[Signature]:
        """The seal of the entry that is open, if one is."""
        return self._entries.close() if self._entries else []


def _parts(content: list[Any]) -> Iterator[Delta]:
    """Content as a list of typed parts, Mistral's form: text, and thinking that holds text parts of its own."""
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                if text:
                    yield Text(text)
            case {"type": "thinking", "thinking": str(text)}:
                if text:
                    yield Thinking(text)
            case {"type": "thinking", "thinking": [*inner]}:
                text = "".join(piece["text"] for piece in inner if isinstance(piece, dict) and _is_text(piece))
                if text:
                    yield Thinking(text)
            case _:
                yield Anomaly(Oddity.UNEXPECTED_SHAPE)


def _is_text(piece: dict[str, Any]) -> bool:
    return piece.get("type") == "text" and isinstance(piece.get("text"), str)


def _fragment(call: _ToolCall, position: int) -> ToolCallFragment:
    function = call.function or _Function()
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCallFragment(
        index=call.index, id=call.id, name=function.name, arguments=arguments or "", position=position
    )


def _error_of(event: _Event) -> dict[str, Any]:
    """The error that `event` tells of: under `error`, or in its own fields."""
    if isinstance(event.error, dict):
        return event.error
    return {"message": event.error or event.message, "code": event.code, "type": event.type}


def _read_usage(usage: _Usage, out: list[Delta]) -> None:
    prompt = usage.prompt_tokens_details or _PromptDetails()
    completion = usage.completion_tokens_details or _CompletionDetails()
    told = TokenUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        cached_input_tokens=_first(prompt.cached_tokens, usage.cached_tokens, usage.prompt_cache_hit_tokens),
        cache_write_tokens=prompt.cache_write_tokens,
        reasoning_tokens=_first(completion.reasoning_tokens, usage.reasoning_tokens),
    )
    if told != _NOTHING_TOLD:
        out.append(Usage(told))


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)
