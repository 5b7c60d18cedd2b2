"""In a burst, neighbours made one: text behind text, thinking behind thinking.

A model that speaks at its own pace is one event to a read, a hurried one a few, and these pass as they are. What comes
faster than it is read comes by the hundred, and then fewer and longer chunks serve everyone: whoever shows them draws
less often, and the actors behind this stage have less to carry. Contract: the same deltas in the same order, but that
in a batch of more than `FEW` deltas up to `FEW` neighbouring texts, or thoughts, are one. Nothing is held back for it,
so nothing comes later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gestura.chunks import Text, Thinking
from gestura.stages.deltas import Delta

__all__ = ["FEW", "TextJoiner"]

FEW: Final = 16
"""Enough to make what a chunk costs small beside what its events cost; few enough that a channel full of chunks, at
which the reads stop, is still a megabyte of events and not sixteen."""


class TextJoiner:
    """Joins neighbours in bursts. Holds nothing back."""

    def feed(self, batch: Sequence[Delta]) -> Sequence[Delta]:
        if len(batch) <= FEW:
            return batch
        out: list[Delta] = []
        pieces: list[str] = []
        kind: type[Text | Thinking] = Text
        for delta in batch:
            if isinstance(delta, kind) and len(pieces) < FEW:
                pieces.append(delta.text)
                continue
            if pieces:
                out.append(kind("".join(pieces)))
            if isinstance(delta, Text | Thinking):
                kind, pieces = type(delta), [delta.text]
            else:
                out.append(delta)
                pieces = []
        if pieces:
            out.append(kind("".join(pieces)))
        return out

    def close(self) -> Sequence[Delta]:
        return ()
