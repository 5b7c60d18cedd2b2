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


def fuse(first: Stage[Any, Any], *others: Stage[Any, Any]) -> Stage[Any, Any]:
    """Neighbouring stages as one: the same output for the same input, in one actor instead of several.

    Of several failures the one met furthest along is raised, as a live stream tells it: what is there was read first.
    One that a stage meets only when it is closed follows from what ended the input.
    """
    if not others:
        return first
    stages: list[Stage[Any, Any]] = []
    for stage in (first, *others):
        stages += stage if isinstance(stage, _Fused) else (stage,)
    return _Fused(stages)


class _Fused(tuple[Stage[Any, Any], ...]):
    """Stages as one. Where one fails, those behind it are still given what it had made, and closed."""

    __slots__ = ()

    def feed(self, batch: Sequence[Any]) -> Sequence[Any]:
        for place, stage in enumerate(self):
            try:
                batch = stage.feed(batch)
            except ProtocolError as error:
                return self._finish(place + 1, error.made, error)
            if not batch:
                return ()
        return batch

    def close(self) -> Sequence[Any]:
        return self._finish(0, (), None)

    def _finish(self, place: int, made: Sequence[Any], failure: ProtocolError | None) -> Sequence[Any]:
        """Give the stages from `place` on what is left, and close them, each with what the one before it had made."""
        for stage in self[place:]:
            out: list[Any] = []
            try:
                out += stage.feed(made) if made else ()
            except ProtocolError as error:
                failure, made = error, error.made
                continue
            try:
                out += stage.close()
            except ProtocolError as error:
                failure = failure or error
                out += error.made
            made = out
        if failure is not None:
            failure.made = made
            raise failure
        return made
