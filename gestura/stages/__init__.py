"""Stages: the pure machines of the pipeline, and how they compose.

A stage turns batches of one kind into batches of another: bytes to lines, lines to frames, frames to deltas, deltas to
chunks. It never waits, never reads a clock, imports no event loop. `feed` and `close` return what can be told so far;
what is held back is told, or reported, by `close`, which is called once, at a clean or an unclean end of the input.

A stage that meets what its wire format forbids raises `ProtocolError` with `made` set to what it had made of the batch
before; it is not fed again, but what is behind it is closed as usual. Any other exception out of a stage is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, Generic, Protocol, TypeVar

from gestura.errors import ProtocolError

__all__ = ["Stage", "fuse"]

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Stage(Protocol, Generic[In, Out]):
    """A pure machine: batches in, batches out."""

    def feed(self, batch: Sequence[In]) -> Sequence[Out]:
        """Take a batch, give what it made."""

    def close(self) -> Sequence[Out]:
        """The input has ended: give what was held back."""


def fuse(first: Stage[Any, Any], *others: Stage[Any, Any]) -> Stage[Any, Any]:
    """Neighbouring stages as one: the same output for the same input, in one actor instead of several."""
    return reduce(_Fused, others, first)


class _Fused:
    """Two stages as one. Where the first fails, the second is still given what the first had made, and closed."""

    def __init__(self, first: Stage[Any, Any], second: Stage[Any, Any]) -> None:
        self._first = first
        self._second = second

    def feed(self, batch: Sequence[Any]) -> Sequence[Any]:
        try:
            made = self._first.feed(batch)
        except ProtocolError as error:
            self._follow(error)
            raise
        return self._second.feed(made) if made else ()

    def close(self) -> Sequence[Any]:
        try:
            made = self._first.close()
        except ProtocolError as error:
            self._follow(error)
            raise
        return self._finish(made)

    def _finish(self, last: Sequence[Any]) -> Sequence[Any]:
        """The second stage's last words: what it makes of `last`, and what it held back."""
        out = [*self._second.feed(last)] if last else []
        try:
            out += self._second.close()
        except ProtocolError as error:
            error.made = (*out, *error.made)
            raise
        return out

    def _follow(self, error: ProtocolError) -> None:
        """Put what comes of `error.made` in its place. A second failure is a consequence: the first is the one told."""
        try:
            error.made = self._finish(error.made)
        except ProtocolError as consequence:
            error.made = consequence.made
