"""OpenAI Chat Completions, and everything that speaks it: `POST …/chat/completions`, server-sent events.

Events are as in OpenAI's API reference ("Chat completion chunk object"), and wider, since this is the wire format that
every server imitates: reasoning comes as `reasoning_content` (DeepSeek, xAI, llama.cpp), `reasoning` (Groq, OpenRouter,
Ollama), text entries of `reasoning_details` (Snowflake) or `content` parts of type `thinking` (Mistral); usage comes on
a last event without choices or along with others, where the last one told counts.

An answer is complete when `[DONE]` or a `finish_reason` was read: several servers send only one of the two. An input
that ends with neither is truncated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ProtocolError
from gestura.limits import Limits
from gestura.providers._decoding import FrameDecoder, InputCutOff
from gestura.providers.endpoints import endpoint_url
from gestura.providers.faults import fault_in_stream
from gestura.stages import Stage
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
from gestura.stages.sse import SseFramer
from gestura.transport import HttpRequest
from gestura.usage import TokenUsage

__all__ = ["ChatDecoder", "OpenAIChat"]

FINISH_REASONS: Final = {
    "stop": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class OpenAIChat:
    """The provider: asks with a bearer key, reads server-sent events."""

    def ask(self, request: Request, settings: ProviderSettings) -> HttpRequest:
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **settings.headers}
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        return HttpRequest(
            url=endpoint_url(settings.base_url or "https://api.openai.com", "v1", "chat/completions"),
            headers=headers,
            body=msgspec.json.encode(request_body(request, settings.model)),
        )

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return SseFramer(limits)

    def decoder(self) -> Stage[Frame, Delta]:
        return ChatDecoder()


def request_body(request: Request, model: str) -> dict[str, Any]:
    """The JSON body. What the request leaves open is left out."""
    messages = [{"role": message.role.value, "content": message.text} for message in request.messages]
    if request.system is not None:
        messages.insert(0, {"role": "system", "content": request.system})
    sampling = request.sampling
    optional = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens": sampling.max_output_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
    }
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
        **{name: value for name, value in optional.items() if value is not None},
    }
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
        body["tool_choice"] = "auto"
    return {**body, **request.extra}


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


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _GroqExtension(msgspec.Struct, gc=False):
    usage: _Usage | None = None


class _Event(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    model: str | None = None
    usage: _Usage | None = None
    error: dict[str, Any] | str | None = None
    x_groq: _GroqExtension | None = None


class ChatDecoder:
    """Frames to deltas, for the first choice; events of other choices are counted and passed over."""

    def __init__(self) -> None:
        self._events = FrameDecoder(_Event)
        self._model: str | None = None
        self._finish: Finish | None = None
        self._refused = False
        self._ended = False

    def feed(self, batch: Sequence[Frame]) -> list[Delta]:
        out: list[Delta] = []
        try:
            for frame in batch:
                self._read(frame, out)
        except InputCutOff:
            pass  # the input ends here, without a terminal event
        except ProtocolError as error:
            error.made = out
            raise
        return out

    def close(self) -> list[Delta]:
        return [Terminal()] if self._finish and not self._ended else []

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        if self._ended or not frame.data:
            return
        if frame.data == "[DONE]":
            self._ended = True
            out.append(Terminal())
            return
        event, as_expected = self._events.decode(frame)
        if not as_expected:
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        if event.model and event.model != self._model:
            self._model = event.model
            out.append(ModelName(event.model))
        for choice in event.choices or ():
            if choice.index != 0:
                out.append(Anomaly(Oddity.OTHER_CHOICE))
            else:
                self._read_choice(choice, out)
        usage = event.usage or (event.x_groq and event.x_groq.usage)
        if usage:
            out.append(Usage(_token_usage(usage)))
        if event.error is not None:
            out.append(fault_in_stream(event.error))

    def _read_choice(self, choice: _Choice, out: list[Delta]) -> None:
        if delta := choice.delta:
            if reasoning := delta.reasoning_content or delta.reasoning or _reasoning_text(delta.reasoning_details):
                out.append(Thinking(reasoning))
            if isinstance(delta.content, list):
                out.extend(_parts(delta.content))
            elif delta.content:
                out.append(Text(delta.content))
            if delta.refusal:
                self._refused = True
                out.append(Refusal(delta.refusal))
            for position, call in enumerate(delta.tool_calls or ()):
                out.append(_fragment(call, position))
        if word := choice.finish_reason:
            reason = FINISH_REASONS.get(word.lower(), FinishReason.OTHER)
            if self._refused and reason is FinishReason.STOP:
                reason = FinishReason.REFUSAL
            self._finish = Finish(reason, word)
            out.append(self._finish)


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


def _reasoning_text(details: list[Any] | None) -> str:
    """The readable entries of `reasoning_details`; encrypted ones have nothing to show."""
    texts = (detail.get("text") or detail.get("summary") for detail in details or () if isinstance(detail, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _fragment(call: _ToolCall, position: int) -> ToolCallFragment:
    function = call.function or _Function()
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCallFragment(
        index=call.index, id=call.id, name=function.name, arguments=arguments or "", position=position
    )


def _token_usage(usage: _Usage) -> TokenUsage:
    prompt = usage.prompt_tokens_details or _PromptDetails()
    completion = usage.completion_tokens_details or _CompletionDetails()
    return TokenUsage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        cached_input_tokens=prompt.cached_tokens,
        cache_write_tokens=prompt.cache_write_tokens,
        reasoning_tokens=completion.reasoning_tokens,
    )
