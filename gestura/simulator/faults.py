"""What can go wrong on the way: the faults of a scenario.

A fault strikes at a place in the body, told in bytes or in events; a place beyond the end is the end. Told neither, it
strikes before the response's head, when the client still waits for a status. `times` limits it to the first requests
for the model, so that a scenario can fail and then recover.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
from attrs.validators import ge, gt, instance_of, optional

__all__ = ["BreakHttp", "Fault", "Garbage", "HttpError", "Reset", "Stall", "Truncate"]


@attrs.frozen(kw_only=True)
class HttpError:
    """A plain HTTP response instead of a stream; the first one that is due counts.

    Args:
        status: any final status, not only an error's: redirects and odd 200s too.
        message: what the provider's error object says.
        headers: of the response; they win over the usual ones.
        body: instead of the provider's error object.
        times: how many requests meet it; `None` is all.
    """

    status: int = attrs.field(validator=ge(200))
    message: str = "The simulator was told to fail."
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: str | None = None
    times: int | None = attrs.field(default=None, validator=optional(gt(0)))


@attrs.frozen(kw_only=True)
class _AtPlace:
    after_bytes: int | None = attrs.field(default=None, validator=optional(ge(0)))
    after_events: int | None = attrs.field(default=None, validator=optional(ge(0)))
    times: int | None = attrs.field(default=None, validator=optional(gt(0)))

    def __attrs_post_init__(self) -> None:
        if self.after_bytes is not None and self.after_events is not None:
            raise ValueError("after_bytes and after_events: give one of the two")


@attrs.frozen(kw_only=True)
class _InBody(_AtPlace):
    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.after_bytes is None and self.after_events is None:
            raise ValueError("after_bytes or after_events is needed: this fault has no meaning before the head")


@attrs.frozen(kw_only=True)
class Stall(_AtPlace):
    """Silence for `seconds`, with the connection open. The default is for ever."""

    seconds: float = attrs.field(default=math.inf, validator=ge(0))


@attrs.frozen(kw_only=True)
class Reset(_AtPlace):
    """The connection is reset (a TCP RST): the client reads what came before, then ECONNRESET."""


@attrs.frozen(kw_only=True)
class BreakHttp(_AtPlace):
    """The connection is closed in the middle of the HTTP body: chunked encoding without its last chunk."""


@attrs.frozen(kw_only=True)
class Truncate(_InBody):
    """The body ends early and HTTP calls it complete: only the wire format can tell that something is missing."""


@attrs.frozen(kw_only=True)
class Garbage(_InBody):
    """`data` comes between the bytes of the answer."""

    data: bytes = attrs.field(validator=instance_of(bytes))


Fault = HttpError | Stall | Reset | BreakHttp | Truncate | Garbage
"""Anything that goes wrong."""
