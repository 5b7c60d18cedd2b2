"""Deltas: the provider-neutral pieces of one answer, between the wire decoder and the forwarder.

`Text`, `Thinking`, `Refusal`, `Signature` and `ProviderEvent` are already what the user receives, so the chunks
themselves are their deltas. The others below are folded into chunks by the tool-call assembler, or into the ending by
the attempt.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs
import msgspec

from gestura.chunks import FinishReason, ProviderEvent, Refusal, Signature, StreamChunk, Text, Thinking
from gestura.errors import Fault
from gestura.usage import TokenUsage

__all__ = [
    "CONTROL_CLASSES",
    "Anomaly",
    "Control",
    "Delta",
    "Finish",
    "Frame",
    "ModelName",
    "Oddity",
    "Terminal",
    "ToolCallFragment",
    "Usage",
]


class Frame(msgspec.Struct, gc=False):  # made for every event, three times as fast as a class of attrs
    """The payload of one SSE event, or one NDJSON line.

    `terminated` is false for what the end of the input cut off without its line end or blank line: it counts only if
    it is complete by itself.
    """

    data: str
    event: str = ""
    terminated: bool = True


@attrs.define
class ToolCallFragment:
    """A piece of a tool call.

    Args:
        index: which call of the answer this is, from 0, dense; `None` where the wire did not say.
        id: the provider's id, on the first fragment or on all of them; `None` or blank where it gave none.
        name: the function's name, whole or in pieces.
        arguments: a piece of the JSON text of the arguments.
        position: where in its own event the fragment stood, the last resort for finding its call.
        complete: this was the last fragment of its call.
        signature: the provider's seal on the call.
        sealed_by: the wire format that the seal belongs to.
    """

    index: int | None = None
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    position: int = 0
    complete: bool = False
    signature: str | None = None
    sealed_by: str | None = None


@attrs.define
class Usage:
    """Token counts. Told more than once, the last one counts."""

    usage: TokenUsage


@attrs.define
class Finish:
    """The model stopped. `word` is the provider's own word for why."""

    reason: FinishReason
    word: str | None = None


@attrs.define
class Terminal:
    """The wire format's own end of an answer was read (`[DONE]`, `message_stop`, `done: true`)."""


@attrs.define
class ModelName:
    """Which model answers, as the provider names it."""

    model: str


class Oddity(enum.Enum):
    """What a stage passed over, because it is strange and not worth a failure."""

    UNKNOWN_EVENT = "unknown_event"
    UNEXPECTED_SHAPE = "unexpected_shape"
    UNKNOWN_FINISH_REASON = "unknown_finish_reason"
    OTHER_CHOICE = "other_choice"
    ORPHAN_THINK_TAG = "orphan_think_tag"
    NAMELESS_TOOL_CALL = "nameless_tool_call"
    LATE_TOOL_CALL_FRAGMENT = "late_tool_call_fragment"
    UNFINISHED_TOOL_CALL = "unfinished_tool_call"


@attrs.define
class Anomaly:
    """Something was passed over; the stream's statistics count it."""

    oddity: Oddity


Control = Usage | Finish | Terminal | ModelName | Fault | Anomaly
"""Deltas that are told by the ending or counted, not shown as chunks of their own."""

CONTROL_CLASSES: Final = (Usage, Finish, Terminal, ModelName, Fault, Anomaly)
"""The classes of `Control`, for `isinstance`."""

Delta = Text | Thinking | Refusal | Signature | ToolCallFragment | ProviderEvent | Control
"""What a wire decoder makes."""

Piece = StreamChunk | Control
"""What the tool-call assembler makes: chunks for the user, the rest for the attempt."""
