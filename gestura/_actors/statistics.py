"""What a stream did: counts kept by its actors, shown by `ChunkStream.statistics()`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from gestura.stages.deltas import Oddity

__all__ = ["ActorStatistics", "StreamStatistics"]


@attrs.define
class ActorStatistics:
    """What one actor did.

    Args:
        name: the actor's name in the topology.
        batches: batches it took in (reads, for the HTTP reader).
        items: what it made: bytes for the HTTP reader; frames, deltas or chunks for the others.
        deepest_queue: the most batches that waited in its inbox at one time; 0 for the HTTP reader, which has none.
    """

    name: str
    batches: int = 0
    items: int = 0
    deepest_queue: int = 0


@attrs.frozen(kw_only=True)
class StreamStatistics:
    """What a stream did so far.

    Args:
        actors: one entry for each actor of the last attempt, in the order of the flow.
        attempts: requests that were made.
        dropped: chunks that were given up, by kind (`"Status"`), for want of room.
        oddities: what stages passed over, by sort.
        deepest_queue: the most chunks that waited for the user at one time.
    """

    actors: tuple[ActorStatistics, ...]
    attempts: int
    dropped: Mapping[str, int]
    oddities: Mapping[Oddity, int]
    deepest_queue: int


@attrs.define(eq=False)
class Counts:
    """The counts of a stream that do not belong to one actor."""

    dropped: dict[str, int] = attrs.field(factory=dict)
    oddities: dict[Oddity, int] = attrs.field(factory=dict)

    def note_drop(self, kind: str) -> None:
        """A chunk of this kind was given up."""
        self.dropped[kind] = self.dropped.get(kind, 0) + 1

    def note_oddity(self, oddity: Oddity) -> None:
        """A stage passed over something of this sort."""
        self.oddities[oddity] = self.oddities.get(oddity, 0) + 1
