"""One attempt: one HTTP request, and the nursery of actors that serves it.

An attempt ends in order. Whatever stops it (the end of the body, a fault, a deadline) stops the reader; the actors
behind it then finish what they hold, so what was read is delivered. Only the user's leaving cancels them all.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio

from gestura._actors.deadlines import Progress, watch
from gestura._actors.forwarder import Sink, forward
from gestura._actors.groups import bare_errors
from gestura._actors.http_reader import read_http
from gestura._actors.inbox import InboxReceiver, InboxSender, open_inbox
from gestura._actors.interrupt import Interrupt
from gestura._actors.outcome import AttemptOutcome
from gestura._actors.read_ahead import ReadAhead
from gestura._actors.redaction import log_bug, redact
from gestura._actors.run_stage import run_stage
from gestura._actors.statistics import ActorStatistics, Counts
from gestura._actors.topology import stage_actors
from gestura._actors.waiting import speak_while_waiting
from gestura.answer import Transcript
from gestura.chunks import FinishReason, ProviderEvent, Status, StreamChunk
from gestura.config import Timeouts
from gestura.errors import ErrorKind, Fault, InternalError, LimitExceeded, ProtocolError, TransportError
from gestura.limits import Limits
from gestura.providers import Provider, display_name
from gestura.providers.faults import fault_of_response
from gestura.providers.waiting import SpeaksWhileWaiting
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
        statistics: counts of this attempt's actors, in the order of the flow.
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
    statistics: list[ActorStatistics] = attrs.field(factory=list, init=False)
    _outcome: AttemptOutcome = attrs.field(init=False)
    _endpoint: str = attrs.field(init=False)
    _progress: Progress = attrs.field(factory=Progress, init=False)
    _read_ahead: ReadAhead = attrs.field(init=False)
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _has_greeted: bool = attrs.field(default=False, init=False)
    _read: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._endpoint = f"{display_name(self.name)} {urlsplit(self.request.url).path}"
        self._outcome = AttemptOutcome(provider=self.name, settings=self.provider.settings)
        self._read_ahead = ReadAhead(self.sink.wait_caught_up, self._progress.waits_for_consumer)

    async def run(self) -> AttemptOutcome:
        """Ask, and deliver what comes. No failure of the provider or the network is raised.

        Cancelled, it has closed the socket before it raises.
        """
        with bare_errors():
            async with trio.open_nursery() as nursery:
                send: InboxSender[Any]
                receive: InboxReceiver[Any]
                send, receive = open_inbox(BATCHES_IN_FLIGHT)
                self._count("HTTP reader")
                nursery.start_soon(self._read_http, send)
                actors = stage_actors(
                    self.provider, self.limits, raw=self.raw, fused=self.fused, on_deltas=self._note_content
                )
                for place, actor in enumerate(actors, 1):
                    self._read_ahead.add(receive)
                    next_send: InboxSender[Any]
                    next_receive: InboxReceiver[Any]
                    next_send, next_receive = open_inbox(BATCHES_IN_FLIGHT)
                    nursery.start_soon(
                        partial(
                            run_stage,
                            actor.stage,
                            receive,
                            next_send,
                            statistics=self._count(actor.name),
                            on_failure=partial(self._stage_failed, place),
                        )
                    )
                    receive = next_receive
                self._read_ahead.add(receive)
                nursery.start_soon(watch, self._progress, self.timeouts, self.started, self._stop)
                if isinstance(self.provider, SpeaksWhileWaiting):
                    words = self.provider.waiting_words
                    nursery.start_soon(speak_while_waiting, self._progress, words, self.sink, lambda: self._has_greeted)
                await self._forward(receive)
                with trio.move_on_after(SECONDS_TO_DRAIN):
                    await self._read.wait()
                nursery.cancel_scope.cancel()
        return self._outcome

    async def _read_http(self, send: InboxSender[Sequence[bytes]]) -> None:
        """The HTTP reader, in a scope of its own: stopping it lets the actors behind it finish."""
        with self.interrupt.scope(self._reading):
            try:
                await read_http(
                    self.transport,
                    self.request,
                    send,
                    statistics=self.statistics[0],
                    limits=self.limits,
                    read_ahead=self._read_ahead,
                    on_connect=self._connected,
                    on_response=self._progress.response_began,
                    on_bytes=self._progress.bytes_arrived,
                    on_refusal=self._refused,
                )
            except TransportError as error:
                self._fail(Fault(kind=ErrorKind.CONNECTION, message=str(error), should_retry=error.retryable), place=0)
            except LimitExceeded as error:
                self._fail(Fault(kind=error.kind, message=str(error)), place=0)
        send.close()  # also where the scope was cancelled before the reader began
        self._read.set()

    async def _forward(self, receive: InboxReceiver[Sequence[Any]]) -> None:
        try:
            await forward(
                receive,
                self.sink,
                statistics=self._count("forwarder"),
                on_wait=self._progress.waits_for_consumer,
                on_chunk=self._keep,
                on_control=self._note,
                is_complete=lambda: self._outcome.complete,
            )
        except LimitExceeded as error:
            self._stage_failed(math.inf, error)

    def _keep(self, chunk: StreamChunk) -> None:
        self.transcript.add(chunk)
        limit = self.limits.max_answer_bytes
        if self.transcript.size > limit:
            raise LimitExceeded("the answer", "max_answer_bytes", limit)

    def _connected(self) -> None:
        self._progress.connected()
        if isinstance(self.provider, SpeaksWhileWaiting):
            with suppress(trio.WouldBlock, trio.BrokenResourceError):  # then it is left to the actor that speaks
                self.sink.send_nowait(Status(self.provider.waiting_words.connected))  # before what the provider says
                self._has_greeted = True

    def _count(self, name: str) -> ActorStatistics:
        self.statistics.append(ActorStatistics(name))
        return self.statistics[-1]

    def _note_content(self, deltas: Sequence[Any]) -> None:
        if any(map(_is_content, deltas)):
            self._progress.content_arrived()

    def _note(self, delta: Control) -> StreamChunk | None:
        match delta:
            case Anomaly(oddity):
                self.counts.oddities[oddity] += 1
            case Fault():
                self._fail(delta)
                self._reading.deadline = trio.current_time() + SECONDS_TO_DRAIN
            case _:
                if isinstance(delta, Finish) and delta.reason is FinishReason.OTHER:
                    self.counts.oddities[Oddity.UNKNOWN_FINISH_REASON] += 1
                return self._outcome.note(delta)
        return None

    def _fail(self, fault: Fault, place: float = math.inf) -> None:
        """Note a failure, told with where it happened."""
        message = fault.message
        if not message.startswith(self._endpoint):
            message = f"{self._endpoint}: {message}"
        self._outcome.fail(attrs.evolve(fault, message=message), place)

    def _stop(self, fault: Fault, place: float = 0) -> None:
        self._fail(fault, place)
        self._reading.cancel()

    def _refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._fail(fault_of_response(self._endpoint, status, headers, body, datetime.now(UTC)))

    def _stage_failed(self, place: float, error: ProtocolError | InternalError, at_end: bool = False) -> None:
        kind = error.kind if isinstance(error, ProtocolError) else ErrorKind.INTERNAL
        if error.__cause__ is not None:
            words = redact(str(error), [self.provider.settings])
            log_bug(_log, words, error.__cause__, [self.provider.settings])
        self._stop(Fault(kind=kind, message=str(error)), place=0 if at_end else place)


def _is_content(delta: Delta) -> bool:
    """Whether the answer is longer by it. A fragment with a name alone is not: a server could repeat it for ever."""
    if isinstance(delta, ToolCallFragment):
        return bool(delta.arguments)
    return not isinstance(delta, _NO_CONTENT)
