"""`Relay`: streams that outlive a connection, a process, a machine.

A stream is published into a log and followed from there, by any number of followers on any machine. The relay is what
a process opens once: it publishes, follows, orders, and puts requests into the queue of the workers.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import trio

from gestura._actors.groups import bare_errors
from gestura._stream import ChunkStream
from gestura.cancellation import CancellationToken, following
from gestura.chunks import Cancelled, Ending, Paused, StreamChunk
from gestura.conversation import Prompt, Request, ResponseShape
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import Message
from gestura.relay.answers import interrupted
from gestura.relay.entries import About, to_entry
from gestura.relay.following import IN_THE_QUEUE, Following, is_in_the_queue, read_all
from gestura.relay.keeper import Keeper
from gestura.relay.log import START, Log, Order, Position, RelayError, StreamExists, StreamState
from gestura.relay.patience import Patience
from gestura.relay.publication import Publication
from gestura.relay.pulse import Pulse
from gestura.relay.pump import as_ordered, pump
from gestura.relay.settings import RelaySettings
from gestura.relay.work import WorkQueue

__all__ = ["Relay"]

LONGEST_ID: Final = 200


class Relay:
    """Publishes and follows streams. Made by `open_relay`; from any task of its `trio.run`."""

    def __init__(self, log: Log, queue: WorkQueue, settings: RelaySettings) -> None:
        self._log = log
        self._queue = queue
        self._settings = settings
        self._patience = Patience(settings.reach_seconds, settings.answer_seconds)
        self.keeper: Keeper = Keeper(log, settings, self._patience)

    @property
    def settings(self) -> RelaySettings:
        """What it was opened with."""
        return self._settings

    @property
    def log(self) -> Log:
        """Where its streams are kept."""
        return self._log

    @property
    def queue(self) -> WorkQueue:
        """Where submitted requests wait."""
        return self._queue

    @asynccontextmanager
    async def publish(
        self,
        stream_id: str | None,
        chunks: AsyncIterable[StreamChunk],
        *,
        token: CancellationToken | None = None,
        request: Request | None = None,
        provider: str | None = None,
        model: str | None = None,
        takeover_seconds: float = 0.0,
        instead_of: StreamState | None = None,
    ) -> AsyncIterator[Publication]:
        """Publish chunks as they come, while the block runs.

        Leaving the block waits for the ending to be in the log. Left by an exception or a cancellation, it publishes
        what it has taken, and `Cancelled`, for which it has `leave_seconds`. What the chunks raise leaves the block.

        Args:
            stream_id: the name of the stream; one is made up where there is none.
            chunks: a `ChunkStream`, or anything else that gives chunks, an ending last. Nobody else may iterate; a
                generator is closed.
            token: what stops the chunks, for orders from afar; that of the stream unless told. Where they don't stop
                within half a second, they are left, and the ending is told for them.
            request: what was asked, so that the stream can be resumed (`interrupted`).
            provider: who was asked.
            model: which model.
            takeover_seconds: how long followers leave the stream to whoever may go on with it, should this publisher
                die.
            instead_of: the stream as its dead publisher left it, to go on with it.

        Raises:
            ConfigError: the name can be none.
            StreamExists: there is a stream of this name.
            PublicationLost: the stream is not as `instead_of` says any more.
            LogUnreachable: the log is out of reach.
        """
        about = About(request=request, provider=provider, model=model, takeover_seconds=takeover_seconds)
        token = token or (chunks.token if isinstance(chunks, ChunkStream) else CancellationToken())
        async with self._published(stream_id, about, token, instead_of) as publication:
            with bare_errors():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pump, chunks, publication, about)
                    yield publication

    @asynccontextmanager
    async def begin(
        self,
        stream_id: str | None,
        *,
        request: Request | None = None,
        provider: str | None = None,
        model: str | None = None,
        token: CancellationToken | None = None,
        takeover_seconds: float = 0.0,
        instead_of: StreamState | None = None,
    ) -> AsyncIterator[Publication]:
        """Publish what the block offers, for `Client.stream(publish=…)` and the like; see `gestura.publishing`.

        The arguments are those of `publish`, and so is what it raises. `Publication.token` follows `token`, and may
        end this stream alone.
        """
        about = About(request=request, provider=provider, model=model, takeover_seconds=takeover_seconds)
        with following(token) as own:
            async with self._published(stream_id, about, own, instead_of) as publication:
                yield publication

    @asynccontextmanager
    async def follow(self, stream_id: str, after: Position | str | None = None) -> AsyncIterator[Following]:
        """Follow a stream, live: its chunks from the beginning or behind a position, the ending last.

        Args:
            stream_id: the stream.
            after: behind which entry to begin; the whole stream unless told.

        Raises:
            UnknownStream: no such stream was published, or it has expired.
            RelayError: no entry of the stream stands at the position.
            ValueError: the position is none.
            LogUnreachable: the log is out of reach.
        """
        position = Position.parse(after) if isinstance(after, str) else after or START
        async with self._log.watch(stream_id) as watch:
            state = await self.state(stream_id)
            if position > state.last or position.number > state.last.number:
                raise RelayError(f"{stream_id!r} has no entry {position}; the last one is {state.last}")
            if position.number == 0:
                position = START
            elif position != state.last:
                await self._check_is_there(stream_id, position)
            yield Following(
                stream_id,
                state,
                position,
                log=self._log,
                watch=watch,
                patience=self._patience,
                settings=self._settings,
            )

    async def _check_is_there(self, stream_id: str, position: Position) -> None:
        before = Position(position.term, position.number - 1)
        found = await self._patience.with_(lambda: self._log.read(stream_id, before, most=1))
        if not found or found[0].position != position:
            raise RelayError(f"{stream_id!r} has no entry {position}")

    async def state(self, stream_id: str) -> StreamState:
        """What is known of a stream now.

        Raises:
            UnknownStream: no such stream was published, or it has expired.
            LogUnreachable: the log is out of reach.
        """
        return await self._patience.with_(lambda: self._log.state(stream_id))

    async def cancel(self, stream_id: str) -> None:
        """End a stream with `Cancelled`, wherever it is published. Nothing happens where it has ended.

        Raises:
            UnknownStream: no such stream was published, or it has expired.
            LogUnreachable: the log is out of reach.
        """
        await self._order(stream_id, Order.CANCEL)

    async def pause(self, stream_id: str) -> None:
        """End a stream with `Paused`, wherever it is published, from where `Client.resume` goes on; as `cancel`."""
        await self._order(stream_id, Order.PAUSE)

    async def interrupted(self, stream_id: str) -> Paused:
        """What `Client.resume` (for an agent's turn, `Client.run`) takes to go on with a stream that broke off.

        For streams that ended with an `Error`, were cancelled or paused, or whose publisher is dead; to see that, it
        may have to wait for `dead_after`.

        Raises:
            UnknownStream: no such stream was published, or it has expired.
            RelayError: the stream is complete, or its publisher lives, or what was asked is not known.
            LogUnreachable: the log is out of reach.
        """
        pulse = Pulse(self._settings.dead_after, self._settings.look_seconds)
        state = first = await self.state(stream_id)
        if is_in_the_queue(state):
            raise RelayError(f"{stream_id!r} waits for a worker: pause it first")
        while not state.ended and not pulse.look(state, trio.current_time()):
            if (state.beat, state.last, state.term) != (first.beat, first.last, first.term):
                raise RelayError(f"{stream_id!r} is being published: pause it first")
            await trio.sleep(self._settings.look_seconds)
            state = await self.state(stream_id)
        return interrupted(About.from_json(state.about), await read_all(self._log, self._patience, stream_id))

    async def submit(
        self,
        prompt: Prompt,
        *,
        stream_id: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        response_format: ResponseShape | None = None,
    ) -> str:
        """Put a request into the queue, for a worker to take. It can be followed, and cancelled, from now on.

        Args:
            prompt: a string, a list of messages, or a `Request`.
            stream_id: the name of the stream; one is made up where there is none.
            provider: which of the worker's providers to ask; its primary one unless told.
            model: which model.
            response_format: as in `Client.stream`.

        Returns:
            The name of the stream.

        Raises:
            ConfigError: the prompt is empty or none, or the name can be none.
            StreamExists: there is a stream of this name.
            LogUnreachable: the log is out of reach.
        """
        stream_id = _checked_id(stream_id)
        request = Request.of(prompt, response_format=response_format)
        about = About(
            request=request, provider=provider, model=model, takeover_seconds=self._settings.takeover_seconds
        ).to_json()
        await self._begin(stream_id, IN_THE_QUEUE + uuid4().hex, about, None)
        await self._patience.with_(lambda: self._queue.put(stream_id, about))
        return stream_id

    async def _begin(self, stream_id: str, publisher: str, about: bytes, instead_of: StreamState | None) -> StreamState:
        return await self._patience.with_(
            lambda: self._log.begin(
                stream_id,
                publisher=publisher,
                about=about,
                keep_seconds=self._settings.keep_seconds,
                instead_of=instead_of,
            )
        )

    async def _order(self, stream_id: str, order: Order) -> None:
        await self._patience.with_(lambda: self._log.order(stream_id, order))
        state = await self.state(stream_id)
        if is_in_the_queue(state):
            about = About.from_json(state.about)
            ending = as_ordered(state.order or order, about, None)
            await self._patience.with_(lambda: self._log.end_for(stream_id, dead=state, payload=to_entry(ending)))

    @asynccontextmanager
    async def _published(
        self, stream_id: str | None, about: About, token: CancellationToken, instead_of: StreamState | None
    ) -> AsyncIterator[Publication]:
        stream_id = _checked_id(stream_id)
        with self.keeper.reserving(stream_id):
            state = await self._begin(stream_id, self.keeper.publisher, about.to_json(), instead_of)
            if instead_of is None and state.last != START:
                raise StreamExists(f"a stream {stream_id!r} is published already")
            publication = Publication(
                stream_id,
                state,
                log=self._log,
                patience=self._patience,
                max_entries=self._settings.max_entries,
                token=token,
            )
            self.keeper.keep(publication)
            if state.order is not None:
                publication.obey(state.order)
            with bare_errors():
                async with trio.open_nursery() as nursery:
                    serving = trio.CancelScope(shield=True)
                    nursery.start_soon(self._serve, publication, serving)
                    try:
                        yield publication
                    finally:
                        with trio.move_on_after(self._settings.leave_seconds, shield=True):
                            await publication.end_as(_cancelled)
                        serving.cancel()

    async def _serve(self, publication: Publication, scope: trio.CancelScope) -> None:
        """Shielded: a publisher that is cancelled still has its ending to tell."""
        with scope:
            await publication.serve()
        publication.leave(_cancelled)
        self.keeper.see_to(publication)


def _cancelled(partial_answer: Message | None) -> Ending:
    return Cancelled(partial=partial_answer)


def _checked_id(stream_id: str | None) -> str:
    """The name, or a new one.

    Raises:
        ConfigError: it can be none.
    """
    if stream_id is None:
        return uuid4().hex
    if not 0 < len(stream_id) <= LONGEST_ID or not stream_id.isprintable() or " " in stream_id:
        raise ConfigError(
            f"stream_id: {stream_id[:LONGEST_ID]!r} is no name of a stream; one is 1 to {LONGEST_ID} printable "
            "characters without blanks",
            kind=ErrorKind.BAD_REQUEST,
        )
    return stream_id
