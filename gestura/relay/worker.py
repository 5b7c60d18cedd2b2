"""`Worker`: takes requests from the queue, and publishes the answers. Any number of them, on any number of machines.

A request stays in the queue until the ending of its stream is in the log, so none is lost with a worker that dies: it
is offered to others after a while. Who is given it looks at the stream. One that has ended is done. One whose publisher
still beats is left alone. One whose publisher is dead is begun anew, in the next term, where nothing of the answer was
shown; else it is ended with an `Error`, or resumed, as the worker was told. Whatever a worker does twice, or two do at
once, the log lets one of them do once.

Only answering takes one of a worker's places. To see whether a publisher is dead, or to end its stream, takes none: so
a full worker still does it. What it finds to be answered waits for a place, and is offered to the others meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, Literal

import attrs
import trio

from gestura._actors.groups import bare_errors
from gestura._client import Client
from gestura.answer import Transcript
from gestura.cancellation import CancellationToken, TokenState
from gestura.chunks import Error, Paused, RetryAttempt
from gestura.conversation import Request, continuation
from gestura.errors import ConfigError, ErrorKind
from gestura.relay.answers import interrupted
from gestura.relay.entries import About, to_entry
from gestura.relay.following import end_for_dead, is_in_the_queue, read_all
from gestura.relay.log import LogUnreachable, PublicationLost, RelayError, StreamExists, StreamState, UnknownStream
from gestura.relay.patience import Patience
from gestura.relay.publication import Publication
from gestura.relay.pulse import Pulse
from gestura.relay.reach import Reach
from gestura.relay.relay import Relay
from gestura.relay.work import WorkItem

__all__ = ["AfterDeath", "Worker"]

AfterDeath = Literal["end", "resume"]
"""What becomes of an answer that a dead worker had shown a part of: it ends with an `Error`, or another goes on."""

SECONDS_TO_PAUSE: Final = 5.0
"""How long streams have to end after they were paused, before they are left."""

ABANDONED_AT_A_TIME: Final = 100

RETRY_SECONDS: Final = 1.0
"""From one attempt to the next while the queue is out of reach."""

_log: Final = logging.getLogger("gestura.worker")


class Worker:
    """Answers what is submitted with `Relay.submit`.

    Args:
        client: who asks.
        relay: where the requests and the answers are.
        capacity: how many requests it has at once.
        after_death: what it does with an answer that a dead worker had shown a part of.
        max_deaths: how many workers may die of one request, before it ends with an `Error`.
        drain_seconds: how long answers may take that are under way when it is told to stop; then they are paused.

    Raises:
        ConfigError: a number is too small.
    """

    def __init__(
        self,
        client: Client,
        relay: Relay,
        *,
        capacity: int = 100,
        after_death: AfterDeath = "end",
        max_deaths: int = 3,
        drain_seconds: float = 30.0,
    ) -> None:
        if capacity < 1 or max_deaths < 1 or drain_seconds < 0:
            raise ConfigError("a worker's capacity and max_deaths are 1 at least, its drain_seconds 0")
        self._client = client
        self._relay = relay
        self._capacity = capacity
        self._after_death = after_death
        self._max_deaths = max_deaths
        self._drain_seconds = drain_seconds
        self._patience = Patience(relay.settings.reach_seconds, relay.settings.answer_seconds)
        self._holder = relay.keeper.publisher
        self._held: set[str] = set()
        """All that it sees to, by their tickets."""
        self._answering: set[str] = set()
        """Those of them that have a place."""
        self._waiting: set[str] = set()
        """Those that should have one."""
        self._log_reach = Reach("the log", _log)
        self._queue_reach = Reach("the queue", _log)
        self._changed = trio.Event()
        self._taking = trio.CancelScope()
        self._token = CancellationToken()

    @property
    def running(self) -> int:
        """How many requests it answers."""
        return len(self._answering)

    def drain(self) -> None:
        """Take no more, and let `serve` return when what was taken is answered. Called again: pause that at once."""
        if self._taking.cancel_called:
            self._token.pause()
        self._taking.cancel()
        self._tell()

    async def serve(self) -> None:
        """Take requests and answer them, until `drain` is called. Cancelled, it ends what it publishes as cancelled."""
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep)
                _log.info("takes requests, %d at once", self._capacity)
                with self._taking:
                    await self._take(nursery)
                await self._drain()
                nursery.cancel_scope.cancel()

    async def _drain(self) -> None:
        _log.info("takes no more requests, and has %d", len(self._held))
        with trio.move_on_after(self._drain_seconds):
            while self._held and self._token.state is TokenState.RUNNING:
                await self._changed.wait()
        self._token.pause()
        with trio.move_on_after(SECONDS_TO_PAUSE):
            while self._held:
                await self._changed.wait()
        if self._held:
            _log.warning("leaves %d requests to other workers", len(self._held))

    async def _take(self, nursery: trio.Nursery) -> None:
        """Take what nobody has, and every now and then what somebody had; cancelled, it has lost nothing of it."""
        looked = trio.current_time()
        while True:
            try:
                if (until_look := looked + self._relay.settings.look_seconds - trio.current_time()) <= 0:
                    if await self._take_abandoned(nursery) < ABANDONED_AT_A_TIME:
                        looked = trio.current_time()
                elif (room := self._capacity - len(self._answering) - len(self._waiting)) > 0:
                    items = await self._relay.queue.take(self._holder, most=room, wait_seconds=until_look)
                    for item in items:
                        self._has_place(item)
                    self._see_to_all(items, nursery)
                else:
                    with trio.move_on_after(until_look):
                        await self._changed.wait()
                    continue
                self._queue_reach.is_back()
            except LogUnreachable as error:
                self._queue_reach.is_lost(error)
                await trio.sleep(RETRY_SECONDS)

    async def _take_abandoned(self, nursery: trio.Nursery) -> int:
        """Take what somebody had who is silent for half the time after which he is dead. How many it was given."""
        items = await self._relay.queue.take_abandoned(
            self._holder, most=ABANDONED_AT_A_TIME, silent_seconds=self._relay.settings.dead_after / 2
        )
        self._see_to_all(items, nursery)
        return len(items)

    def _see_to_all(self, items: Iterable[WorkItem], nursery: trio.Nursery) -> None:
        for item in items:
            if item.ticket not in self._held:  # the queue may give it to the same one again
                self._held.add(item.ticket)
                nursery.start_soon(self._see_to, item)

    async def _keep(self) -> None:
        """Tell the queue what is still being worked on. What waits for a place is anybody's who has one."""
        while True:
            await trio.sleep(self._relay.settings.beat_seconds)
            if tickets := self._held - self._waiting:
                with suppress(LogUnreachable):
                    await self._patience.once(partial(self._relay.queue.keep, self._holder, tickets))

    async def _see_to(self, item: WorkItem) -> None:
        """Have an item answered, by whomever, and take it out of the queue."""
        try:
            if await self._until_it_ended(item):
                await self._is_done(item)
        finally:
            self._held.discard(item.ticket)
            self._let_go(item)

    async def _is_done(self, item: WorkItem) -> None:
        while True:
            with suppress(LogUnreachable):
                return await self._patience.with_(lambda: self._relay.queue.done(item.ticket))

    async def _until_it_ended(self, item: WorkItem) -> bool:
        """Take a stream up, when it is time to, and wait for its ending. Whether it has one; not if it is left."""
        settings = self._relay.settings
        stream_id = item.stream_id
        pulse = Pulse(settings.dead_after, settings.look_seconds)
        while True:
            try:
                state = await self._relay.state(stream_id)
                self._log_reach.is_back()
                if state.ended:
                    return True
                is_free = is_in_the_queue(state) or pulse.look(state, trio.current_time())
                if is_free and await self._take_up(item, state):
                    continue
                if not is_free:
                    self._let_go(item)
            except UnknownStream:
                _log.warning("%s: expired before it was answered", stream_id)
                return True
            except LogUnreachable as error:
                self._log_reach.is_lost(error)
            except RelayError as error:
                _log.error("%s: left as it is: %s", stream_id, error)
                return False
            if self._taking.cancel_called:
                return False
            with trio.move_on_after(settings.look_seconds):
                await self._place(item)

    async def _place(self, item: WorkItem) -> None:
        """Wait for a place, if the item waits for one, and give it to it."""
        while item.ticket not in self._waiting or self._taking.cancel_called or not self._has_place(item):
            await self._changed.wait()

    def _has_place(self, item: WorkItem) -> bool:
        """Whether the item has a place now. If not it waits for one."""
        if item.ticket not in self._answering:
            if len(self._answering) >= self._capacity:
                self._waiting.add(item.ticket)
                return False
            self._answering.add(item.ticket)
        self._waiting.discard(item.ticket)
        return True

    def _let_go(self, item: WorkItem) -> None:
        """Give the item's place to others."""
        self._answering.discard(item.ticket)
        self._waiting.discard(item.ticket)
        self._tell()

    async def _take_up(self, item: WorkItem, state: StreamState) -> bool:
        """Answer a request, go on with an answer, or end a stream. Whether something was done about it."""
        stream_id = item.stream_id
        try:
            plan = await self._plan(stream_id, state)
            if plan is None:
                return True
            if (self._taking.cancel_called and item.ticket not in self._answering) or not self._has_place(item):
                return False
            _log.info("%s: answers, in term %d", stream_id, state.term + 1)
            async with self._client.resume(
                plan.paused, token=self._token, publish=_Successor(self._relay, state, plan), stream_id=stream_id
            ) as chunks:
                async for _ in chunks:
                    pass
            _log.info("%s: ended with %s", stream_id, type(chunks.ending).__name__)
        except (PublicationLost, StreamExists) as error:
            _log.info("%s: left to another: %s", stream_id, error)
            self._let_go(item)
            return False
        except LogUnreachable:
            raise
        except (ConfigError, RelayError) as error:
            kind = error.kind if isinstance(error, ConfigError) else ErrorKind.RELAY
            await self._end(stream_id, state, Error(str(error), kind=kind))
        except Exception as error:  # noqa: BLE001  # one request's bug is not the others'
            _log.exception("%s: a bug", stream_id)
            await self._end(stream_id, state, Error(type(error).__name__, kind=ErrorKind.INTERNAL))
        return True

    async def _plan(self, stream_id: str, state: StreamState) -> _Plan | None:
        """What to do about a stream that nobody publishes; `None` where it was ended."""
        about = About.from_json(state.about)
        deaths = state.term - 1
        if not deaths:
            return _Plan(about, Paused(request=about.request, provider=about.provider, model=about.model))
        chunks = await read_all(self._relay.log, self._patience, stream_id)
        transcript = Transcript()
        for chunk in chunks:
            transcript.add(chunk)
        if deaths >= self._max_deaths or (transcript.shown and self._after_death == "end"):
            _log.warning("%s: its worker died, and nobody goes on", stream_id)
            why = f"{deaths} workers died of it" if deaths > 1 else "its worker died amid the answer"
            await end_for_dead(self._relay.log, self._patience, stream_id, state, why)
            return None
        paused = interrupted(about, chunks)
        begins_anew = paused.request is not None and continuation(paused.request, paused.partial) == paused.request
        _log.warning("%s: its worker died; goes on for it", stream_id)
        return _Plan(
            about,
            paused,
            RetryAttempt(
                attempt=deaths,
                max_attempts=self._max_deaths,
                delay_ms=0,
                error_message="the worker that answered died, and another goes on",
                discard=begins_anew and transcript.shown,
            ),
        )

    async def _end(self, stream_id: str, state: StreamState, ending: Error) -> None:
        await self._patience.with_(
            lambda: self._relay.log.end_for(stream_id, dead=state, payload=to_entry(ending)),
        )

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


@attrs.frozen
class _Plan:
    """How to go on with a stream.

    Args:
        about: what is known of it.
        paused: from where.
        news: what to tell its followers before.
    """

    about: About
    paused: Paused
    news: RetryAttempt | None = None


@attrs.frozen
class _Successor:
    """As `gestura.publishing.Publisher`: publishes in the term after the one that `state` tells of."""

    relay: Relay
    state: StreamState
    plan: _Plan

    @asynccontextmanager
    async def begin(
        self,
        stream_id: str | None,
        *,
        request: Request | None,
        provider: str | None,
        model: str | None,
        token: CancellationToken | None,
    ) -> AsyncIterator[Publication]:
        async with self.relay.begin(
            stream_id,
            request=request,
            provider=provider,
            model=model,
            token=token,
            takeover_seconds=self.plan.about.takeover_seconds,
            instead_of=self.state,
        ) as publication:
            if self.plan.news is not None:
                publication.offer(self.plan.news)
            yield publication
