"""Anthropic Messages: `POST …/v1/messages`, server-sent events.

Events are as in Anthropic's streaming reference (platform.claude.com/docs/en/build-with-claude/streaming): a message is
made of content blocks, each with a start, deltas and a stop of its `index`. The model's own blocks (text, thinking,
`tool_use`) become deltas; what the provider does on its side (server tools and their results, citations, compaction) is
known and passed over, and can be had as raw events.

An answer is complete with `message_stop` and not before: an input that ends without it is truncated. What follows it,
such as a second message, belongs to another answer.

A tool call that the limit of output tokens cut off has a stop of its block like any other. So it counts as whole only
once another block begins; of the last call, the finish reason tells.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
import msgspec

from gestura.chunks import FinishReason, Refusal, Signature, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ProtocolError
from gestura.limits import Limits
from gestura.providers._anthropic_body import WIRE, request_body
from gestura.providers._anthropic_events import Block, Counts, Event, EventDelta, Message, OutputDetails
from gestura.providers._decoding import FrameDecoder, WireDecoder
from gestura.providers._encoding import encoded
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

__all__ = ["AnthropicDecoder", "AnthropicMessages"]

API_VERSION: Final = "2023-06-01"
"""The shape of answers that this file reads. A header of the settings' own goes before it."""

FINISH_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
    "pause_turn": FinishReason.PAUSE,
    "compaction": FinishReason.PAUSE,
}
"""Stop reasons of the API, those of its beta versions included."""

PROVIDER_SIDE_BLOCKS: Final = ("server_tool_use", "mcp_tool_use", "container_upload", "compaction")
"""What the provider does, besides the results of its tools, which all end in `_tool_result`."""

PROVIDER_SIDE_DELTAS: Final = ("citations_delta", "compaction_delta")


@attrs.frozen
class AnthropicMessages:
    """The provider: asks with an `x-api-key` header, reads server-sent events."""

    settings: ProviderSettings

    @property
    def think_tags(self) -> tuple[str, ...]:
        return self.settings.think_tags or ()

    def ask(self, request: Request) -> HttpRequest:
        settings = self.settings
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "anthropic-version": API_VERSION,
            **settings.headers,
        }
        if settings.api_key:
            headers["x-api-key"] = settings.api_key
        url = endpoint_url(
            settings.base_url or "https://api.anthropic.com",
            "v1",
            "messages",
            sends_secrets=bool(settings.api_key or settings.headers),
            allow_plain_http=settings.allow_plain_http,
        )
        return HttpRequest(url=url, headers=headers, body=encoded(request_body(request, settings)))

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return fuse(SseFramer(limits), JsonLimits(limits))

    def decoder(self) -> Stage[Frame, Delta]:
        return AnthropicDecoder()


@attrs.define
class _OpenCall:
    """A `tool_use` block that has started: its number among the calls, and its whole input if no delta brings any."""

    number: int
    input: str


_NOTHING_TOLD: Final = TokenUsage()


class AnthropicDecoder(WireDecoder):
    """Frames to deltas, for the first message."""

    def __init__(self) -> None:
        self._events = FrameDecoder(Event)
        self._model: str | None = None
        self._usage = _NOTHING_TOLD
        self._calls: dict[int | None, _OpenCall] = {}
        self._calls_begun = 0
        self._stopped: list[int] = []
        """Numbers of the calls whose block has stopped, and that may have been cut off there."""
        self._answering = False
        self._ended = False

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        if self._ended or not frame.data or frame.data.isspace():
            return
        try:
            event, as_expected = self._events.decode(frame)
        except ProtocolError:
            if frame.event != "error":
                raise
            event, as_expected = Event(error=frame.data), True
        if not as_expected:
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        match "error" if frame.event == "error" else event.type or frame.event:
            case "content_block_delta":
                self._read_delta(event.index, event.delta or EventDelta(), out)
            case "content_block_start":
                self._start_block(event.index, event.content_block or Block(), out)
            case "content_block_stop":
                self._stop_block(event.index, out)
            case "message_start":
                if isinstance(event.message, Message):
                    self._note_model(event.message.model, out)
                    self._note_usage(event.message.usage, out)
            case "message_delta":
                self._note_usage(event.usage, out)
                _read_stop(event.delta or EventDelta(), out)
            case "message_stop":
                for index in tuple(self._calls):
                    self._stop_block(index, out)
                self._ended = True
                out.append(Terminal())
            case "ping":
                pass
            case "error":
                fault = fault_in_stream(event.error or {"message": event.message}, answering=self._answering)
                self._ended = True
                out.append(attrs.evolve(fault, request_id=event.request_id))
            case _:
                out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    def _start_block(self, index: int | None, block: Block, out: list[Delta]) -> None:
        self._answering = True
        # That the model went on tells that it was done with what came before.
        out += [ToolCallFragment(index=number, complete=True) for number in self._stopped]
        self._stopped.clear()
        match block.type:
            case "text":
                if block.text:
                    out.append(Text(block.text))
            case "thinking":
                if block.thinking:
                    out.append(Thinking(block.thinking))
                if block.signature:
                    out.append(Signature(block.signature, sealed_by=WIRE))
            case "redacted_thinking":
                if block.data:
                    out.append(Signature(block.data, redacted=True, sealed_by=WIRE))
            case "tool_use":
                self._calls[index] = _OpenCall(self._calls_begun, _json_text(block.input or {}))
                out.append(ToolCallFragment(index=self._calls_begun, id=block.id, name=block.name))
                self._calls_begun += 1
            case "fallback":
                if block.to:
                    self._note_model(block.to.model, out)
            case kind if kind not in PROVIDER_SIDE_BLOCKS and not (kind or "").endswith("_tool_result"):
                out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    def _read_delta(self, index: int | None, delta: EventDelta, out: list[Delta]) -> None:
        match delta.type:
            case "text_delta":
                if delta.text:
                    out.append(Text(delta.text))
            case "thinking_delta":
                if delta.thinking:
                    out.append(Thinking(delta.thinking))
            case "signature_delta":
                if delta.signature:
                    out.append(Signature(delta.signature, sealed_by=WIRE))
            case "input_json_delta":
                # No call is open at the index of a server tool.
                if delta.partial_json and (call := self._calls.get(index)):
                    call.input = ""
                    out.append(ToolCallFragment(index=call.number, arguments=delta.partial_json))
            case kind if kind not in PROVIDER_SIDE_DELTAS:
                out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    def _stop_block(self, index: int | None, out: list[Delta]) -> None:
        call = self._calls.pop(index, None)
        if call is None:
            return
        if call.input:
            out.append(ToolCallFragment(index=call.number, arguments=call.input))
        self._stopped.append(call.number)

    def _note_model(self, model: str | None, out: list[Delta]) -> None:
        if model and model != self._model:
            self._model = model
            out.append(ModelName(model))

    def _note_usage(self, usage: Counts | None, out: list[Delta]) -> None:
        """Counts are totals so far: what is told again takes the place of what was told before."""
        if usage is None:
            return
        details = usage.output_tokens_details or OutputDetails()
        told = TokenUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cache_read_input_tokens,
            cache_write_tokens=usage.cache_creation_input_tokens,
            reasoning_tokens=details.thinking_tokens,
        )
        if told != _NOTHING_TOLD:
            self._usage = self._usage.updated(told)
            out.append(Usage(attrs.evolve(self._usage, total_tokens=_total(self._usage))))


def _read_stop(delta: EventDelta, out: list[Delta]) -> None:
    if delta.stop_details and delta.stop_details.explanation:
        out.append(Refusal(delta.stop_details.explanation))
    if word := delta.stop_reason:
        out.append(Finish(FINISH_REASONS.get(word, FinishReason.OTHER), word))


def _total(usage: TokenUsage) -> int | None:
    """All tokens, which the wire does not add up. Cached ones come on top of `input_tokens`."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    cached = (usage.cached_input_tokens or 0) + (usage.cache_write_tokens or 0)
    return usage.input_tokens + cached + usage.output_tokens


def _json_text(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
