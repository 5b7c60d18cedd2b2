"""What comes out of a stream: `StreamChunk`, one frozen attrs class per kind, each with its `Delivery`.

An *ending* is the last chunk of a stream, and nothing follows it: `Done`, `Cancelled`, `Paused`, `Error` or
`ContextOverflow`.
"""

from __future__ import annotations

from typing import ClassVar, get_args

import attrs

from gestura.agent_chunks import (
    AgentLoopIteration,
    ConfigRequest,
    ContextCompacted,
    MemoryBankSaved,
    Narration,
    NarrationStage,
    PublicNarration,
    ReflectionComplete,
    ReflectionStarted,
    RuntimeSnapshot,
    RuntimeTask,
    ShellLifecycle,
    ShellOutput,
    ShellOutputStream,
    ShellProcessState,
    ShellSessionLifecycle,
    ShellSessionState,
    TaskRuntimeSnapshot,
    ToolBlocked,
    ToolCallResult,
    ToolConfirmationRequired,
)
from gestura.delivery import Delivery
from gestura.endings import Cancelled, ContextOverflow, Done, Ending, Error, FinishReason, Paused, StepDone
from gestura.usage import TokenUsageStatus

__all__ = [
    "AgentLoopIteration",
    "Cancelled",
    "ConfigRequest",
    "ContextCompacted",
    "ContextOverflow",
    "Done",
    "Ending",
    "Error",
    "FinishReason",
    "MemoryBankSaved",
    "Narration",
    "NarrationStage",
    "Paused",
    "ProviderEvent",
    "PublicNarration",
    "ReflectionComplete",
    "ReflectionStarted",
    "Refusal",
    "RetryAttempt",
    "RuntimeSnapshot",
    "RuntimeTask",
    "ShellLifecycle",
    "ShellOutput",
    "ShellOutputStream",
    "ShellProcessState",
    "ShellSessionLifecycle",
    "ShellSessionState",
    "Signature",
    "Status",
    "StepDone",
    "StreamChunk",
    "TaskRuntimeSnapshot",
    "Text",
    "Thinking",
    "TokenUsageUpdate",
    "ToolBlocked",
    "ToolCallArgs",
    "ToolCallEnd",
    "ToolCallResult",
    "ToolCallStart",
    "ToolConfirmationRequired",
]


# What the model says.


@attrs.frozen
class Text:
    """A piece of the answer."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Thinking:
    """A piece of the model's reasoning, as far as the provider shows it."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Refusal:
    """A piece of the model's own words for why it does not answer, where the provider keeps them apart from text."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Signature:
    """A provider's seal on what came before it, to be sent back unchanged with it in a later turn.

    Args:
        signature: opaque to everyone but the provider.
        id: the tool call it belongs to; `None` where it seals the thinking just before it.
        redacted: it does not seal thinking but stands for it: the provider shows nothing of this part.
        sealed_by: the wire format that it belongs to, such as `anthropic`.
    """

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    signature: str
    id: str | None = None
    redacted: bool = False
    sealed_by: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class ToolCallStart:
    """The model calls a tool. Its `ToolCallArgs` and its `ToolCallEnd` follow, with nothing of another call between.

    Args:
        id: unique within the stream; the provider's own where it gave one.
        name: the function's name.
    """

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    id: str
    name: str


@attrs.frozen
class ToolCallArgs:
    """A piece of the JSON text of a tool call's arguments."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    id: str
    fragment: str


@attrs.frozen
class ToolCallEnd:
    """The call is complete. A call that a broken stream left without one is unfinished: don't run it."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    id: str


# How the stream itself goes.


@attrs.frozen
class Status:
    """What is going on, in words for a person."""

    delivery: ClassVar[Delivery] = Delivery.BEST_EFFORT
    message: str


@attrs.frozen
class TokenUsageUpdate:
    """How full the context window is.

    Args:
        estimated: tokens used so far.
        limit: tokens the window holds.
        percentage: the share, in whole percent.
        status: green, yellow or red.
        estimated_cost: US dollars.
        is_cost_guessed: nobody knows the model's price, and `estimated_cost` goes by a common one.
    """

    delivery: ClassVar[Delivery] = Delivery.BEST_EFFORT
    estimated: int
    limit: int
    percentage: int
    status: TokenUsageStatus
    estimated_cost: float
    is_cost_guessed: bool = False


@attrs.frozen
class RetryAttempt:
    """An attempt failed, and another follows.

    Args:
        attempt: which attempt at its provider failed, from 1.
        max_attempts: how many are made at the most.
        delay_ms: milliseconds until the next one.
        error_message: why it failed.
        discard: what was shown of the answer does not count any more: the answer begins anew. Only where a stream was
            asked for with `after_output="restart"`.
    """

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    attempt: int
    max_attempts: int
    delay_ms: int
    error_message: str
    discard: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class ProviderEvent:
    """One event as the provider sent it, before the chunks it led to; only in streams asked for with `raw=True`.

    Args:
        event: the name of the server-sent event; `""` where it has none.
        data: its payload, JSON text as it came; but where it repeats the key, that is hidden.
    """

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    event: str
    data: str


StreamChunk = (
    Thinking
    | Narration
    | Text
    | Refusal
    | Signature
    | ToolCallStart
    | ToolCallArgs
    | ToolCallEnd
    | ToolCallResult
    | RetryAttempt
    | ContextCompacted
    | TokenUsageUpdate
    | Status
    | ProviderEvent
    | ConfigRequest
    | ToolConfirmationRequired
    | ToolBlocked
    | MemoryBankSaved
    | AgentLoopIteration
    | StepDone
    | TaskRuntimeSnapshot
    | ShellOutput
    | ShellLifecycle
    | ShellSessionLifecycle
    | ReflectionStarted
    | ReflectionComplete
    | Ending
)
"""What the user receives."""


CHUNK_CLASSES: tuple[type[StreamChunk], ...] = get_args(StreamChunk)
"""Every kind of chunk."""
