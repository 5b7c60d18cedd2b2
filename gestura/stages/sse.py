"""Server-sent events: bytes in, one `Frame` out for each event, as the WHATWG HTML standard reads them (9.2.6).

`data` lines are joined with LF, `event` names the frame and is forgotten after each blank line, a block without `data`
makes no frame, and comments, `id`, `retry` and unknown fields are passed over.

One deviation, on purpose: the standard throws away a block that the end of the input left without its blank line, yet
some servers end so. `close` gives it with `terminated=False`, and the decoder believes it only if its JSON is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.lines import LineSplitter

__all__ = ["SseFramer"]

MANY_LINES: Final = 1024
"""So many `data` lines at a time are joined early: kept apart, tiny lines would take forty times their size."""


class SseFramer:
    """Reads events. Holds back the block that has not ended, at most `limits.max_frame_bytes` of its data.

    Args:
        limits: a longer line, or an event with more data, raises `LimitExceeded`, with the frames before it in `made`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.max_frame_bytes
        self._lines = LineSplitter(limits, cr_ends_lines=True)
        self._event = ""
        self._data: list[str] = []
        self._joined = 0  # how many of `_data`, from its start, are pieces of MANY_LINES lines
        self._size = 0

    def feed(self, batch: Sequence[bytes]) -> list[Frame]:
        """Take reads, give the events that ended in them.

        Raises:
            LimitExceeded: a line or an event is too long.
        """
        try:
            lines = self._lines.feed(batch)
        except LimitExceeded as error:
            error.made = self._frames(cast("Sequence[str]", error.made))
            raise
        return self._frames(lines)

    def close(self) -> list[Frame]:
        """The block that the end of the input left without its blank line, if it has data.

        Raises:
            LimitExceeded: its last line makes it too long.
        """
        frames = self._frames(self._lines.close())
        if self._data:
            frames.append(Frame("\n".join(self._data), self._event, terminated=False))
        return frames

    def _frames(self, lines: Sequence[str]) -> list[Frame]:
        frames: list[Frame] = []
        for line in lines:
            if not line:
                if self._data:
                    frames.append(Frame("\n".join(self._data), self._event))
                    self._data = []
                    self._joined = self._size = 0
                self._event = ""
                continue
            # A comment is a field without a name, and a line without a colon is a field without a value.
            name, _, value = line.partition(":")
            if name == "data":
                self._size += len(value) + 1
                if self._size > self._limit:
                    error = LimitExceeded("an event", "max_frame_bytes", self._limit)
                    error.made = frames
                    raise error
                self._data.append(value.removeprefix(" "))
                if len(self._data) - self._joined == MANY_LINES:
                    self._data[self._joined :] = ["\n".join(self._data[self._joined :])]
                    self._joined += 1
            elif name == "event":
                self._event = value.removeprefix(" ")
        return frames
