"""What comes out of a stream: `StreamChunk`, one frozen attrs class per kind, each with its `Delivery`.

An *ending* is the last chunk of a stream, and nothing follows it: `Done`, `Cancelled`, `Paused`, `Error` or
`ContextOverflow`.
"""

from __future__ import annotations

import enum
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
from gestura.conversation import Request
from gestura.delivery import Delivery
from gestura.errors import ErrorKind
from gestura.messages import Message
from gestura.parts import ToolResult
from gestura.usage import TokenUsage, TokenUsageStatus

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

    delivery: ClassVar = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Thinking:
    """A piece of the model's reasoning, as far as the provider shows it."""

    delivery: ClassVar = Delivery.LOSSLESS
    text: str


@attrs.frozen
class Refusal:
    """A piece of the model's own words for why it does not answer, where the provider keeps them apart from text."""

    delivery: ClassVar = Delivery.LOSSLESS
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

    delivery: ClassVar = Delivery.LOSSLESS
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

    delivery: ClassVar = Delivery.LOSSLESS
    id: str
    name: str


@attrs.frozen
class ToolCallArgs:
    """A piece of the JSON text of a tool call's arguments."""

    delivery: ClassVar = Delivery.LOSSLESS
    id: str
    fragment: str


@attrs.frozen
class ToolCallEnd:
    """The call is complete. A call that a broken stream left without one is unfinished: don't run it."""

    delivery: ClassVar = Delivery.LOSSLESS
    id: str


# How the stream itself goes.


@attrs.frozen
class Status:
    """What is going on, in words for a person."""

    delivery: ClassVar = Delivery.BEST_EFFORT
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
    """

    delivery: ClassVar = Delivery.BEST_EFFORT
    estimated: int
    limit: int
    percentage: int
    status: TokenUsageStatus
    estimated_cost: float


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

    delivery: ClassVar = Delivery.LOSSLESS
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

    delivery: ClassVar = Delivery.LOSSLESS
    event: str
    data: str


class FinishReason(enum.Enum):
    """Why the model stopped, over all providers."""

    STOP = "stop"
    """It had said what it had to say, or met a stop sequence."""

    LENGTH = "length"
    """It reached the limit of output tokens, or the end of its context window."""

    TOOL_CALLS = "tool_calls"
    """It waits for the results of its tool calls."""

    REFUSAL = "refusal"
    """It declined to answer."""

    CONTENT_FILTER = "content_filter"
    """The provider withheld the answer."""

    PAUSE = "pause"
    """The provider paused a long turn; send the answer back to go on."""

    OTHER = "other"
    """A word of the provider's that gestura does not know: see `provider_finish_reason`."""

    UNKNOWN = "unknown"
    """The answer is complete, and the provider did not say why."""


@attrs.frozen(kw_only=True)
class StepDone:
    """One of the model's answers in an agent's turn is complete (`Client.run`): what its own `Done` would tell.

    Its tool calls are run next, or the turn ends.

    Args:
        usage: token counts of this answer, or `None` where the provider told none.
        finish_reason: why the model stopped, in gestura's terms.
        provider_finish_reason: the same in the provider's own word.
        model: which model answered, as the provider names it.
        provider: which provider answered.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    finish_reason: FinishReason = attrs.field(default=FinishReason.UNKNOWN, metadata={"always": True})
    provider_finish_reason: str | None = None
    model: str | None = None
    provider: str | None = None


# Endings.


@attrs.frozen(kw_only=True)
class Done:
    """The answer is complete.

    Args:
        usage: token counts, or `None` where the provider told none.
        finish_reason: why the model stopped, in gestura's terms.
        provider_finish_reason: the same in the provider's own word.
        model: which model answered, as the provider names it.
        provider: which provider answered.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    finish_reason: FinishReason = attrs.field(default=FinishReason.UNKNOWN, metadata={"always": True})
    provider_finish_reason: str | None = None
    model: str | None = None
    provider: str | None = None


@attrs.frozen(kw_only=True)
class Cancelled:
    """`CancellationToken.cancel` ended the stream.

    Args:
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing. A tool call that was not complete is left out.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    partial: Message | None = None


@attrs.frozen(kw_only=True)
class Paused:
    """`CancellationToken.pause` ended the stream; `Client.resume` goes on from here, now or in another process.

    Args:
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing. A tool call that was not complete is left out.
        request: what was asked.
        provider: who was asked.
        model: which model.
        tool_results: in an agent's turn that was paused while tools ran: `partial` is a whole answer, and these are the
            results of its calls so far. `None` otherwise.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    partial: Message | None = None
    request: Request | None = None
    provider: str | None = None
    model: str | None = None
    tool_results: tuple[ToolResult, ...] | None = None


@attrs.frozen
class Error:
    """The stream failed. What it had shown before stands.

    Args:
        message: what went wrong, in a sentence for a person.
        kind: what sort of failure.
        provider: whose.
        status: the HTTP status, where there was one.
        code: the provider's own word for it.
        request_id: the provider's name for the request, for its support.
        retryable: another try may succeed.
        retry_after: seconds after which, if the provider said so.
        attempts: requests that were made in all.
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing. A tool call that was not complete is left out.
    """

    delivery: ClassVar = Delivery.LOSSLESS
    message: str
    kind: ErrorKind = attrs.field(default=ErrorKind.INTERNAL, kw_only=True, metadata={"always": True})
    provider: str | None = attrs.field(default=None, kw_only=True)
    status: int | None = attrs.field(default=None, kw_only=True)
    code: str | None = attrs.field(default=None, kw_only=True)
    request_id: str | None = attrs.field(default=None, kw_only=True)
    retryable: bool = attrs.field(default=False, kw_only=True)
    retry_after: float | None = attrs.field(default=None, kw_only=True)
    attempts: int = attrs.field(default=0, kw_only=True)
    usage: TokenUsage | None = attrs.field(default=None, kw_only=True)
    partial: Message | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class ContextOverflow:
    """The request, or the conversation with its answer so far, is longer than the model's context window."""

    delivery: ClassVar = Delivery.LOSSLESS
    error_message: str


Ending = Done | Cancelled | Paused | Error | ContextOverflow
"""The last chunk of a stream."""

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
