"""`Publication`: one stream on its way into the log.

Chunks wait in a bounded queue. One append is on its way at a time, and all that has come meanwhile goes with the next:
a log that is near gets chunk by chunk, a far one fewer and longer entries, and no chunk waits for a timer. What was
taken but not yet acknowledged counts as waiting, so no more than the queue is ever held.

A stream ends once, in the log as for its reader: the ending is the one that is in the log, or, where the log could not
be told, an `Error` that says so. Then the token stops whoever makes the chunks.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, Error, StreamChunk
from gestura.delivery import PATIENCE
from gestura.errors import ErrorKind
from gestura.messages import Message
from gestura.relay.answers import PublishedAnswer
from gestura.relay.entries import join, to_entry
from gestura.relay.log import Log, LogUnreachable, Order, Position, PublicationLost, RelayError, StreamState
from gestura.relay.patience import Patience

_log = logging.getLogger("gestura.relay")

MakeEnding = Callable[[Message | None], Ending]

__all__ = ["CHUNKS_TO_THE_LOG", "Publication"]

CHUNKS_TO_THE_LOG: Final = 256
"""Chunks that may wait for the log: as many as may wait for a reader."""


class Publication:
    """One stream that is being published. Made by `Relay.publish` and by streams with `publish=`."""

    def __init__(
        self,
        stream_id: str,
        state: StreamState,
        *,
        log: Log,
        patience: Patience,
        max_entries: int,
        token: CancellationToken,
    ) -> None:
        self._stream_id = stream_id
        self._token = token
        self._log = log
        self._patience = patience
        self._max_entries = max_entries
        self._term = state.term
        self._position = state.last
        self._waiting: list[StreamChunk] = []
        self._on_its_way: list[bytes] = []
        """What the log was told, and has not said that it has."""
        self._held = 0
        """Chunks that wait, or are on their way."""
        self._ending_on_its_way: Ending | None = None
        self._last_words: MakeEnding | None = None
        self._ending: Ending | None = None
        self._ended = trio.Event()
        self._something_waits = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._answer = PublishedAnswer()
        self._dropped: Counter[str] = Counter()

    @property
    def stream_id(self) -> str:
        """Under which name the stream is published."""
        return self._stream_id

    @property
    def token(self) -> CancellationToken:
        """What ends or pauses the stream that is published."""
        return self._token

    @property
    def position(self) -> Position:
        """Where the last entry stands that the log has; `START` before the first."""
        return self._position

    @property
    def dropped(self) -> dict[str, int]:
        """Chunks that might be dropped and were, for the log had no room for them: how many of each kind."""
        return dict(self._dropped)

    @property
    def ending(self) -> Ending | None:
        """How the stream ended, once that is in the log, or can't be."""
        return self._ending

    def partial(self) -> Message | None:
        """What was published of the answer, or of the last one of an agent's turn."""
        return self._answer.partial()

    def obey(self, order: Order) -> None:
        """Do what somebody ordered from afar."""
        match order:
            case Order.CANCEL:
                self._token.cancel()
            case Order.PAUSE:
                self._token.pause()

    def has_room(self) -> bool:
        """Whether a lossless chunk may be offered now. A stream that has ended takes all, and forgets it."""
        return self._held < CHUNKS_TO_THE_LOG or self._ending is not None

    async def wait_for_room(self) -> None:
        """Until a lossless chunk may be offered. No checkpoint where there is room: what room there is is bounded."""
        while not self.has_room():
            await self._room.park()

    def offer(self, chunk: StreamChunk) -> None:
        """Publish a chunk. One that may be dropped is, and counted, where there is no room."""
        if self._ending is not None or self._last_words is not None:
            return
        if not self.has_room() and PATIENCE[chunk.delivery] != math.inf:
            self._dropped[type(chunk).__name__] += 1
            return
        self._waiting.append(chunk)
        self._held += 1
        self._something_waits.set()

    async def end(self, ending: Ending | None) -> Ending:
        """Publish the ending behind what waits, and return once the log has it. Of several the first one counts.

        Returns:
            The ending of the stream: an `Error` where it is another one.
        """
        return await self.end_as(_no_ending if ending is None else lambda _answer: ending)

    async def end_as(self, make: MakeEnding) -> Ending:
        """The same, where the ending has to tell what was published before it: `make` is given that."""
        if self._last_words is None:
            self._last_words = make
            self._something_waits.set()
        return await self.wait_ended()

    async def wait_ended(self) -> Ending:
        """Until the stream has ended; and how."""
        await self._ended.wait()
        assert self._ending is not None  # noqa: S101  # for mypy: it is set before the event
        return self._ending

    async def serve(self) -> None:
        """Append what waits until the ending is in the log, or can't be."""
        try:
            while self._ending is None:
                await self._something_waits.wait()
                self._something_waits = trio.Event()
                chunks, self._waiting = self._waiting, []
                await self._append(chunks, self._last_words)
        except PublicationLost as error:
            message = f"the stream is published by somebody else, or was ended: {error}"
            self._ending_on_its_way = None
            self._leave(partial(_failed, "publication_lost", message))
            self._on_its_way = []
            self._token.cancel()
        except LogUnreachable as error:
            message = f"the log of published streams was out of reach for too long: {error}"
            self._leave(partial(_failed, "log_unreachable", message))
            self._token.cancel()
        except RelayError as error:
            self._leave(partial(_failed, "log_refused", f"the log refuses the stream: {error}"))
            self._on_its_way = []
            self._token.cancel()
        except Exception as error:  # noqa: BLE001  # whatever happens, a stream has its ending
            _log.exception("a stream could not be published, by a bug")
            self._waiting.clear()  # what can't be written down, and all behind it
            self._leave(partial(_bug, type(error).__name__))
            self._token.cancel()

    async def _append(self, chunks: list[StreamChunk], last_words: MakeEnding | None) -> None:
        entries = join(chunks)
        room = self._max_entries - self._position.number - 1
        over = len(entries) > room
        del entries[max(room, 0) :]
        self._keep(entries)
        if over:
            last_words = self._too_long
        ending = last_words(self.partial()) if last_words else None
        self._on_its_way = [to_entry(entry) for entry in (entries if ending is None else [*entries, ending])]
        self._ending_on_its_way = ending
        await self._patience.with_(partial(self._send, ends=ending is not None))
        self._held -= len(chunks)
        self._room.unpark_all()
        if ending is not None:
            self._finish(ending)
        if over:
            self._token.cancel()

    async def _send(self, *, ends: bool) -> None:
        """Try to append what is on its way."""
        payloads = self._on_its_way
        await self._log.append(
            self._stream_id, term=self._term, first=self._position.number + 1, payloads=payloads, ends=ends
        )
        self._position = Position(self._term, self._position.number + len(payloads))
        self._on_its_way = []

    def leave(self, make: MakeEnding) -> None:
        """Be published no longer. Where the log could not be told how the stream ended, `settle` may try later."""
        if self._ending is None:
            self._leave(make)

    @property
    def is_settled(self) -> bool:
        """Whether the log has the ending, or never will."""
        return self._ending is not None and not self._on_its_way

    async def settle(self) -> None:
        """Try to tell the log what it could not be told before the stream was left.

        While this process beats, nobody takes its streams for dead, so their followers would wait for ever.

        Raises:
            LogUnreachable: it can't be told now, either.
        """
        try:
            await self._send(ends=True)
        except PublicationLost:
            self._on_its_way = []

    def _too_long(self, answer: Message | None) -> Error:
        message = f"the stream has more than {self._max_entries:,} entries (max_entries)"
        return Error(message, kind=ErrorKind.LIMIT, code="max_entries", partial=answer)

    def _leave(self, make: MakeEnding) -> None:
        """End here, whatever the log knows. An ending that is on its way stands: the log may have it already."""
        entries = join(self._waiting)
        self._keep(entries)
        ending = self._ending_on_its_way or make(self.partial())
        if self._ending_on_its_way is None:
            self._on_its_way += [to_entry(entry) for entry in (*entries, ending)]
        self._finish(ending)

    def _finish(self, ending: Ending) -> None:
        self._ending = ending
        self._waiting.clear()
        self._room.unpark_all()
        self._ended.set()

    def _keep(self, chunks: list[StreamChunk]) -> None:
        for chunk in chunks:
            self._answer.add(chunk)


def _failed(code: str, message: str, answer: Message | None) -> Error:
    return Error(message, kind=ErrorKind.RELAY, code=code, retryable=True, partial=answer)


def _bug(name: str, answer: Message | None) -> Error:
    return Error(f"a chunk could not be published: {name}", kind=ErrorKind.INTERNAL, code=name, partial=answer)


def _no_ending(answer: Message | None) -> Error:
    message = "the stream that was published stopped without an ending"
    return Error(message, kind=ErrorKind.RELAY, code="no_ending", partial=answer)
