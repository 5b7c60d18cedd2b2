"""Where published streams are kept: an append-only log of entries for each, with one writer at a time.

A stream's publisher writes in a *term*. Who takes a dead publisher's stream over begins the next term, and from then on
nothing of an older term gets in: a publisher that was only asleep can't write behind its successor's back. Each entry
has a number, counted from 1 through all terms, so an append that is repeated, because nobody knows whether the first
one arrived, is known for what it is, and a follower sees that nothing is missing.

A publisher beats: a counter that it raises while it lives. Whoever sees the same beat for long enough, while it can
reach the log, takes the publisher for dead. Neither clocks of different machines nor a log that was away itself can
make a living publisher look dead.

The log knows nothing of chunks: entries are bytes. Followers and publishers wait and try again above it; here a call
either does what it says or raises.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import attrs
import trio

from gestura.errors import GesturaError

__all__ = [
    "START",
    "Entry",
    "Log",
    "LogUnreachable",
    "Order",
    "Position",
    "PublicationLost",
    "RelayError",
    "StreamExists",
    "StreamState",
    "UnknownStream",
    "Watch",
]


class RelayError(GesturaError):
    """A published stream can't be written, read or found."""


class LogUnreachable(RelayError):
    """The log did not answer, and whether it obeyed is not known. Every call may be repeated."""


class UnknownStream(RelayError):
    """No such stream was published, or it has expired."""


class StreamExists(RelayError):
    """A stream of this id is published already."""


class PublicationLost(RelayError):
    """The stream is no longer this publisher's: it was ended or taken over, or the log has lost it."""


class Order(enum.Enum):
    """What a publisher can be told from anywhere."""

    CANCEL = "cancel"
    PAUSE = "pause"


@attrs.frozen(order=True)
class Position:
    """Where an entry stands in its stream. As text it is `term-number`, such as `1-17`.

    Args:
        term: whose entry it is: 1 for the first publisher, one more for each that took over.
        number: how many entries there are up to it, itself included, through all terms.
    """

    term: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that is written so.

        >>> Position.parse("1-17")
        Position(term=1, number=17)

        Raises:
            ValueError: the text is no position.
        """
        term, dash, number = text.partition("-")
        if not dash or not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in (term, number)):
            raise ValueError(f"{text!r} is no position; one is a term and a number, such as 1-17")
        return cls(int(term), int(number))

    def __str__(self) -> str:
        return f"{self.term}-{self.number}"


START: Final = Position(0, 0)
"""Before the first entry."""


@attrs.frozen
class Entry:
    """One entry, and where it stands."""

    position: Position
    payload: bytes


@attrs.frozen(kw_only=True)
class StreamState:
    """What is known of a published stream.

    Args:
        about: what the first publisher wrote about it.
        publisher: who writes it, or did last.
        term: in which term.
        beat: that publisher's beat; the same for long is a dead publisher. 0 before the first.
        last: where the last entry stands; `START` where there is none.
        ended: nothing will be added any more.
        order: what its publisher was told last, if anything.
    """

    about: bytes
    publisher: str
    term: int
    beat: int
    last: Position = START
    ended: bool = False
    order: Order | None = None


class Watch:
    """Tells one task that something has happened since it last asked."""

    def __init__(self) -> None:
        self._happened = trio.Event()

    def wake(self) -> None:
        """Something happened, or may have."""
        self._happened.set()

    async def wait(self) -> None:
        """Return when something has happened since the last return; for no reason, too, now and then."""
        await self._happened.wait()
        self._happened = trio.Event()


class Log(Protocol):
    """Keeps streams. All methods raise `LogUnreachable`; where a stream is missing, `UnknownStream`."""

    async def begin(
        self,
        stream_id: str,
        *,
        publisher: str,
        about: bytes,
        keep_seconds: float,
        instead_of: StreamState | None = None,
    ) -> StreamState:
        """Begin a stream, or the next term of one.

        Repeated by the same publisher, it changes nothing and gives the same.

        Args:
            stream_id: the stream.
            publisher: who will write.
            about: what is to be known of the stream; in a later term the first one's stays.
            keep_seconds: how long the stream is kept after its last entry, and after the publisher last renewed it.
            instead_of: the stream as it was when its publisher was found dead. `None` is a new stream.

        Returns:
            The stream as it is now. Its `order` is one that came before the publisher did.

        Raises:
            StreamExists: there is one of this id, and `instead_of` is `None`.
            PublicationLost: the stream is not as `instead_of` says any more: its publisher lives, someone else took it
                over, or it was ended.
        """

    async def append(
        self, stream_id: str, *, term: int, first: int, payloads: Sequence[bytes], ends: bool = False
    ) -> None:
        """Add entries, all or none. Those that are there already are passed over.

        Args:
            stream_id: the stream.
            term: the writer's.
            first: the number of the first of `payloads`.
            payloads: one for each entry.
            ends: the last one is the ending; nothing can be added after it.

        Raises:
            PublicationLost: the term is over, the stream has ended or is gone, or an entry before `first` is missing.
        """

    async def end_for(self, stream_id: str, *, dead: StreamState, payload: bytes) -> bool:
        """End the stream of a dead publisher with an entry in a new term.

        Args:
            stream_id: the stream.
            dead: the stream as it was when its publisher was found dead.
            payload: the ending.

        Returns:
            Whether this call ended it; not if it is not as `dead` says any more.
        """

    async def state(self, stream_id: str) -> StreamState:
        """What is known of the stream now."""

    async def read(self, stream_id: str, after: Position, *, most: int) -> Sequence[Entry]:
        """The entries behind a position, `most` of them at the most, without waiting; none where there are none."""

    def watch(self, stream_id: str) -> AbstractAsyncContextManager[Watch]:
        """Be woken whenever something is added to the stream. Any number may watch."""

    async def order(self, stream_id: str, order: Order) -> None:
        """Tell the publisher of a stream something. A `CANCEL` is not taken back by a later `PAUSE`.

        It is kept for a publisher that comes later, too; none is told anything once the stream has ended.
        """

    def orders(self, publisher: str) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[tuple[str, Order]]]:
        """Receive what the streams of a publisher are told, within a second of it: the stream, and the order.

        What was ordered while the log was out of reach comes when it is back.
        """

    async def beat(self, publisher: str) -> None:
        """Raise the publisher's beat."""

    async def renew(self, stream_ids: Iterable[str]) -> None:
        """Keep these streams for as long as if something had just been added; those that are gone are passed over.

        Called now and then with none, too: a log that has to forget what expired may do it then.
        """
