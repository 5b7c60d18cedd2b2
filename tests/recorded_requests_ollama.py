"""Recorded bodies of Ollama, read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from recorded_requests import Body, Recorded, RecordedWire, without_nulls

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.parts import TextPart, ToolCall, ToolResult
from gestura.request_options import Sampling, Tool

NO_FIELD = {
    "keep_alive": "how long the model stays in memory",
    "options": "options that are no sampling, such as the size of the context",
    "format": "`json`: any JSON, without a schema",
    "temperature": "beside `options`, where nobody reads it",
}
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "num_predict": "max_output_tokens",
    "seed": "seed",
    "stop": "stop",
}


def read(body: Body) -> Recorded:
    body = normal(body)
    body.pop("stream")
    settings = ProviderSettings(kind="ollama", model=body.pop("model"))
    messages = body.pop("messages")
    system = [message["content"] for message in messages if message["role"] == "system"]
    thinks = body.pop("think", None)
    options = body.pop("options", {})
    request = Request(
        messages=tuple(_messages([message for message in messages if message["role"] != "system"])),
        system=tuple(map(TextPart, system)),
        tools=tuple(Tool(**tool["function"]) for tool in body.pop("tools", ())),
        sampling=Sampling(**{ours: options.pop(name) for name, ours in SAMPLING.items() if name in options}),
        reasoning={None: None, False: "off", True: "medium"}[thinks],
        extra={**body, **({"options": options} if options else {})},
    )
    return Recorded(request, settings)


def _messages(messages: list[Body]) -> Iterator[Message]:
    """Calls are numbered, and results belong to them in their order."""
    made, answered = 0, 0
    for message in messages:
        match message["role"]:
            case "user":
                yield Message(Role.USER, [TextPart(message["content"])])
            case "assistant":
                calls = []
                for call in message.get("tool_calls", ()):
                    arguments = json.dumps(call["function"]["arguments"])
                    calls.append(ToolCall(f"call_{made}", call["function"]["name"], arguments))
                    made += 1
                yield Message(Role.ASSISTANT, [TextPart(message["content"]), *calls])
            case "tool":
                yield Message(Role.USER, [ToolResult(f"call_{answered}", (TextPart(message["content"]),))])
                answered += 1


def normal(body: Body) -> Body:
    """A body in its normal form.

    - A missing field and null are the same; so are no options, and the format "".
    - What does not say whether it wants a stream gets one.
    - Ids of calls are sent by us, for newer servers; recorded clients had none yet.
    """
    body = {name: value for name, value in without_nulls(body).items() if (name, value) not in NOTHING}
    for message in body["messages"]:
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", ()):
            call.pop("id", None)
    return {"stream": True, **body}


NOTHING: tuple[tuple[str, Any], ...] = (("options", {}), ("format", ""))

OLLAMA = RecordedWire(read=read, normal=normal, no_field=NO_FIELD)
