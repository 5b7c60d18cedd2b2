"""Gemini's framing: server-sent events, and the JSON that comes without any framing when an answer fails.

An answer that fails after it began ends in an error object of several lines, pretty-printed and not in `data:` lines.
To an SSE reader those are fields of unknown names: it would pass over them, and the failure with them. No field's name
begins with a brace or a bracket, so the first line that does so begins the unframed JSON, which reaches to the end of
the input. It becomes one frame, unterminated: what it holds counts only if it is whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.sse import SseFramer

__all__ = ["GeminiFramer"]

_LINE_OF_JSON: Final = re.compile(rb"[\r\n]([{\[])")


class GeminiFramer:
    """Reads events, and the unframed JSON behind them, of which it holds at most `limits.max_frame_bytes`.

    Args:
        limits: what is longer raises `LimitExceeded`, with the frames before it in `made`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.max_frame_bytes
        self._events = SseFramer(limits)
        self._unframed: bytearray | None = None
        self._last = b"\n"  # the byte before the next read: the input begins as a line does

    def feed(self, batch: Sequence[bytes]) -> list[Frame]:
        """Take reads, give the events that ended in them.

        Raises:
            LimitExceeded: a line, an event or the unframed JSON is too long.
        """
        data = b"".join(batch)
        if self._unframed is not None:
            return self._keep(data, [])
        begin = _LINE_OF_JSON.search(self._last + data)
        if begin is None:
            self._last = data[-1:] or self._last
            return self._events.feed((data,))
        where = begin.start(1) - len(self._last)
        frames = self._events.feed((data[:where],))
        self._unframed = bytearray()
        return self._keep(data[where:], frames)

    def close(self) -> list[Frame]:
        """The block that the end of the input left without its blank line, and the unframed JSON."""
        frames = self._events.close()
        if self._unframed is not None:
            frames.append(Frame(self._unframed.decode("utf-8", "replace"), terminated=False))
        return frames

    def _keep(self, data: bytes, frames: list[Frame]) -> list[Frame]:
        assert self._unframed is not None  # noqa: S101  # called from where it has begun
        self._unframed += data
        if len(self._unframed) > self._limit:
            error = LimitExceeded("JSON outside of the events", "max_frame_bytes", self._limit)
            error.made = frames
            raise error
        return frames
