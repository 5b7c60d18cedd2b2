"""One attempt: one HTTP request, and the nursery of actors that serves it.

An attempt ends in order. Whatever stops it (the end of the body, a fault, a deadline) stops the reader; the actors
behind it then finish what they hold, so what was read is delivered. Only the user's leaving cancels them all.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

from gestura._actors.deadlines import Progress
from gestura._actors.forwarder import Forwarder
from gestura._actors.groups import bare_errors
from gestura._actors.http_reader import read_http
from gestura._actors.inbox import Inbox
from gestura._actors.interrupt import Interrupt
from gestura._actors.outcome import AttemptOutcome
from gestura._actors.outlet import Sink
from gestura._actors.read_ahead import ReadAhead
from gestura._actors.redaction import log_bug, redact
from gestura._actors.run_stage import RunningStage
from gestura._actors.statistics import ActorStatistics, Counts
from gestura._actors.topology import stage_actors
from gestura._actors.waiting import Speaker
from gestura.answer import Transcript
from gestura.chunks import FinishReason, ProviderEvent, StreamChunk
from gestura.config import Timeouts
from gestura.errors import ErrorKind, Fault, InternalError, LimitExceeded, ProtocolError, TransportError
from gestura.limits import Limits
from gestura.providers import Provider, display_name
from gestura.providers.faults import fault_of_response
from gestura.providers.waiting import waiting_words_of
from gestura.stages.deltas import CONTROL_CLASSES, Anomaly, Control, Delta, Finish, Oddity, ToolCallFragment
from gestura.transport import HttpRequest, Transport

__all__ = ["Attempt"]

BATCHES_IN_FLIGHT = 4
"""Batches that may wait in an inbox: enough to let the actors overlap, few enough to bound what a slow user holds."""

SECONDS_TO_DRAIN = 0.1
"""How long a complete answer waits for the end of its body, so that the connection can serve the next request; and an
error inside the stream for what follows it, which may be token counts or nothing for ever."""

_NO_CONTENT = (*CONTROL_CLASSES, ProviderEvent)

_log = logging.getLogger("gestura.attempt")


@attrs.define(kw_only=True)
class Attempt:
    """One request to one provider.

    Args:
        name: the provider's name in the configuration.
        provider: its wire format, bound to its address, key and model.
        request: what to ask, in that wire format.
        transport: opens the request.
        sink: where chunks go.
        transcript: what was shown is kept here.
        interrupt: stops the reader.
        timeouts: how long to wait.
        limits: how much to hold.
        started: when the stream began, in Trio's time.
        counts: counts of the stream to keep.
        raw: show the provider's own events, too.
        fused: run all stages in one actor.
    """

    name: str
    provider: Provider
    request: HttpRequest
    transport: Transport
    sink: Sink
    transcript: Transcript
    interrupt: Interrupt
    timeouts: Timeouts
    limits: Limits
    started: float
    counts: Counts
    raw: bool = False
    fused: bool = False
    outcome: AttemptOutcome = attrs.field(init=False)
    """What has become of it."""

    _progress: Progress = attrs.field(init=False)
    _speaker: Speaker | None = attrs.field(default=None, init=False)
    _reading: trio.CancelScope = attrs.field(init=False)
    _read: ActorStatistics = attrs.field(factory=lambda: ActorStatistics("HTTP reader"), init=False)
    _stages: list[RunningStage] = attrs.field(factory=list, init=False)
    _forwarder: Forwarder = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        total = math.inf if self.timeouts.total is None else self.started + self.timeouts.total
        self.outcome = AttemptOutcome(provider=self.name, settings=self.provider.settings)
        self._progress = Progress(self.timeouts, total)
        self._reading = trio.CancelScope(deadline=total)
        if words := waiting_words_of(self.provider):
            self._speaker = Speaker(words, self._progress, self.sink)
        inbox: Inbox[Any] = Inbox(BATCHES_IN_FLIGHT)
        stages = stage_actors(self.provider, self.limits, raw=self.raw, fused=self.fused, on_deltas=self._note_content)
        for place, actor in enumerate(stages, 1):
            inbox_behind: Inbox[Any] = Inbox(BATCHES_IN_FLIGHT)
            self._stages.append(RunningStage(actor.name, actor.stage, inbox, inbox_behind, place, self))
            inbox = inbox_behind
        self._forwarder = Forwarder(inbox, self.sink, self)

    async def run(self) -> None:
        """Ask, and deliver what comes. No failure of the provider or the network is raised.

        Cancelled, it has closed the socket before it raises.
        """
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_http, self._stages[0].inbox)
                for stage in self._stages:
                    nursery.start_soon(stage.run)
                if self._speaker is not None:
                    nursery.start_soon(self._speaker.run)
                try:
                    await self._forwarder.run()
                except LimitExceeded as error:
                    self.stage_failed(math.inf, error)
                if self._speaker is not None:
                    self._speaker.stop()
                self._stop_within(SECONDS_TO_DRAIN)

    def statistics(self) -> tuple[ActorStatistics, ...]:
        """What the actors have done so far, in the order of the flow."""
        stages = (stage.statistics() for stage in self._stages)
        return (attrs.evolve(self._read), *stages, self._forwarder.statistics())

    async def _read_http(self, inbox: Inbox[Sequence[bytes]]) -> None:
        """The HTTP reader, in a scope of its own: stopping it lets the actors behind it finish."""
        self.interrupt.add(self._reading)
        try:
            with self._reading:
                await read_http(
                    self.transport,
                    self.request,
                    inbox,
                    statistics=self._read,
                    limits=self.limits,
                    read_ahead=self._read_ahead(),
                    on_connect=self._connected,
                    on_response=self._response_began,
                    on_bytes=self._progress.bytes_arrived,
                    on_refusal=self._refused,
                )
            if self._reading.cancelled_caught:
                self.look_at_clock()
        except TransportError as error:
            self._fail(Fault(kind=ErrorKind.CONNECTION, message=str(error), should_retry=error.retryable), place=0)
        except LimitExceeded as error:
            self._fail(Fault(kind=error.kind, message=str(error)), place=0)
        finally:
            self.interrupt.remove(self._reading)
            inbox.end()

    def _read_ahead(self) -> ReadAhead:
        inboxes = [*(stage.inbox for stage in self._stages), self._forwarder.inbox]
        return ReadAhead(inboxes, self.sink, self._progress)

    def _connected(self) -> None:
        self._progress.connected()
        if self._speaker is not None:
            self._speaker.connected()

    def _response_began(self) -> None:
        self._progress.response_began()
        if self._speaker is not None:
            self._speaker.response_began()

    def _refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._fail(fault_of_response(self._endpoint, status, headers, body, datetime.now(UTC)))

    # What the actors tell.

    def stage_failed(self, place: float, error: ProtocolError | InternalError, at_end: bool = False) -> None:
        kind = error.kind if isinstance(error, ProtocolError) else ErrorKind.INTERNAL
        if error.__cause__ is not None:
            words = redact(str(error), [self.provider.settings])
            log_bug(_log, words, error.__cause__, [self.provider.settings])
        self._stop(Fault(kind=kind, message=str(error)), place=0 if at_end else place)

    @property
    def is_complete(self) -> bool:
        return self.outcome.complete

    def note(self, delta: Control) -> StreamChunk | None:
        match delta:
            case Anomaly(oddity):
                self.counts.note_oddity(oddity)
            case Fault():
                self._fail(delta)
                self._stop_within(SECONDS_TO_DRAIN)
            case _:
                if isinstance(delta, Finish) and delta.reason is FinishReason.OTHER:
                    self.counts.note_oddity(Oddity.UNKNOWN_FINISH_REASON)
                return self.outcome.note(delta)
        return None

    def delivered(self, chunk: StreamChunk) -> None:
        self.transcript.add(chunk)
        limit = self.limits.max_answer_bytes
        if self.transcript.size > limit:
            raise LimitExceeded("the answer", "max_answer_bytes", limit)

    def waits_for_user(self, waiting: bool) -> None:
        self._progress.waits_for_consumer(waiting)

    def next_look(self) -> float:
        return self._progress.next_look()

    def look_at_clock(self) -> None:
        if fault := self._progress.timed_out():
            self._stop(fault)

    def _note_content(self, deltas: Sequence[Any]) -> None:
        if any(map(_is_content, deltas)):
            self._progress.content_arrived()

    @property
    def _endpoint(self) -> str:
        return f"{display_name(self.name)} {urlsplit(self.request.url).path}"

    def _fail(self, fault: Fault, place: float = math.inf) -> None:
        """Note a failure, told with where it happened."""
        message = fault.message
        if not message.startswith(self._endpoint):
            message = f"{self._endpoint}: {message}"
        self.outcome.fail(attrs.evolve(fault, message=message), place)

    def _stop(self, fault: Fault, place: float = 0) -> None:
        self._fail(fault, place)
        self._reading.cancel()

    def _stop_within(self, seconds: float) -> None:
        """Stop the reader, if the body has not ended until then."""
        self._reading.deadline = min(self._reading.deadline, trio.current_time() + seconds)


def _is_content(delta: Delta) -> bool:
    """Whether the answer is longer by it. A fragment with a name alone is not: a server could repeat it for ever."""
    if isinstance(delta, ToolCallFragment):
        return bool(delta.arguments)
    return not isinstance(delta, _NO_CONTENT)
