"""Sound answers to begin with: what the simulator's voices say, and recorded ones where they are at hand.

Recordings are read where they lie and go nowhere but into a fuzzer's own folder for the length of its run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator import VOICES, Comment, Scenario, Sending, StreamError, ToolCall
from gestura.usage import TokenUsage

__all__ = ["recorded", "spoken"]

RECORDINGS: Final = Path(__file__).parents[3] / "shared" / "recordings"
USAGE: Final = TokenUsage(input_tokens=12, output_tokens=7, cached_input_tokens=3, reasoning_tokens=2)

ASKED: Final = {"stream_options": {"include_usage": True}}
"""What the request says, as far as a voice heeds it."""

SCENARIOS: Final = (
    Scenario(model="m", steps=(Text("Héllo 😀."),), usage=USAGE),
    Scenario(model="m", steps=(Thinking("Hm, well."), Text("So be it.")), usage=USAGE),
    Scenario(model="m", steps=(Text("<think>Two blocks</think>A<think>B</think> of it."),)),
    Scenario(
        model="m",
        steps=(
            Text("Look:"),
            ToolCall("call_1", "weather", '{"city": "Oslo"}'),
            ToolCall("call_2", "weather", '{"city": "Lima", "unit": [1, {"a": null}]}'),
        ),
        finish=FinishReason.TOOL_CALLS,
        usage=USAGE,
        sending=Sending(characters_per_event=7),
    ),
    Scenario(model="m", steps=(Refusal("I can't say."),)),
    Scenario(model="m", steps=(Comment("ping"), Text("Cut"), Comment()), finish=FinishReason.LENGTH),
    Scenario(model="m", steps=(Text("Oh"), StreamError("It is too much.", "overloaded_error", "busy"))),
)


def spoken(kind: str) -> list[bytes]:
    """What the voice of a wire format makes of every kind of step, whole answers and failing ones."""
    return [b"".join(VOICES[kind].render(scenario, ASKED)) for scenario in SCENARIOS]


def recorded(kind: str, longest: int) -> Iterator[bytes]:
    """The recordings of a wire format; of those that are longer, the first and the last events."""
    manifest = RECORDINGS / "MANIFEST.json"
    entries = json.loads(manifest.read_bytes()) if manifest.exists() else []
    for entry in entries:
        if entry["wire"] == kind:
            body = (RECORDINGS / entry["file"]).read_bytes()
            yield body if len(body) <= longest else _ends_of(body, longest // 2)


def _ends_of(body: bytes, size: int) -> bytes:
    head = body[:size]
    tail = body[-size:]
    return head[: head.rfind(b"\n\n") + 2 or head.rfind(b"\n") + 1] + tail[tail.find(b"\n") + 1 :].lstrip()
