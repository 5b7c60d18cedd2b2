"""What `Client.run` is told beside the request: how far a turn may go, and whom to ask on the way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
from attrs.validators import ge, gt, optional

from gestura.agent_chunks import ToolConfirmationRequired
from gestura.conversation import Request

__all__ = ["Compact", "Confirm", "Denied", "RunLimits"]


TOOL_TIMEOUT: Final[float | None] = 120.0
"""Seconds. As long as a stream waits from one piece of content to the next."""


@attrs.frozen(kw_only=True)
class RunLimits:
    """How far an agent's turn may go.

    The first two end it with an `Error` of the kind `limit`, whose `code` is the name of the limit, when another answer
    would be needed; whatever the model has called by then has been run, so the turn can be taken up again.

    Args:
        max_iterations: answers of the model.
        max_total_tokens: tokens of all answers together, as far as providers tell them; `None` is no limit.
        max_parallel_calls: tool calls that run at the same time; others wait.
        tool_timeout: seconds a call may take where its tool says nothing else; `None` is no limit.
    """

    max_iterations: int = attrs.field(default=25, validator=ge(1))
    max_total_tokens: int | None = attrs.field(default=None, validator=optional(ge(1)))
    max_parallel_calls: int = attrs.field(default=8, validator=ge(1))
    tool_timeout: float | None = attrs.field(default=TOOL_TIMEOUT, validator=optional(gt(0)))


@attrs.frozen
class Denied:
    """The answer of a `Confirm` hook that does not allow a call. The model is told the reason."""

    reason: str = "the user did not allow it"


Confirm = Callable[[ToolConfirmationRequired], Awaitable["bool | Denied"]]
"""Asked before each call of a tool that is marked `confirm=True`, one at a time: `True` allows it."""

Compact = Callable[[Request], Awaitable[Request]]
"""Asked when a request is longer than the model's context window: gives a shorter one."""
