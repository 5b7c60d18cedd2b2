"""The voice of OpenAI Responses.

An answer is a list of items: thinking is a reasoning item with one summary part and a seal, text and refusals are
messages of one part, tool calls are function calls. Each item is added, told in pieces, told again as a whole part and
as a whole item, and once more in the response that ends the stream (platform.openai.com/docs/api-reference/
responses-streaming). Events are named and numbered. An error is an event of its own and a failed response. Ids, seals
and times are constants: the same scenario gives the same bytes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.scenario import Comment, Scenario, Sending, Step, StreamError, ToolCall
from gestura.simulator.voices.openai_chat import OpenAIChatVoice
from gestura.usage import TokenUsage

__all__ = ["OpenAIResponsesVoice"]

CREATED: Final = 1_700_000_000

_INCOMPLETE_REASONS: Final = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.PAUSE: "pause",
    FinishReason.OTHER: "other",
}
"""The others leave a response complete. This wire format can't leave it unsaid."""

Json = dict[str, Any]

Told = tuple[str, Json]
"""An event's type, and its fields."""


@attrs.frozen
class OpenAIResponsesVoice:
    """Responses, streamed."""

    path = "/v1/responses"
    content_type = "text/event-stream; charset=utf-8"

    def model_of(self, parameters: Mapping[str, str], body: Mapping[str, Any]) -> str:  # noqa: ARG002  # it is in the body
        return str(body.get("model", ""))

    def render(self, scenario: Scenario, body: Mapping[str, Any]) -> list[bytes]:  # noqa: ARG002  # it asks for no variant
        numbers = itertools.count()
        return [
            f": {told.text}\n\n".encode() if isinstance(told, Comment) else _event(next(numbers), *told)
            for told in _told(scenario)
        ]

    def error(self, status: int, message: str, code: str | None) -> bytes:
        return OpenAIChatVoice().error(status, message, code)


def _told(scenario: Scenario) -> Iterator[Told | Comment]:
    response = {
        "id": "resp_simulated",
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": scenario.model,
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }
    yield "response.created", {"response": response}
    yield "response.in_progress", {"response": response}

    steps = _with_neighbours_joined(scenario.steps)
    reason = _INCOMPLETE_REASONS.get(scenario.finish)
    output: list[Json] = []
    for number, neighbours in enumerate(steps, start=1):
        match neighbours[0]:
            case Comment():
                yield from (step for step in neighbours if isinstance(step, Comment))
            case StreamError(message, kind, code):
                error = {"code": code or kind, "message": message}
                yield "error", {**error, "param": None}
                yield "response.failed", {"response": {**response, "status": "failed", "error": error}}
                return
            case _:
                status = "incomplete" if reason and number == len(steps) else "completed"
                events, item = _item(neighbours, len(output), status, scenario.sending)
                yield from events
                output.append(item)

    if scenario.end_marker:
        status = "incomplete" if reason else "completed"
        details = {"reason": reason} if reason else None
        usage = None if scenario.usage is None else _usage(scenario.usage)
        ended = {"status": status, "incomplete_details": details, "output": output, "usage": usage}
        yield f"response.{status}", {"response": {**response, **ended}}


def _with_neighbours_joined(steps: tuple[Step, ...]) -> list[list[Step]]:
    """Steps of one kind in a row, which share an item. Each tool call is an item of its own."""
    joined: list[list[Step]] = []
    for step in steps:
        if joined and type(joined[-1][0]) is type(step) and not isinstance(step, ToolCall):
            joined[-1].append(step)
        else:
            joined.append([step])
    return joined


def _item(steps: list[Step], index: int, status: str, sending: Sending) -> tuple[list[Told], Json]:
    """The events that tell an item, and the item as the end of the response repeats it."""
    match steps[0]:
        case ToolCall() as call:
            added, inside, done = _function_call(call, index, sending)
        case Thinking():
            added, inside, done = _reasoning(steps, index, sending)
        case _:
            added, inside, done = _message(steps, index, sending)
    if "status" in added:
        done["status"] = status
    events: list[Told] = [
        ("response.output_item.added", {"output_index": index, "item": added}),
        *inside,
        ("response.output_item.done", {"output_index": index, "item": done}),
    ]
    return events, done


def _function_call(call: ToolCall, index: int, sending: Sending) -> tuple[Json, list[Told], Json]:
    place: Json = {"item_id": f"fc_{index}", "output_index": index}
    added: Json = {"id": f"fc_{index}", "type": "function_call", "status": "in_progress", "arguments": ""}
    added |= {"call_id": call.id, "name": call.name}
    inside: list[Told] = [
        ("response.function_call_arguments.delta", {**place, "delta": piece})
        for piece in sending.pieces(call.arguments)
    ]
    inside.append(("response.function_call_arguments.done", {**place, "arguments": call.arguments}))
    return added, inside, {**added, "arguments": call.arguments}


def _reasoning(steps: list[Step], index: int, sending: Sending) -> tuple[Json, list[Told], Json]:
    place: Json = {"item_id": f"rs_{index}", "output_index": index, "summary_index": 0}
    added: Json = {"id": f"rs_{index}", "type": "reasoning", "summary": []}
    empty: Json = {"type": "summary_text", "text": ""}
    part, inside = _part("reasoning_summary_part", "reasoning_summary_text", empty, place, steps, sending)
    return added, inside, {**added, "summary": [part], "encrypted_content": f"sealed-{index}"}


def _message(steps: list[Step], index: int, sending: Sending) -> tuple[Json, list[Told], Json]:
    place: Json = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
    added: Json = {"id": f"msg_{index}", "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    empty: Json = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    if isinstance(steps[0], Refusal):
        empty = {"type": "refusal", "refusal": ""}
    part, inside = _part("content_part", empty["type"], empty, place, steps, sending)
    return added, inside, {**added, "content": [part]}


def _part(
    frame: str, name: str, empty: Json, place: Json, steps: list[Step], sending: Sending
) -> tuple[Json, list[Told]]:
    """A part, and the events that tell it: its pieces, the whole, and what frames them."""
    texts = [step.text for step in steps if isinstance(step, Thinking | Text | Refusal)]
    field = "refusal" if name == "refusal" else "text"
    part = {**empty, field: "".join(texts)}
    more: Json = {"logprobs": []} if name == "output_text" else {}
    events: list[Told] = [
        (f"response.{frame}.added", {**place, "part": empty}),
        *(
            (f"response.{name}.delta", {**place, "delta": piece, **more})
            for text in texts
            for piece in sending.pieces(text)
        ),
        (f"response.{name}.done", {**place, field: part[field], **more}),
        (f"response.{frame}.done", {**place, "part": part}),
    ]
    return part, events


def _usage(usage: TokenUsage) -> Json:
    given = _known(cached_tokens=usage.cached_input_tokens, cache_write_tokens=usage.cache_write_tokens)
    return _known(
        input_tokens=usage.input_tokens,
        input_tokens_details=given or None,
        output_tokens=usage.output_tokens,
        output_tokens_details=_known(reasoning_tokens=usage.reasoning_tokens) or None,
        total_tokens=usage.total_tokens,
    )


def _known(**counts: Any) -> Json:
    return {name: count for name, count in counts.items() if count is not None}


def _event(number: int, kind: str, fields: Json) -> bytes:
    payload = {"type": kind, "sequence_number": number, **fields}
    data = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()
