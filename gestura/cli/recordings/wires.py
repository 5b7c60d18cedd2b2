"""Which wire format recorded bytes are in, told from the bytes.

The formats differ in their first telling event, so a guess reads no further. What several of them have in common is
taken for Chat Completions, which most servers speak.
"""

from __future__ import annotations

import json
from typing import Any, Final

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.sse import SseFramer

__all__ = ["WIRES", "guess_wire"]

WIRES: Final = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")
"""The names of the wire formats."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_OLLAMA_KEYS: Final = {"message", "done", "error"}
_ANTHROPIC_EVENTS: Final = ("message_start", "message_delta", "content_block_start", "content_block_delta", "ping")


def guess_wire(body: bytes) -> str | None:
    """The name of the wire format of `body`; `None` where it looks like none of them.

    >>> guess_wire(b'{"message": {"content": "Hi"}, "done": false}')
    'ollama'
    >>> guess_wire(b"data: [DONE]")
    'openai_chat'
    """
    if body.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"{":  # an event stream's lines begin with a name or a colon
        lines = body.removeprefix(BYTE_ORDER_MARK).splitlines()
        return "ollama" if any(_OLLAMA_KEYS & _parse(line).keys() for line in lines) else None
    framer = SseFramer(Limits())
    try:
        frames = [*framer.feed((body,)), *framer.close()]
    except LimitExceeded as error:
        frames = [frame for frame in error.made if isinstance(frame, Frame)]
    told = next((wire for frame in frames if (wire := _wire_of(frame))), None)
    return told or ("openai_chat" if any(map(_could_be_several, frames)) else None)


def _wire_of(frame: Frame) -> str | None:
    """The wire format that an event belongs to; `None` where it could be several's, or is nobody's."""
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


def _could_be_several(frame: Frame) -> bool:
    return frame.data == "[DONE]" or "error" in _parse(frame.data)


def _parse(data: str | bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
