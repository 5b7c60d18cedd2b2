"""Gemini: `POST …/models/MODEL:streamGenerateContent?alt=sse`, server-sent events, on the Gemini API and on Vertex AI.

Each event is a `GenerateContentResponse` (ai.google.dev/api/generate-content): some parts of the answer, whole function
calls among them, and the token counts so far. What has no delta of its own (code that ran, images, citations,
grounding, safety ratings) is known and passed over; `ProviderEvent` shows it.

No event marks the end. Older models give a `finishReason` with every event, and counts may follow the last one, so an
answer is complete where the input ends, if a finish reason was read and no event was cut off.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import attrs
import msgspec

from gestura.chunks import FinishReason, Signature, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind, Fault
from gestura.limits import Limits
from gestura.providers._decoding import FrameDecoder, TokenCount, WireDecoder
from gestura.providers._encoding import encoded
from gestura.providers._gemini_body import WIRE, request_body
from gestura.providers._gemini_framing import GeminiFramer
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
from gestura.transport import HttpRequest
from gestura.usage import TokenUsage

__all__ = ["Gemini", "GeminiDecoder"]

FINISH_REASONS: Final = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "LANGUAGE": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "MODEL_ARMOR": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
    "ESCALATION": FinishReason.CONTENT_FILTER,
    "PUP_LIMITED_DISABLED": FinishReason.CONTENT_FILTER,
    "FINISH_REASON_UNSPECIFIED": FinishReason.UNKNOWN,
}
"""Google's words (`Candidate.FinishReason`) that we have a term for; `MALFORMED_FUNCTION_CALL` and such are `OTHER`."""


@attrs.frozen
class Gemini:
    """The provider: asks with the key in a header, reads server-sent events."""

    settings: ProviderSettings

    @property
    def think_tags(self) -> tuple[str, ...]:
        return self.settings.think_tags or ()

    def ask(self, request: Request) -> HttpRequest:
        settings = self.settings
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **settings.headers}
        if settings.api_key:
            headers["x-goog-api-key"] = settings.api_key
        return HttpRequest(
            url=endpoint_url(
                settings.base_url or "https://generativelanguage.googleapis.com",
                "v1beta",
                f"{model_path(settings.model)}:streamGenerateContent",
                query="alt=sse",
                allow_plain_http=settings.allow_plain_http,
            ),
            headers=headers,
            body=encoded(request_body(request, settings.model)),
        )

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return fuse(GeminiFramer(limits), JsonLimits(limits))

    def decoder(self) -> Stage[Frame, Delta]:
        return GeminiDecoder()


def model_path(model: str) -> str:
    """Where in the API a model is: `models/MODEL`, or as it says itself if it is a path already.

    Raises:
        ConfigError: the name is blank, or a path that leads elsewhere.

    >>> model_path("gemini-2.5-flash")
    'models/gemini-2.5-flash'
    >>> model_path("tunedModels/my model")
    'tunedModels/my%20model'
    """
    path = model if "/" in model else f"models/{model}"
    if any(segment.strip() in ("", ".", "..") for segment in path.split("/")):
        raise ConfigError(f"model: {model!r} names no Gemini model", kind=ErrorKind.BAD_REQUEST)
    try:
        return quote(path)
    except UnicodeEncodeError:
        raise ConfigError("model: half of a surrogate pair is no part of a name", kind=ErrorKind.BAD_REQUEST) from None


class _FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    id: str | None = None
    name: str | None = None
    args: Any = None
    partial_args: Any = None
    will_continue: bool | None = None


class _Part(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None
    # Known, and not shown.
    executable_code: Any = None
    code_execution_result: Any = None
    inline_data: Any = None
    file_data: Any = None
    function_response: Any = None
    tool_call: Any = None
    tool_response: Any = None
    audio_transcription: Any = None


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None


class _Counts(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: TokenCount | None = None
    candidates_token_count: TokenCount | None = None
    total_token_count: TokenCount | None = None
    cached_content_token_count: TokenCount | None = None
    thoughts_token_count: TokenCount | None = None
    tool_use_prompt_token_count: TokenCount | None = None


class _PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: _Counts | None = None
    prompt_feedback: _PromptFeedback | None = None
    model_version: str | None = None
    error: dict[str, Any] | str | None = None


_EMPTY_EVENT: Final = _Event()
_EMPTY_PART: Final = _Part()
_NOTHING_TOLD: Final = TokenUsage()


class GeminiDecoder(WireDecoder):
    """Frames to deltas. Reads the first candidate; others are counted and passed over."""

    def __init__(self) -> None:
        self._events = FrameDecoder(_Event)
        self._model: str | None = None
        self._calls = 0
        self._finish_word: str | None = None
        self._answering = False
        self._broken = False
        """An event told a failure: whatever was said before, the answer is not complete."""

    def close(self) -> list[Delta]:
        word = self._finish_word
        if word is None or self._broken or self._is_cut_off:
            return []
        reason = FINISH_REASONS.get(word, FinishReason.OTHER)
        if reason is FinishReason.STOP and self._calls:
            reason = FinishReason.TOOL_CALLS  # Gemini stops there as anywhere
        return [Finish(reason, word), Terminal()]

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        if not frame.data or frame.data.isspace() or frame.data == "[DONE]":
            return  # `[DONE]` is the mark of gateways that speak several wire formats; it says nothing here
        event, as_expected = self._events.decode(frame)
        if not as_expected:
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        elif event == _EMPTY_EVENT:
            out.append(Anomaly(Oddity.UNKNOWN_EVENT))
        if event.model_version and event.model_version != self._model:
            self._model = event.model_version
            out.append(ModelName(event.model_version))
        for candidate in event.candidates or ():
            if candidate.index:
                out.append(Anomaly(Oddity.OTHER_CHOICE))
            else:
                self._read_candidate(candidate, out)
        if event.usage_metadata and (usage := _usage(event.usage_metadata)) != _NOTHING_TOLD:
            out.append(Usage(usage))
        if event.error:
            self._fail(fault_in_stream(event.error, answering=self._answering), out)
        elif event.prompt_feedback and event.prompt_feedback.block_reason and not event.candidates:
            self._fail(_blocked(event.prompt_feedback.block_reason, event.prompt_feedback.block_reason_message), out)

    def _fail(self, fault: Fault, out: list[Delta]) -> None:
        self._broken = True
        out.append(fault)

    def _read_candidate(self, candidate: _Candidate, out: list[Delta]) -> None:
        before = len(out)
        if candidate.content:
            for part in candidate.content.parts or ():
                self._read_part(part, out)
        self._answering = self._answering or len(out) > before
        self._finish_word = candidate.finish_reason or self._finish_word

    def _read_part(self, part: _Part, out: list[Delta]) -> None:
        if part.function_call:
            out.append(self._tool_call(part.function_call, part.thought_signature))
            return
        if part.text:
            out.append(Thinking(part.text) if part.thought else Text(part.text))
        if part.thought_signature:
            out.append(Signature(part.thought_signature, sealed_by=WIRE))
        if part == _EMPTY_PART:
            out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    def _tool_call(self, call: _FunctionCall, signature: str | None) -> Delta:
        if call.partial_args is not None or call.will_continue:
            # Arguments in pieces, which a request must ask for: half a call, taken for a whole one, would be run.
            return Anomaly(Oddity.UNEXPECTED_SHAPE)
        index = self._calls
        self._calls += 1
        return ToolCallFragment(
            index=index,
            id=call.id,
            name=call.name,
            arguments=_json_text({} if call.args is None else call.args),
            complete=True,
            signature=signature or None,
            sealed_by=WIRE if signature else None,
        )


def _json_text(arguments: Any) -> str:
    """Arguments are an object. A string is taken for its JSON text, and what is neither is told as it is."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _usage(counts: _Counts) -> TokenUsage:
    prompt, answer, thoughts = counts.prompt_token_count, counts.candidates_token_count, counts.thoughts_token_count
    total = counts.total_token_count
    if total is None and prompt is not None:
        total = prompt + (answer or 0) + (thoughts or 0) + (counts.tool_use_prompt_token_count or 0)
    return TokenUsage(
        input_tokens=prompt,
        output_tokens=answer,
        total_tokens=total,
        cached_input_tokens=counts.cached_content_token_count,
        reasoning_tokens=thoughts,
    )


def _blocked(reason: str, message: str | None) -> Fault:
    """The prompt was refused before any answer; the same prompt will be again."""
    why = f"{reason}: {message}" if message else reason
    return Fault(kind=ErrorKind.BAD_REQUEST, message=f"the prompt was blocked ({why})", code=reason)
