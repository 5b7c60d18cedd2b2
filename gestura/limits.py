"""What a stream may hold, at most. Every limit is exceeded with `LimitExceeded`, which names the field here."""

from __future__ import annotations

import attrs
from attrs.validators import gt

__all__ = ["Limits", "utf8_size"]

MEBIBYTE = 1024 * 1024


@attrs.frozen(kw_only=True)
class Limits:
    """Ceilings on what one answer may make gestura read and hold. Sizes are in bytes of UTF-8.

    What a stream may hold in memory is a sum of these: docs/design.md has it.
    """

    max_frame_bytes: int = attrs.field(default=8 * MEBIBYTE, validator=gt(0))
    """One line, one SSE event or one NDJSON record. Real events reach half a mebibyte (images, long tool arguments)."""

    max_json_depth: int = attrs.field(default=500, validator=gt(0))
    """Objects and lists inside each other in one event. Real events have ten. Python's own limit is a thousand; and an
    event that is shorter than this many characters need not be looked at."""

    max_json_parts: int = attrs.field(default=500_000, validator=gt(0))
    """Strings, objects, lists and commas in one event: parsed, each may take a hundred bytes. Real events have some
    hundreds, and thousands where they repeat a whole answer with its probabilities."""

    max_tool_argument_bytes: int = attrs.field(default=16 * MEBIBYTE, validator=gt(0))
    """The arguments of one tool call; and of all calls together, what waits for an earlier call or for its name."""

    max_tool_calls: int = attrs.field(default=256, validator=gt(0))
    """Tool calls in one answer."""

    max_answer_bytes: int = attrs.field(default=32 * MEBIBYTE, validator=gt(0))
    """All the text, thinking and arguments of one answer: a stream keeps them, for what it can tell when broken off."""

    max_body_bytes: int = attrs.field(default=1024 * MEBIBYTE, validator=gt(0))
    """All that is read of one response, comments and unknown events included. It is never compressed: that is refused.
    An event is a hundred times the word it tells."""

    max_error_body_bytes: int = attrs.field(default=64 * 1024, validator=gt(0))
    """How much of an HTTP error's body is read; what is beyond it is left, and no failure of its own."""


def utf8_size(text: str) -> int:
    """How many bytes `text` is in UTF-8; halves of surrogate pairs count, too."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
