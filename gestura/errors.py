"""What can go wrong: as data (`Fault`) inside a stream, as an exception where gestura raises.

A stream never raises for a failed answer; its pipeline carries a `Fault`, and its last chunk tells it. Exceptions are
for the doors: `Client.ask`, configuration, misuse. Whose fault it is is the type: `ProtocolError` is the provider's,
`TransportError` the network's, `ConfigError` the user's, `InternalError` ours. No message holds a key, header or body.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from gestura.answer import Answer
    from gestura.chunks import Ending

__all__ = [
    "ConfigError",
    "ErrorKind",
    "Fault",
    "GesturaError",
    "InternalError",
    "InvalidValue",
    "LimitExceeded",
    "ProtocolError",
    "StreamFailed",
    "TransportError",
    "Unfit",
    "UnfitAnswer",
]


class ErrorKind(enum.Enum):
    """What sort of failure ended an attempt."""

    NOT_CONFIGURED = "not_configured"
    """The provider has no settings, or no key."""

    BAD_REQUEST = "bad_request"
    """The request can't be put to this provider, or the provider refused it for good (most 4xx)."""

    AUTHENTICATION = "authentication"
    """The key is missing, wrong or not allowed to do this (401, 403)."""

    RATE_LIMITED = "rate_limited"
    """Too many requests or tokens for now (429)."""

    QUOTA = "quota"
    """Credit or a spending limit is used up; waiting does not help."""

    OVERLOADED = "overloaded"
    """The provider has no capacity right now (503, 529, `overloaded_error`)."""

    SERVER = "server"
    """The provider failed (5xx, or an error inside the stream)."""

    CONTEXT_OVERFLOW = "context_overflow"
    """The request is longer than the model's context window."""

    CONNECTION = "connection"
    """No connection, or one that broke."""

    TIMEOUT = "timeout"
    """One of gestura's deadlines passed."""

    TRUNCATED = "truncated"
    """The input ended before the wire format's own end of an answer."""

    PROTOCOL = "protocol"
    """The provider sent what its wire format does not allow."""

    LIMIT = "limit"
    """The provider sent more than a limit of ours admits, or an agent's turn went on for longer than one does."""

    RELAY = "relay"
    """The stream is published (`gestura.relay`), and was lost on the way: its log, or its publisher."""

    INTERNAL = "internal"
    """A bug in gestura, or in a stage a user brought."""


@attrs.frozen(kw_only=True)
class Fault:
    """One failure, as data: what the policy decides on and the last chunk tells.

    `code` is the provider's own word for it, `retry_after` its hint in seconds. `should_retry` is what the provider
    said outright (`x-should-retry`), `None` where it said nothing.
    """

    kind: ErrorKind
    message: str
    provider: str | None = None
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None


class GesturaError(Exception):
    """The root of every exception that gestura raises."""


class ConfigError(GesturaError):
    """A setting or an argument is missing or wrong; nothing was sent.

    Args:
        message: which one, and what to do about it.
        kind: what sort of failure a stream ends with for it.
    """

    def __init__(self, message: str, *, kind: ErrorKind = ErrorKind.NOT_CONFIGURED) -> None:
        super().__init__(message)
        self.kind = kind


class InvalidValue(GesturaError):
    """What a model wrote is not of the type that it was asked for. The message, for the model, tells each place."""


class ProtocolError(GesturaError):
    """The provider broke its wire format.

    A stage that raises this puts what it had already made of the batch into `made`, so that nothing is lost.
    """

    kind = ErrorKind.PROTOCOL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.made: Sequence[Any] = ()


class LimitExceeded(ProtocolError):
    """The provider sent more than one of our limits admits.

    Args:
        what: what was too large, in words: "a line", "the arguments of a tool call".
        setting: the name of the limit in `gestura.Limits`.
        limit: its value.
    """

    kind = ErrorKind.LIMIT

    def __init__(self, what: str, setting: str, limit: int) -> None:
        super().__init__(f"{what} exceeds {limit:,} ({setting})")
        self.what = what
        self.setting = setting
        self.limit = limit

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.setting, self.limit), vars(self)


class TransportError(GesturaError):
    """No connection could be made, or it broke. `retryable` is false where another try can't help (TLS, bad URL)."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class InternalError(GesturaError):
    """A bug in gestura, or in a stage that a user brought. The message names the actor."""


class StreamFailed(GesturaError):
    """Raised by the doors that return a whole answer (`Client.ask`, `ChunkStream.collect`) when there is none.

    `ending` is the chunk the stream ended with.
    """

    def __init__(self, message: str, ending: Ending) -> None:
        super().__init__(message)
        self.ending = ending

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.ending), vars(self)


class Unfit(enum.Enum):
    """Why a whole answer is not the value that was asked for."""

    REFUSED = "refused"
    """The model declined to answer."""

    CUT_OFF = "cut_off"
    """It reached the limit of output tokens before the value was whole."""

    WITHHELD = "withheld"
    """The provider withheld the answer, or the rest of it."""

    TOOL_CALLS = "tool_calls"
    """It wants the results of its tool calls first."""

    INVALID = "invalid"
    """It wrote something else: no JSON, or JSON that does not fit the type."""


class UnfitAnswer(StreamFailed):
    """Raised where an answer is wanted as a value, when the answer is whole but no such value.

    Args:
        message: what is wrong; where it is the value, every place in it, in words that the model can be told.
        answer: the whole answer, with its text.
        why: which of the reasons it is.
    """

    def __init__(self, message: str, answer: Answer, why: Unfit) -> None:
        super().__init__(message, answer.done)
        self.answer = answer
        self.why = why

    def __reduce__(self) -> tuple[type[UnfitAnswer], tuple[str, Answer, Unfit]]:
        return type(self), (str(self), self.answer, self.why)
