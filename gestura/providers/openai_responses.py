"""OpenAI Responses, and what speaks it (xAI, Azure, OpenRouter, DeepSeek, llama.cpp …): `POST …/v1/responses`.

Events are as in OpenAI's API reference ("Streaming events"), known by their `type`, or by the name of the server-sent
event where a server leaves that out. An answer is a list of items (messages, reasoning, function calls, what tools on
the provider's side did), and each is told up to four times: in pieces, as a whole part, as a whole item, and in the
response that ends the stream. Some servers send only the pieces and some only a whole. So pieces are shown as they
come, and a whole only where no piece of it came.

The end is `response.completed`, `response.incomplete` or `response.failed`; an input that ends without is truncated.
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
from gestura.providers._decoding import FrameDecoder, WireDecoder
from gestura.providers._encoding import encoded
from gestura.providers._responses_body import WIRE, request_body
from gestura.providers._responses_events import (
    NOT_SHOWN,
    SHOWN,
    Event,
    InputDetails,
    Item,
    OutputDetails,
    Response,
    ResponseUsage,
)
from gestura.providers._responses_items import Aliases, Call, CallDirectory, ToldParts
from gestura.providers._translation import without_none
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

__all__ = ["OpenAIResponses", "ResponsesDecoder"]

BETWEEN_PARTS: Final = "\n\n"
"""What stands between two parts of reasoning: each is a paragraph of its own, often with a heading."""

INCOMPLETE_REASONS: Final = {
    "max_output_tokens": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}


@attrs.frozen
class OpenAIResponses:
    """The provider: asks with a bearer key, reads server-sent events."""

    settings: ProviderSettings

    @property
    def think_tags(self) -> tuple[str, ...]:
        return self.settings.think_tags or ()

    def ask(self, request: Request) -> HttpRequest:
        settings = self.settings
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **settings.headers}
        if settings.api_key:
            headers["Authorization"] = f"Bearer {settings.api_key}"
        return HttpRequest(
            url=endpoint_url(
                settings.base_url or "https://api.openai.com",
                "v1",
                "responses",
                allow_plain_http=settings.allow_plain_http,
            ),
            headers=headers,
            body=encoded(request_body(request, settings.model)),
        )

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        return fuse(SseFramer(limits), JsonLimits(limits))

    def decoder(self) -> Stage[Frame, Delta]:
        return ResponsesDecoder()


class ResponsesDecoder(WireDecoder):
    """Frames to deltas."""

    def __init__(self) -> None:
        self._events = FrameDecoder(Event)
        self._parts = ToldParts()
        self._calls = CallDirectory()
        self._told: set[type[Text | Thinking | Refusal | Signature]] = set()
        self._settled: frozenset[type[Text | Thinking | Refusal | Signature]] = frozenset()
        self._thinking_part: object = None
        self._model: str | None = None
        self._ended = False

    @property
    def _answering(self) -> bool:
        return bool(self._told or self._calls.calls)

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        data = frame.data
        if self._ended or not data or data.isspace() or data.startswith("[DONE]"):
            return
        try:
            event, as_expected = self._events.decode(frame)
        except ProtocolError:
            if frame.event != "error":
                raise
            out.append(fault_in_stream(data, answering=self._answering))
            return
        if not as_expected:
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        if event.response and event.response.model and event.response.model != self._model:
            self._model = event.response.model
            out.append(ModelName(event.response.model))
        self._read_event(event.type or frame.event, event, out)

    def _read_event(self, kind: str, event: Event, out: list[Delta]) -> None:
        match kind.split("."):
            case ["response", name, "delta"] if name in SHOWN:
                self._read_piece(name, event, out)
            case ["response", name, "done"] if name in SHOWN:
                index = event.summary_index if name == "reasoning_summary_text" else event.content_index
                self._read_whole(name, event.refusal or event.text, Aliases.of(event), index, out)
            case ["response", "function_call_arguments", "delta"]:
                self._read_arguments(event, out)
            case ["response", "function_call_arguments", "done"]:
                self._read_whole_arguments(event, out)
            case ["response", "output_item", "added"]:
                self._read_new_item(event, out)
            case ["response", "output_item", "done"]:
                self._read_item(event, out)
            case ["response", "completed" | "incomplete" | "failed" as status]:
                self._end(status, event.response or Response(), out)
            case ["error"] | ["response", "error"]:
                out.append(fault_in_stream(_error_of(event), answering=self._answering))
            case ["response", name, *_] if name in NOT_SHOWN:
                pass
            case ["keepalive" | "ping"] | ["codex", *_]:
                pass
            case _ if event.error or (event.message and not kind):
                out.append(fault_in_stream(_error_of(event), answering=self._answering))
            case _:
                out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    # Text, reasoning and refusals.

    def _read_piece(self, name: str, event: Event, out: list[Delta]) -> None:
        if isinstance(event.delta, dict):
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        elif event.delta:
            index = event.summary_index if name == "reasoning_summary_text" else event.content_index
            self._say(name, event.delta, Aliases.of(event), index, out)

    def _read_whole(self, name: str, text: str | None, aliases: Aliases, index: int | None, out: list[Delta]) -> None:
        if text and SHOWN[name] not in self._settled and not self._parts.has(aliases, name, index):
            self._say(name, text, aliases, index, out)

    def _say(self, name: str, text: str, aliases: Aliases, index: int | None, out: list[Delta]) -> None:
        shown = SHOWN[name]
        self._parts.add(aliases, name, index)
        self._told.add(shown)
        if shown is Thinking:
            part = (name, aliases.position, index)
            if self._thinking_part not in (None, part):
                text = BETWEEN_PARTS + text
            self._thinking_part = part
        out.append(shown(text))

    # Items.

    def _read_new_item(self, event: Event, out: list[Delta]) -> None:
        item = event.item
        if item is None or item.type != "function_call":
            return
        call = self._calls.opened(Aliases.of(event))
        call.name = call.name or item.name
        if not call.complete:
            # What an unfinished call has in place of its arguments is a placeholder.
            is_whole = item.status == "completed" and not call.has_arguments
            self._tell_call(call, out, _json_text(item.arguments) if is_whole else "")

    def _read_item(self, event: Event, out: list[Delta]) -> None:
        """Tell what of a whole item was not told before."""
        item, aliases = event.item or Item(), Aliases.of(event)
        match item.type:
            case "message":
                for index, part in enumerate(item.content or ()):
                    name = "refusal" if part.type == "refusal" else "output_text"
                    self._read_whole(name, part.refusal or part.text, aliases, index, out)
            case "reasoning":
                self._read_reasoning(item, aliases, out)
            case "function_call":
                call = self._calls.found(aliases)
                call.name = call.name or item.name
                if not call.complete:
                    arguments = "" if call.has_arguments else _json_text(item.arguments)
                    self._tell_call(call, out, arguments, last=True, complete=item.status != "incomplete")
            case _ if item.type not in NOT_SHOWN:
                out.append(Anomaly(Oddity.UNKNOWN_EVENT))

    def _read_reasoning(self, item: Item, aliases: Aliases, out: list[Delta]) -> None:
        summary, content = item.summary or [], item.content or []
        for index, part in enumerate(summary):
            self._read_whole("reasoning_summary_text", part.text, aliases, index, out)
        for index, part in enumerate(content):
            self._read_whole("reasoning_text", part.text, aliases, index, out)
        is_whole = bool(item.encrypted_content) or any(part.text for part in content)
        if is_whole and Signature not in self._settled and not self._parts.has(aliases, "seal", 0):
            self._parts.add(aliases, "seal", 0)
            self._told.add(Signature)
            is_shown = any(part.text for part in (*summary, *content))
            out.append(Signature(_sealed(item), redacted=not is_shown, sealed_by=WIRE))

    # Function calls.

    def _read_arguments(self, event: Event, out: list[Delta]) -> None:
        call = self._calls.found(Aliases.of(event))
        if call.complete:
            out.append(Anomaly(Oddity.LATE_TOOL_CALL_FRAGMENT))
        elif isinstance(event.delta, dict):
            out.append(Anomaly(Oddity.UNEXPECTED_SHAPE))
        else:
            self._tell_call(call, out, event.delta or "")

    def _read_whole_arguments(self, event: Event, out: list[Delta]) -> None:
        """They may be cut off, so they don't complete the call: its item tells whether they do."""
        call = self._calls.found(Aliases.of(event))
        call.name = call.name or event.name
        if not call.complete:
            self._tell_call(call, out, "" if call.has_arguments else _json_text(event.arguments))

    def _tell_call(
        self, call: Call, out: list[Delta], arguments: str = "", *, last: bool = False, complete: bool = False
    ) -> None:
        """Pass on what is new of a call.

        Its name starts it, so that waits for the `call_id`, which may come as late as with the whole item. If even the
        last word on the call has none, the item's id serves.
        """
        fragment = ToolCallFragment(index=call.number, arguments=arguments, complete=complete)
        call_id = call.aliases.call_id or (call.aliases.item_id if last else None)
        if call_id and not call.id_told:
            fragment.id = call_id
            call.id_told = True
        if call.name and not call.name_told and (call.id_told or last):
            fragment.name = call.name
            call.name_told = True
        # A new call is told even if nothing is known of it: who reads the fragments counts the calls, and bounds them.
        if not call.told or fragment != ToolCallFragment(index=call.number):
            out.append(fragment)
        call.told = True
        call.has_arguments = call.has_arguments or bool(arguments)
        call.complete = complete

    # The end.

    def _end(self, status: str, response: Response, out: list[Delta]) -> None:
        if response.usage:
            _read_usage(response.usage, out)
        if response.error or status == "failed":
            out.append(fault_in_stream(response.error or {}, answering=self._answering))
        else:
            self._read_output(response.output or [], out)
            for call in self._calls.calls:
                if not call.complete:
                    self._tell_call(call, out, last=True)
            out.append(self._finish(status, response))
        out.append(Terminal())
        self._ended = True

    def _read_output(self, output: list[Item], out: list[Delta]) -> None:
        """Tell what no event before told. Ids may be others here, so a kind of which anything was told is settled."""
        self._settled = frozenset(self._told)
        for index, item in enumerate(output):
            if item.type in ("message", "reasoning", "function_call"):
                self._read_item(Event(item=item, output_index=index), out)

    def _finish(self, status: str, response: Response) -> Finish:
        """Why the model stopped, and the provider's word for it: the status, or the reason of an incomplete answer."""
        reason = response.incomplete_details and response.incomplete_details.reason
        if reason or status == "incomplete":
            return Finish(INCOMPLETE_REASONS.get(reason or "", FinishReason.OTHER), reason or status)
        if self._calls.calls:
            return Finish(FinishReason.TOOL_CALLS, status)
        return Finish(FinishReason.REFUSAL if Refusal in self._told else FinishReason.STOP, status)


def _sealed(item: Item) -> str:
    """The reasoning item as a later turn puts it into `input`: JSON, with all that is not about this turn alone.

    Reasoning that is not encrypted is there in words, as open models are asked to go on from.
    """
    summary = [{"type": "summary_text", "text": part.text or ""} for part in item.summary or ()]
    fields: dict[str, Any] = {"type": "reasoning", "id": item.id, "summary": summary}
    if item.encrypted_content:
        fields["encrypted_content"] = item.encrypted_content
    else:
        fields["content"] = [{"type": "reasoning_text", "text": part.text or ""} for part in item.content or ()]
    return msgspec.json.encode(without_none(fields)).decode()


def _json_text(arguments: str | dict[str, Any] | None) -> str:
    return msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def _error_of(event: Event) -> dict[str, Any]:
    """The error that `event` tells of: under `error`, or in its own fields."""
    if isinstance(event.error, dict):
        return event.error
    return {"message": event.error or event.message, "code": event.code}


def _read_usage(usage: ResponseUsage, out: list[Delta]) -> None:
    given = usage.input_tokens_details or InputDetails()
    made = usage.output_tokens_details or OutputDetails()
    total = usage.total_tokens
    if total is None and usage.input_tokens is not None and usage.output_tokens is not None:
        total = usage.input_tokens + usage.output_tokens  # cached and reasoning tokens are parts of these
    told = TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        total_tokens=total,
        cached_input_tokens=given.cached_tokens,
        cache_write_tokens=given.cache_write_tokens,
        reasoning_tokens=made.reasoning_tokens,
    )
    if told != TokenUsage():
        out.append(Usage(told))
