"""Recorded wire bytes through the stages of a live stream to its chunks, without an event loop.

The same stages in the same order, and the same rule for the ending, so what a recording replays to is what a client
would have received. Only what is not in the bytes is missing: status codes, deadlines, broken connections.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gestura._actors.outcome import AttemptOutcome, ending_of
from gestura._actors.topology import stage_actors
from gestura.chunks import StreamChunk
from gestura.errors import ErrorKind, Fault, ProtocolError
from gestura.limits import Limits
from gestura.providers import Provider
from gestura.stages import Stage, fuse
from gestura.stages.deltas import CONTROL_CLASSES

__all__ = ["replay"]

DEFAULT_LIMITS = Limits()

_log = logging.getLogger("gestura.replay")


def replay(
    reads: Iterable[bytes], provider: Provider, *, limits: Limits = DEFAULT_LIMITS, raw: bool = False
) -> Iterator[StreamChunk]:
    """The chunks that a body makes, its ending last. Reads no further than the end of the answer.

    Args:
        reads: the body, cut anywhere.
        provider: what reads it; its settings name it in the ending.
        limits: how much to hold.
        raw: show the provider's own events beside what is made of them.
    """
    outcome = AttemptOutcome(provider=provider.settings.kind, settings=provider.settings)
    stages = fuse(*(actor.stage for actor in stage_actors(provider, limits, raw=raw)))
    for batch in _batches(stages, reads, outcome):
        for piece in batch:
            if not isinstance(piece, CONTROL_CLASSES):
                yield piece
                continue
            if update := outcome.note(piece):
                yield update
            if outcome.complete:
                yield ending_of(outcome)
                return
    yield ending_of(outcome)


def _batches(stages: Stage[bytes, Any], reads: Iterable[bytes], outcome: AttemptOutcome) -> Iterator[Sequence[Any]]:
    try:
        for data in reads:
            yield stages.feed((data,))
        yield stages.close()
    except ProtocolError as error:
        outcome.fail(Fault(kind=error.kind, message=str(error)), place=0)
        yield error.made
    except Exception as error:  # noqa: BLE001  # a bug in a stage: a live stream has its ending then, and so has this
        _log.exception("a stage crashed")
        outcome.fail(
            Fault(kind=ErrorKind.INTERNAL, message=f"a stage crashed: {type(error).__name__}: {error}"), place=0
        )
