"""Lines: bytes in, text lines out, without their ends.

A line ends at LF, and where `cr_ends_lines` is set at CR and CRLF too, and nowhere else: U+2028, U+0085, VT and FF are
content. `feed` gives the lines that have their end; `close` gives the one line, if any, that the end of the input left
without. One leading BOM is dropped; bytes that are not UTF-8 become U+FFFD.

No byte of a multi-byte character looks like a line end, so the bytes are cut first and whole lines are decoded: a
character is never split, and what waits for its end waits as bytes, compact however small the reads were, and is never
searched twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from gestura.errors import LimitExceeded
from gestura.limits import Limits

__all__ = ["LineSplitter"]


class LineSplitter:
    """Cuts reads into lines. Holds back the line that has not ended, at most `limits.max_frame_bytes` of it.

    Args:
        limits: a longer line raises `LimitExceeded`, with the lines before it in `made`.
        cr_ends_lines: a line ends at LF, CR or CRLF (server-sent events) instead of at LF alone (NDJSON).
    """

    def __init__(self, limits: Limits, *, cr_ends_lines: bool) -> None:
        self._limit = limits.max_frame_bytes
        self._cr_ends_lines = cr_ends_lines
        self._held = bytearray()
        self._after_cr = False
        self._at_start = True

    def feed(self, batch: Sequence[bytes]) -> list[str]:
        """Take reads, give the lines that ended in them.

        Raises:
            LimitExceeded: a line is too long, whether or not it has ended.
        """
        data = b"".join(batch)
        if not data:
            return []
        if self._after_cr:
            # The CR ended its line at once, for the LF may never come; if this is it, it ends no line of its own.
            data = data.removeprefix(b"\n")
        end = data.rfind(b"\n") + 1
        if self._cr_ends_lines:
            end = max(end, data.rfind(b"\r") + 1)
            self._after_cr = data.endswith(b"\r")
        if not end:
            self._held += data
            ended = []
        else:
            complete = bytes(self._held) + data[:end]
            self._held = bytearray(data[end:])
            ended = self._lines(complete)
        if len(self._held) > self._limit:
            raise self._too_long(ended)
        return ended

    def close(self) -> list[str]:
        """The line that the end of the input left without its end; nothing if there is none."""
        lines = self._lines(bytes(self._held) + b"\n")
        return lines if lines != [""] else []

    def _lines(self, complete: bytes) -> list[str]:
        """The lines of `complete`, which ends with a line end."""
        if self._cr_ends_lines and b"\r" in complete:
            complete = complete.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        cut = complete.split(b"\n")
        cut.pop()
        # Line by line: of a whole read decoded at once, one emoji would make every character take four bytes.
        lines = [line.decode("utf-8", "replace") if line else "" for line in cut]
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix("\ufeff")
        if len(complete) > self._limit:
            for position, line in enumerate(cut):
                if len(line) > self._limit:
                    raise self._too_long(lines[:position])
        return lines

    def _too_long(self, made: Sequence[str]) -> LimitExceeded:
        error = LimitExceeded("a line", "max_frame_bytes", self._limit)
        error.made = made
        return error
