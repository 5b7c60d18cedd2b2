"""Transports that write recordings, and that play them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import attrs

from gestura.errors import TransportError
from gestura.recorder import ExchangeRecorder, Recorder
from gestura.recording import Event, Recording
from gestura.transport import HttpRequest, HttpResponse, Transport
from gestura.transport.scripted import Break, Hang, Pause, ScriptedExchange, ScriptedTransport, Wait

__all__ = ["RecordingTransport", "playing_transport"]


@attrs.frozen
class RecordingTransport:
    """A transport that writes down all that passes through another."""

    inner: Transport
    recorder: Recorder

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        exchange = self.recorder.begin(request)

        def connected() -> None:
            exchange.note("connected")
            on_connect()

        try:
            async with self.inner.open(request, on_connect=connected) as opened:
                exchange.respond(opened.status, opened.headers)
                yield _RecordedResponse(opened, exchange)
        except TransportError as error:
            exchange.end("error", message=str(error), retryable=error.retryable)
            raise
        finally:
            exchange.end("closed")


class _RecordedResponse:
    def __init__(self, inner: HttpResponse, exchange: ExchangeRecorder) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = inner
        self._exchange = exchange

    async def receive_some(self) -> bytes:
        asked = self._exchange.asked()
        data = await self._inner.receive_some()
        if data:
            self._exchange.read(data, asked)
        else:
            self._exchange.end("end")
        return data


def playing_transport(recording: Recording, *, speed: float | None = 1.0) -> ScriptedTransport:
    """A transport that plays the exchanges of a recording, in the order in which they were begun.

    Args:
        recording: what to play.
        speed: how many times as fast as it was; `None` is without any waiting.
    """
    exchanges = iter([_scripted(events, speed) for events in recording.exchanges()])

    def choose(request: HttpRequest) -> ScriptedExchange:
        for exchange in exchanges:
            return exchange
        raise TransportError(f"the recording has no other request to {request.url}", retryable=False)

    return ScriptedTransport(choose)


def _scripted(events: Iterable[Event], speed: float | None) -> ScriptedExchange:
    connecting: list[Pause] = []
    answering: list[Pause] = []
    body: list[bytes | Pause] = []
    status, headers = 200, {}
    phase: list[Pause] | list[bytes | Pause] = connecting
    before: float | None = None
    for event in events:
        if before is not None and speed is not None and event.at > before:
            phase.append(Wait((event.at - before) / speed))
        before = event.at
        match event.name:
            case "connected":
                phase = answering
            case "response":
                status, headers = event.fields["status"], event.fields["headers"]
                phase = body
            case "read":
                body.append(event.fields["data"])
            case "error":
                phase.append(Break(event.fields["message"], retryable=event.fields["retryable"]))
            case "closed":
                phase.append(Hang())  # the server may have had more to say; nobody knows
    return ScriptedExchange(connecting=connecting, answering=answering, status=status, headers=headers, body=body)
