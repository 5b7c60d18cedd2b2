"""Server-sent events: bytes in, one `Frame` out for each event, as the WHATWG HTML standard reads them (9.2.6).

`data` lines are joined with LF, `event` names the frame and is forgotten after each blank line, a block without `data`
makes no frame, and comments, `id`, `retry` and unknown fields are passed over.

One deviation, on purpose: the standard throws away a block that the end of the input left without its blank line, yet
some servers end so. `close` gives it with `terminated=False`, and the decoder believes it only if its JSON is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.lines import LineSplitter

__all__ = ["SseFramer"]


class SseFramer:
    """Reads events. Holds back the block that has not ended, at most `limits.max_frame_bytes` of its data.

    Args:
        limits: a longer line, or an event with more data, raises `LimitExceeded`, with the frames before it in `made`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.max_frame_bytes
        self._lines = LineSplitter(limits, cr_ends_lines=True)
        self._event = ""
        self._data: str | None = None
        # Nearly all events have one `data` line. Several are joined as they come, and as bytes: kept apart, tiny lines
        # would take forty times their size.
        self._joined: bytearray | None = None

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
        for left in self._frames([""]):
            left.terminated = False
            frames.append(left)
        return frames

    def _frames(self, lines: Sequence[str]) -> list[Frame]:
        frames: list[Frame] = []
        event, data = self._event, self._data
        for line in lines:
            if not line:
                if data is not None:
                    if self._joined is not None:
                        data, self._joined = self._joined.decode(), None
                    frames.append(Frame(data, event))
                    data = None
                event = ""
            elif data is None and line.startswith("data: "):  # this and the next are nearly every line
                data = line[6:]
            elif line.startswith("event: "):
                event = line[7:]
            else:
                # A comment is a field without a name, and a line without a colon is a field without a value.
                name, _, value = line.partition(":")
                if name == "event":
                    event = value.removeprefix(" ")
                elif name == "data" and data is None:
                    data = value.removeprefix(" ")
                elif name == "data" and data is not None:
                    try:
                        self._join(data, value.removeprefix(" "))
                    except LimitExceeded as error:
                        error.made = frames
                        raise
        self._event, self._data = event, data
        return frames

    def _join(self, data: str, value: str) -> None:
        if self._joined is None:
            self._joined = bytearray(data.encode())
        self._joined += b"\n" + value.encode()
        if len(self._joined) > self._limit:
            raise LimitExceeded("an event", "max_frame_bytes", self._limit)
