"""Events of OpenAI Responses for tests, and what is made of them.

A builder leaves out a field that is `None`, as servers do.
"""

from __future__ import annotations

import json
from typing import Any

from gestura.chunks import ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.providers.openai_responses import ResponsesDecoder
from gestura.stages import fuse
from gestura.stages.deltas import Frame
from gestura.stages.tool_calls import ToolCallAssembler
from gestura.testing import merged, run_inline

NO = {"type": "refusal", "refusal": "No."}
"""A part of a message in which the model declines."""


def read(*events: Any) -> list[Any]:
    """What a decoder makes of these events; strings and frames stand for themselves."""
    return run_inline(ResponsesDecoder(), [frames_of(events)])


def received(*events: Any) -> list[Any]:
    """What a user gets of these events, neighbouring pieces joined: the decoder's deltas through the assembler."""
    return merged(run_inline(fuse(ResponsesDecoder(), ToolCallAssembler()), [frames_of(events)]))


def frames_of(events: Any) -> list[Frame]:
    """Each event as a frame."""
    return [
        each if isinstance(each, Frame) else Frame(each if isinstance(each, str) else json.dumps(each))
        for each in events
    ]


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """An event of this kind: `response.KIND`."""
    return {"type": f"response.{kind}", **fields}


def item_event(kind: str, item_type: str, output_index: int | None = 0, **item: Any) -> dict[str, Any]:
    """`output_item.added` or `.done`; a field that is `None` is absent, and so is an index that is."""
    index = {} if output_index is None else {"output_index": output_index}
    present = {name: value for name, value in item.items() if value is not None}
    return event(f"output_item.{kind}", item={"type": item_type, **present}, **index)


def added(item_type: str, output_index: int | None = 0, **item: Any) -> dict[str, Any]:
    return item_event("added", item_type, output_index, **item)


def done(item_type: str, output_index: int | None = 0, **item: Any) -> dict[str, Any]:
    return item_event("done", item_type, output_index, **item)


def completed(*output: Any, **response: Any) -> dict[str, Any]:
    """The last event, with this output."""
    return event("completed", response={"status": "completed", "output": list(output), **response})


def text(said: str, item_id: str | None = "msg", output_index: int | None = 0, content_index: int | None = 0) -> Any:
    """A piece of a message."""
    return piece("output_text", said, item_id=item_id, output_index=output_index, content_index=content_index)


def summary(said: str, summary_index: int | None = 0, output_index: int | None = 0, item_id: str | None = "rs") -> Any:
    """A piece of a reasoning summary."""
    place = {"item_id": item_id, "output_index": output_index, "summary_index": summary_index}
    return piece("reasoning_summary_text", said, **place)


def piece(name: str, said: str, **place: Any) -> dict[str, Any]:
    present = {key: value for key, value in place.items() if value is not None}
    return event(f"{name}.delta", delta=said, **present)


def message(*parts: Any) -> list[dict[str, Any]]:
    """A message's content: texts, and parts as they are."""
    return [{"type": "output_text", "text": part} if isinstance(part, str) else part for part in parts]


def summaries(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "summary_text", "text": each} for each in texts]


def call(call_id: str, name: str = "f", arguments: str = "{}") -> list[Any]:
    """What a user gets of a call."""
    return [ToolCallStart(call_id, name), ToolCallArgs(call_id, arguments), ToolCallEnd(call_id)]


def arguments(said: str, kind: str = "delta", **place: Any) -> dict[str, Any]:
    """Arguments of a call: a piece, or with `done` the whole."""
    field = "delta" if kind == "delta" else "arguments"
    present = {key: value for key, value in place.items() if value is not None}
    return event(f"function_call_arguments.{kind}", **{field: said}, **present)


def begun(number: int = 0, index: int | None = None, **item: Any) -> dict[str, Any]:
    """Call number 0, 1 … is added: `fc_0`, `call_0`, at that index unless told."""
    fields = {"id": f"fc_{number}", "call_id": f"call_{number}", "name": "f", "arguments": "", "status": "in_progress"}
    return added("function_call", number if index is None else index, **(fields | item))


def ended(number: int = 0, index: int | None = None, **item: Any) -> dict[str, Any]:
    """The same call as a whole item."""
    fields = {"id": f"fc_{number}", "call_id": f"call_{number}", "name": "f", "arguments": "{}", "status": "completed"}
    return done("function_call", number if index is None else index, **(fields | item))
