"""Server-sent events as they are written (WHATWG HTML, 9.2.5): one line of data each, with the position as the id."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

__all__ = ["DONE", "HEADERS", "HEARTBEAT", "LATER", "OPENING", "event"]

HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}

OPENING: Final = b"retry: 1000\n\n"
"""How soon a browser's EventSource comes back, in milliseconds."""

LATER: Final = b"retry: 60000\n\n"
"""For an EventSource that is told an ending of its own: it comes back, and may well be told the same again."""

HEARTBEAT: Final = b":\n\n"
"""A comment, which readers pass over."""

DONE: Final = b"data: [DONE]\n\n"
"""What ends a stream of OpenAI's API."""


def event(data: Any, position: object = None) -> bytes:
    r"""One event.

    Args:
        data: a JSON value. As JSON it has no line break, which would need a second `data` line.
        position: of the chunk; what the reader sends back as `Last-Event-ID` to go on behind it.

    >>> event({"type": "text", "text": "a\nb"}, "1-7")
    b'id: 1-7\ndata: {"type":"text","text":"a\\nb"}\n\n'
    """
    head = b"" if position is None else b"id: %s\n" % str(position).encode()
    try:
        written = msgspec.json.encode(data)
    except UnicodeEncodeError:  # half a surrogate pair, which a server cut: only escaped can it be written
        written = json.dumps(data, separators=(",", ":")).encode()
    return b"%sdata: %s\n\n" % (head, written)
