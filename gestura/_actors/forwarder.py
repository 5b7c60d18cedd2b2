"""The last actor: from the pipeline to the user, each chunk with the patience of its delivery class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from gestura._actors.inbox import Inbox
from gestura._actors.outlet import Sink
from gestura._actors.statistics import ActorStatistics
from gestura.chunks import StreamChunk
from gestura.stages.deltas import CONTROL_CLASSES, Control, Piece

__all__ = ["Forwarder"]


class Listener(Protocol):
    """Who is told of what passes through the forwarder: an attempt."""

    @property
    def is_complete(self) -> bool:
        """Whether the end of the answer was told of; what comes after it is left."""

    def note(self, delta: Control) -> StreamChunk | None:
        """What is told by the ending has come, in its place between the chunks; may give a chunk to send."""

    def delivered(self, chunk: StreamChunk) -> None:
        """A chunk was delivered, or given up."""

    def waits_for_user(self, waiting: bool) -> None:
        """A wait for the user that may last for ever begins, or is over."""

    def next_look(self) -> float:
        """When to `look_at_clock`, while nothing comes, in Trio's time."""

    def look_at_clock(self) -> None:
        """See whether it has taken too long that something came."""


@attrs.define(eq=False)
class Forwarder:
    """Sends chunks out and lets the rest be noted.

    Args:
        inbox: its own; closed at the end.
        sink: where chunks go.
        listener: who is told.
    """

    inbox: Inbox[Sequence[Piece]]
    sink: Sink
    listener: Listener
    _batches: int = attrs.field(default=0, init=False)
    _items: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Forward, until the input ends, the answer is complete, or the user has gone."""
        inbox = self.inbox
        try:
            inbox.hand_over_to(self)
            while inbox.is_open():
                if not inbox.is_empty():
                    await self._forward(inbox.pop())
                else:
                    with trio.CancelScope(deadline=self.listener.next_look()):
                        await inbox.wait()
                    self.listener.look_at_clock()
        except trio.BrokenResourceError:
            pass  # the user has gone
        finally:
            inbox.close()

    def take(self, batch: Sequence[Piece]) -> None:
        """Do with a batch what `run` does, as far as there is room for its chunks."""
        for position, piece in enumerate(batch):
            chunk = self.listener.note(piece) if isinstance(piece, CONTROL_CLASSES) else piece
            if chunk is not None:
                try:
                    self.sink.send_nowait(chunk)
                except trio.WouldBlock:
                    self.inbox.put_back([chunk, *batch[position + 1 :]])
                    return
                self._delivered(chunk)
            elif self.listener.is_complete:
                self.inbox.close()
                break
        self._batches += 1

    def statistics(self) -> ActorStatistics:
        """What the actor has done so far."""
        return ActorStatistics("forwarder", self._batches, self._items, self.inbox.deepest_queue)

    async def _forward(self, batch: Sequence[Piece]) -> None:
        self._batches += 1
        for piece in batch:
            chunk = self.listener.note(piece) if isinstance(piece, CONTROL_CLASSES) else piece
            if chunk is not None:
                await self.sink.send(chunk, self.listener.waits_for_user)
                self._delivered(chunk)
            elif self.listener.is_complete:
                self.inbox.close()
                return

    def _delivered(self, chunk: StreamChunk) -> None:
        self._items += 1
        self.listener.delivered(chunk)
