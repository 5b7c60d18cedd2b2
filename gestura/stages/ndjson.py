"""Newline-delimited JSON: bytes in, one `Frame` out for each line that is not blank.

Lines end at LF alone (ndjson-spec, section 3.1): a CR before it is dropped, and so is a line of nothing but spaces and
tabs. Unlike an SSE event a record needs no end to be whole, so the last line may lack its LF: `close` gives it with
`terminated=False`, and the decoder believes it only if its JSON is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.lines import LineSplitter

__all__ = ["NdjsonFramer"]


class NdjsonFramer:
    """Reads records. Holds back the line that has not ended, at most `limits.max_frame_bytes` of it.

    Args:
        limits: a longer line raises `LimitExceeded`, with the frames before it in `made`.
    """

    def __init__(self, limits: Limits) -> None:
        self._lines = LineSplitter(limits, cr_ends_lines=False)

    def feed(self, batch: Sequence[bytes]) -> list[Frame]:
        """Take reads, give the records that ended in them.

        Raises:
            LimitExceeded: a line is too long.
        """
        try:
            lines = self._lines.feed(batch)
        except LimitExceeded as error:
            error.made = [Frame(record) for record in _records(cast("Sequence[str]", error.made))]
            raise
        return [Frame(record) for record in _records(lines)]

    def close(self) -> list[Frame]:
        """The last record, where it lacks its LF."""
        return [Frame(record, terminated=False) for record in _records(self._lines.close())]


def _records(lines: Iterable[str]) -> Iterable[str]:
    without_cr = (line.removesuffix("\r") for line in lines)
    return (line for line in without_cr if line.strip(" \t"))
