"""How a stream ends: with its last chunk. `StepDone` is one's like, of an answer amid an agent's turn.

`gestura.chunks` has them all, beside the other chunks.
"""

from __future__ import annotations

import enum
from typing import ClassVar

import attrs

from gestura.conversation import Request
from gestura.delivery import Delivery
from gestura.errors import ErrorKind
from gestura.messages import Message
from gestura.parts import ToolResult
from gestura.usage import TokenUsage

__all__ = ["Cancelled", "ContextOverflow", "Done", "Ending", "Error", "FinishReason", "Paused", "StepDone"]


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
class _Complete:
    """What is told of a whole answer."""

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    usage: TokenUsage | None = None
    finish_reason: FinishReason = attrs.field(default=FinishReason.UNKNOWN, metadata={"always": True})
    provider_finish_reason: str | None = None
    model: str | None = None
    provider: str | None = None


@attrs.frozen(kw_only=True)
class StepDone(_Complete):
    """One of the model's answers in an agent's turn is complete (`Client.run`): what its own `Done` would tell.

    Its tool calls are run next, or the turn ends.

    Args:
        usage: token counts of this answer, or `None` where the provider told none.
        finish_reason: why the model stopped, in gestura's terms.
        provider_finish_reason: the same in the provider's own word.
        model: which model answered, as the provider names it.
        provider: which provider answered.
    """


@attrs.frozen(kw_only=True)
class Done(_Complete):
    """The answer is complete.

    Args:
        usage: token counts, or `None` where the provider told none.
        finish_reason: why the model stopped, in gestura's terms.
        provider_finish_reason: the same in the provider's own word.
        model: which model answered, as the provider names it.
        provider: which provider answered.
    """


@attrs.frozen(kw_only=True)
class Cancelled:
    """`CancellationToken.cancel` ended the stream.

    Args:
        usage: token counts, as far as they were told.
        partial: what was shown before; `None` for nothing. A tool call that was not complete is left out.
    """

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
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

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
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

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
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

    delivery: ClassVar[Delivery] = Delivery.LOSSLESS
    error_message: str


Ending = Done | Cancelled | Paused | Error | ContextOverflow
"""The last chunk of a stream."""
