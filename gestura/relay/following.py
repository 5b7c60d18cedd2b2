"""`Following`: one follower of a published stream, at its own pace.

It has no task and no queue of its own: the task that iterates reads a page of entries when it wants one, and waits
where there are none. So a follower that is slow costs nobody anything, and one that leaves leaves nothing behind. It
knows the number of the next entry, so nothing is missed and nothing comes twice, whatever happens to its connection.

While nothing comes it looks at the publisher now and then. One that is dead gets its stream ended, by whichever
follower sees it first, with an ending in the log that all the others read, too. The stream of a dead worker is left to
the other workers first, for its request is still in the queue.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Final, get_args

import trio

from gestura.answer import Transcript
from gestura.chunks import Ending, Error, StreamChunk
from gestura.errors import ErrorKind
from gestura.relay.answers import PublishedAnswer
from gestura.relay.entries import About, from_entry, to_entry
from gestura.relay.log import START, Entry, Log, LogUnreachable, Position, RelayError, StreamState, UnknownStream, Watch
from gestura.relay.patience import Patience
from gestura.relay.pulse import Pulse
from gestura.relay.settings import RelaySettings

__all__ = ["IN_THE_QUEUE", "Following", "end_for_dead", "is_in_the_queue", "read_all"]

ENTRIES_AT_A_TIME: Final = 256
"""A page: enough that its round trip is small beside it, and no more than may wait for any other reader."""

IN_THE_QUEUE: Final = "queue-"
"""What the publishers of streams begin with that were submitted and not yet taken up. They never beat, and live."""

_ENDINGS = get_args(Ending)


class Following:
    """An asynchronous iterator of the chunks of a published stream; the last one is an `Ending`.

    Iterating never raises for a stream that failed. One task at a time may iterate. Made by `Relay.follow`.
    """

    def __init__(
        self,
        stream_id: str,
        state: StreamState,
        after: Position,
        *,
        log: Log,
        watch: Watch,
        patience: Patience,
        settings: RelaySettings,
    ) -> None:
        self._stream_id = stream_id
        self._position = after
        self._log = log
        self._watch = watch
        self._patience = patience
        self._settings = settings
        self._grace = About.from_json(state.about).takeover_seconds
        self._over = state.ended and after.number == state.last.number
        """Who begins behind the ending has nothing to wait for."""
        self._page: deque[Entry] = deque()
        self._ending: Ending | None = None

    @property
    def stream_id(self) -> str:
        """Which stream."""
        return self._stream_id

    @property
    def position(self) -> Position:
        """Where the chunk stands that was given last: who follows from there gets the next one."""
        return self._position

    @property
    def ending(self) -> Ending | None:
        """The last chunk, once it has been given."""
        return self._ending

    @property
    def at_hand(self) -> int:
        """How many chunks are here already: so many more can be had without waiting."""
        return len(self._page)

    def __aiter__(self) -> Following:
        return self

    async def __anext__(self) -> StreamChunk:
        """The next chunk. A checkpoint where a page is read, which has 256 entries at the most."""
        if self._over:
            await trio.lowlevel.checkpoint()
            raise StopAsyncIteration
        try:
            if not self._page:
                await self._turn_page()
            entry = self._page.popleft()
            if entry.position.number != self._position.number + 1:
                raise UnknownStream(f"the entry after {self._position} is missing")  # noqa: TRY301  # one way out
            chunk = from_entry(entry.payload)
            self._position = entry.position
        except UnknownStream as error:
            chunk = _failed("stream_lost", f"the log has lost the stream: {error}")
        except LogUnreachable as error:
            chunk = _failed("log_unreachable", f"the log was out of reach for too long: {error}", retryable=True)
        except _NotBegunError as error:
            chunk = _failed("not_begun", str(error), retryable=True)
        except RelayError as error:
            chunk = _failed("unreadable", str(error))
        if isinstance(chunk, _ENDINGS):
            self._ending, self._over = chunk, True
        return chunk

    async def _turn_page(self) -> None:
        """Wait for entries, and for as long as the publisher lives."""
        pulse = Pulse(self._settings.dead_after + self._grace, self._settings.look_seconds)
        began = trio.current_time()
        has_ended = False
        while True:
            self._page.extend(
                await self._patience.with_(
                    lambda: self._log.read(self._stream_id, self._position, most=ENTRIES_AT_A_TIME)
                )
            )
            if self._page:
                return
            with trio.move_on_after(self._settings.look_seconds):
                await self._watch.wait()
                continue
            state = await self._patience.with_(lambda: self._log.state(self._stream_id))
            if state.last.number < self._position.number:
                raise UnknownStream(f"it ends with {state.last}, and was read to {self._position}")
            if has_ended:
                raise UnknownStream(f"it has ended with {state.last}, and nothing behind {self._position} is there")
            has_ended = state.ended
            if is_in_the_queue(state):
                if trio.current_time() - began >= self._settings.begin_seconds:
                    raise _NotBegunError(f"no worker has taken the stream up for {self._settings.begin_seconds:g} s")
            elif pulse.look(state, trio.current_time()) and not await self._waits_for_another(pulse.silence):
                silence = f"it has not been heard of for {self._settings.dead_after:g} s"
                await end_for_dead(self._log, self._patience, self._stream_id, state, silence)

    async def _waits_for_another(self, silence: float) -> bool:
        """Whether the stream of a dead worker is begun anew by another, which may first have to become free.

        Its request is still in the queue, and nothing of the answer was shown.
        """
        if not self._grace:
            return False
        transcript = Transcript()
        for chunk in await read_all(self._log, self._patience, self._stream_id):
            transcript.add(chunk)
        if not transcript.shown and silence >= self._settings.begin_seconds:
            raise _NotBegunError(
                f"its worker died, and no other has taken the stream up for {self._settings.begin_seconds:g} s"
            )
        return not transcript.shown


def is_in_the_queue(state: StreamState) -> bool:
    """Whether the stream was submitted, and no worker has taken it up."""
    return state.publisher.startswith(IN_THE_QUEUE) and not state.ended


class _NotBegunError(RelayError):
    """No worker has taken the stream up."""


async def end_for_dead(log: Log, patience: Patience, stream_id: str, dead: StreamState, why: str) -> None:
    """End the stream of a dead publisher, unless it has moved on: with an `Error` that has what was shown of it.

    Raises:
        LogUnreachable: the log was out of reach for too long.
        RelayError: an entry can't be read.
    """
    answer = PublishedAnswer()
    for chunk in await read_all(log, patience, stream_id):
        answer.add(chunk)
    ending = Error(
        f"the publisher of the stream died: {why}",
        kind=ErrorKind.RELAY,
        code="publisher_lost",
        retryable=True,
        partial=answer.partial(),
    )
    await patience.with_(lambda: log.end_for(stream_id, dead=dead, payload=to_entry(ending)))


async def read_all(log: Log, patience: Patience, stream_id: str) -> list[StreamChunk]:
    """All that was published of a stream so far.

    Raises:
        UnknownStream: there is none.
        LogUnreachable: the log was out of reach for too long.
        RelayError: an entry can't be read.
    """
    chunks: list[StreamChunk] = []
    position = START
    while entries := await patience.with_(partial(log.read, stream_id, position, most=ENTRIES_AT_A_TIME)):
        chunks += [from_entry(entry.payload) for entry in entries]
        position = entries[-1].position
    return chunks


def _failed(code: str, message: str, *, retryable: bool = False) -> Error:
    return Error(message, kind=ErrorKind.RELAY, code=code, retryable=retryable)
