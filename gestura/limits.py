"""What a stream may hold, at most. Every limit is exceeded with `LimitExceeded`, which names the field here."""

from __future__ import annotations

import attrs
from attrs.validators import gt

__all__ = ["Limits"]

MEBIBYTE = 1024 * 1024


@attrs.frozen(kw_only=True)
class Limits:
    """Ceilings on what one answer may make gestura hold in memory.

    Sizes are in bytes of UTF-8 on the wire, or in characters once decoded; the two differ by at most a factor of four.
    """

    max_frame_bytes: int = attrs.field(default=8 * MEBIBYTE, validator=gt(0))
    """One line, one SSE event or one NDJSON record. Real events reach half a mebibyte (images, long tool arguments)."""

    max_tool_argument_bytes: int = attrs.field(default=16 * MEBIBYTE, validator=gt(0))
    """The arguments of one tool call; and of all calls together, what waits for an earlier call or for its name."""

    max_tool_calls: int = attrs.field(default=256, validator=gt(0))
    """Tool calls in one answer."""

    max_answer_bytes: int = attrs.field(default=64 * MEBIBYTE, validator=gt(0))
    """All the text, thinking and arguments of one answer: a stream keeps them, for what it can tell when broken off."""

    max_error_body_bytes: int = attrs.field(default=64 * 1024, validator=gt(0))
    """How much of an HTTP error's body is read."""
