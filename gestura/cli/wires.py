"""Which wire format recorded bytes are in, told from the bytes.

The formats differ in their first telling event, so a guess reads no further. What nothing tells apart is taken for Chat
Completions, which most servers speak.
"""

from __future__ import annotations

import json
from typing import Any, Final

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.sse import SseFramer

__all__ = ["guess_wire"]

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_ANTHROPIC_EVENTS: Final = ("message_start", "message_delta", "content_block_start", "content_block_delta", "ping")


def guess_wire(body: bytes) -> str:
    """The name of the wire format of `body`: of the five that gestura is made for, also where it can't be read yet.

    >>> guess_wire(b'{"message": {"content": "Hi"}, "done": false}')
    'ollama'
    >>> guess_wire(b"data: [DONE]")
    'openai_chat'
    """
    if body.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{":
        return "ollama"  # the only one of lines of JSON; an event stream's lines begin with a field name or a colon
    framer = SseFramer(Limits())
    try:
        frames = [*framer.feed((body,)), *framer.close()]
    except LimitExceeded as error:
        frames = [frame for frame in error.made if isinstance(frame, Frame)]
    return next((wire for frame in frames if (wire := _wire_of(frame))), "openai_chat")


def _wire_of(frame: Frame) -> str | None:
    """The wire format that an event belongs to; `None` where it could be several's."""
    event = _parse(frame.data)
    kind = event.get("type") or frame.event
    if "choices" in event:
        return "openai_chat"
    if isinstance(kind, str) and kind.startswith("response."):
        return "openai_responses"
    if kind in _ANTHROPIC_EVENTS:
        return "anthropic"
    if "candidates" in event or "promptFeedback" in event:
        return "gemini"
    return None


def _parse(data: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
