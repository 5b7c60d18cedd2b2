"""A transport in memory: every exchange is played from a script, in Trio's time, and remembered.

For tests, yours included: with `trio.testing.MockClock` an answer that takes minutes takes none. A script is data, so
it can be generated, compared and used again. The server's clock runs from the opening of the request and does not wait
for the reader: what was due while nobody read is there at once. Every call is a checkpoint and can be cancelled
anywhere; a cancelled read loses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio
from multidict import CIMultiDict

from gestura.errors import TransportError
from gestura.transport import HttpRequest, HttpResponse

__all__ = ["Break", "Hang", "RecordedExchange", "ScriptedExchange", "ScriptedTransport", "Wait"]

READ_BYTES: Final = 64 * 1024


@attrs.frozen
class Wait:
    """The server is silent for so many seconds."""

    seconds: float


@attrs.frozen
class Hang:
    """The server is silent for ever."""


@attrs.frozen
class Break:
    """The connection fails here, with a `TransportError` of these words."""

    message: str = "the connection broke"
    retryable: bool = attrs.field(default=True, kw_only=True)


Pause = Wait | Hang | Break
"""What may come between the bytes."""


@attrs.frozen(kw_only=True)
class ScriptedExchange:
    """What one request meets.

    Args:
        connecting: what happens before the connection stands.
        answering: what happens from then until the head of the response.
        status: the HTTP status.
        headers: the response's headers.
        body: what happens then. Each `bytes` is one read (several, where it exceeds 64 KiB). After the last step the
            body ends cleanly.
    """

    connecting: Sequence[Pause] = ()
    answering: Sequence[Pause] = ()
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: Sequence[bytes | Pause] = ()


@attrs.define(eq=False)
class RecordedExchange:
    """What became of one request.

    Args:
        request: as it was sent.
        connected: the connection stood.
        bytes_taken: how much of the body was read.
        ended: the body was read to its end.
        closed: the `open` block has been left.
    """

    request: HttpRequest
    connected: bool = False
    bytes_taken: int = 0
    ended: bool = False
    closed: bool = False


class ScriptedTransport:
    """A `Transport` that plays scripts.

    Args:
        script: the exchanges in the order in which the requests come; or a function that gives the exchange for a
            request, which is how several hosts, or an endless number of attempts, are played.

    >>> busy, answer = ScriptedExchange(status=503), ScriptedExchange(body=[b"Good ", Wait(2.5), b"morning"])
    >>> in_turn = ScriptedTransport([busy, answer])
    >>> by_host = ScriptedTransport(lambda request: busy if "//first.example" in request.url else answer)
    """

    def __init__(self, script: Iterable[ScriptedExchange] | Callable[[HttpRequest], ScriptedExchange]) -> None:
        self._choose = script if callable(script) else _in_turn(script)
        self.exchanges: list[RecordedExchange] = []

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        record = RecordedExchange(request)
        self.exchanges.append(record)
        try:
            exchange = self._choose(request)
            server = _Server()
            await trio.lowlevel.checkpoint()
            for pause in exchange.connecting:
                await server.play(pause)
            record.connected = True
            on_connect()
            for pause in exchange.answering:
                await server.play(pause)
            yield _ScriptedResponse(exchange, server, record)
        finally:
            record.closed = True


def _in_turn(script: Iterable[ScriptedExchange]) -> Callable[[HttpRequest], ScriptedExchange]:
    exchanges = iter(script)

    def choose(request: HttpRequest) -> ScriptedExchange:
        for exchange in exchanges:
            return exchange
        raise AssertionError(f"the script has no exchange left for {request!r}")

    return choose


class _Server:
    """Where the server's clock stands."""

    def __init__(self) -> None:
        self._now = trio.current_time()

    async def play(self, pause: Pause) -> None:
        match pause:
            case Wait(seconds):
                due = self._now + seconds
                await trio.sleep_until(due)
                self._now = due
            case Hang():
                await trio.sleep_forever()
            case Break(message, retryable=retryable):
                raise TransportError(message, retryable=retryable)


class _ScriptedResponse:
    def __init__(self, exchange: ScriptedExchange, server: _Server, record: RecordedExchange) -> None:
        self.status = exchange.status
        self.headers: Mapping[str, str] = CIMultiDict(exchange.headers)
        self._steps = deque(piece for step in exchange.body for piece in _cut_into_reads(step))
        self._server = server
        self._record = record

    async def receive_some(self) -> bytes:
        if self._record.closed:
            raise trio.ClosedResourceError("the response is closed")
        await trio.lowlevel.checkpoint()
        while self._steps:
            step = self._steps[0]
            if isinstance(step, bytes):
                self._steps.popleft()
                self._record.bytes_taken += len(step)
                return step
            await self._server.play(step)
            self._steps.popleft()
        self._record.ended = True
        return b""


def _cut_into_reads(step: bytes | Pause) -> Iterable[bytes | Pause]:
    if not isinstance(step, bytes):
        return [step]
    return [step[start : start + READ_BYTES] for start in range(0, len(step), READ_BYTES)]
