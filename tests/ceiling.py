"""What a stream may hold in memory, as docs/design.md writes it: a sum of settings, which no server can raise.

The weights are bytes for each byte, part or call that a limit admits, as measured with the worst that a server can
send: text of one byte a character but for one of four, which Python holds at four bytes each, and JSON of many parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gestura._actors.read_ahead import READ_AHEAD_BYTES
from gestura.limits import Limits
from gestura.transport._aiohttp_session import SLICE_BYTES

KIBIBYTE: Final = 1024
MEBIBYTE: Final = 1024 * KIBIBYTE

WEIGHTS: Final[Mapping[str, int]] = {
    "max_answer_bytes": 7,
    "max_frame_bytes": 21,
    "max_json_parts": 150,
    "max_tool_argument_bytes": 7,
    "max_tool_calls": KIBIBYTE,
    "max_error_body_bytes": 4,
}
"""The other limits are on what is read, not on what is held."""

ON_ITS_WAY: Final = 16
"""What a byte of small events takes as objects, while it waits to be read by the user."""

BASE: Final = 256 * KIBIBYTE
"""What a stream takes with nothing in it."""


def ceiling(limits: Limits) -> int:
    """The most bytes that a stream holds under these limits."""
    held = sum(weight * getattr(limits, setting) for setting, weight in WEIGHTS.items())
    return held + ON_ITS_WAY * (READ_AHEAD_BYTES + 2 * SLICE_BYTES) + BASE
