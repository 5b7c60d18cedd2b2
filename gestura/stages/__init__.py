"""Stages: the pure machines of the pipeline, and how they compose.

A stage turns batches of one kind into batches of another: bytes to lines, lines to frames, frames to deltas, deltas to
chunks. It never waits, never reads a clock, imports no event loop. `feed` and `close` return what can be told so far;
what is held back is told, or reported, by `close`, which is called once, at a clean or an unclean end of the input.

A stage that meets what its wire format forbids raises `ProtocolError` with `made` set to what it had made of the batch
before; it is not fed again, but what is behind it is closed as usual. Any other exception out of a stage is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def fuse(*stages: Stage[Any, Any]) -> Stage[Any, Any]:
    """Neighbouring stages as one: the same output for the same input, in one actor instead of several."""
    return _Fused(stages)


class _Fused:
    def __init__(self, stages: Sequence[Stage[Any, Any]]) -> None:
        self._stages = tuple(stages)

    def feed(self, batch: Sequence[Any]) -> Sequence[Any]:
        return self._run(0, batch)

    def close(self) -> Sequence[Any]:
        out: list[Any] = []
        for position in range(len(self._stages)):
            self._close_at(position, out)
        return out

    def _run(self, start: int, batch: Sequence[Any]) -> Sequence[Any]:
        """`batch` through the stages from `start` on."""
        for position in range(start, len(self._stages)):
            if not batch:
                return ()
            try:
                batch = self._stages[position].feed(batch)
            except ProtocolError as error:
                error.made = self._last_words(position + 1, error.made)
                raise
        return batch

    def _close_at(self, position: int, out: list[Any]) -> None:
        try:
            try:
                made = self._stages[position].close()
            except ProtocolError as error:
                error.made = self._last_words(position + 1, error.made)
                raise
            out += self._run(position + 1, made)
        except ProtocolError as error:
            error.made = (*out, *error.made)
            raise

    def _last_words(self, start: int, made: Sequence[Any]) -> Sequence[Any]:
        """What comes of `made` when the stage before `start` has failed: the rest is fed it, then closed."""
        rest = _Fused(self._stages[start:])
        out: list[Any] = []
        try:
            if made:
                out += rest.feed(made)
            out += rest.close()
        except ProtocolError as consequence:  # the first failure is the cause, and is raised
            out += consequence.made
        return out
