"""What the service does, whichever interface asks: begin streams, follow them, order them about.

All streams are submitted to the relay's queue and followed from its log, so nothing here depends on where they run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import trio

from gestura.chunks import StreamChunk
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.relay.following import Following
from gestura.relay.log import LogUnreachable, Position, RelayError, UnknownStream
from gestura.relay.memory import MemoryLog
from gestura.relay.relay import Relay
from gestura.serve_settings import ServeSettings
from gestura.serving.callers import Callers, Rates
from gestura.serving.logs import SERVICE_LOG
from gestura.serving.metrics import Metrics
from gestura.serving.models import check_provider
from gestura.serving.refused import Refused
from gestura.serving.running import Running

__all__ = ["Service", "batch", "refusal_of"]

ORDER_SECONDS: Final = 5.0
"""How long the log may take to be told that a caller has left."""

CHECK_SECONDS: Final = 2.0
NO_STREAM: Final = "is-the-log-there"
"""What is asked for to see whether the log answers. Nothing is published under that name."""


class Service:
    """The streams of all callers.

    Args:
        relay: where they are published.
        config: whom they can be asked of.
        settings: what callers may do.
    """

    def __init__(self, relay: Relay, config: StreamingConfig, settings: ServeSettings) -> None:
        self.relay = relay
        self.config = config
        self.settings = settings
        self.callers: Callers = Callers(settings.keys)
        self.metrics: Metrics = Metrics()
        self.is_ending = False
        """No new streams are begun."""
        self._rates = Rates(settings.requests_per_minute)
        self._running = Running(settings.max_concurrent_streams, self._has_ended)
        self._bound: set[str] = set()
        self._followed: Counter[str] = Counter()

    async def begin(self, caller: str, request: Request, *, provider: str | None, model: str | None) -> str:
        """Begin a stream, and give its name.

        Raises:
            Refused: the caller has too many, or the service is ending.
            LogUnreachable: it could not be submitted.
        """
        if self.is_ending:
            raise Refused("the service is ending; ask again", status=503, code="ending", retry_after=1.0)
        check_provider(provider, self.config)
        stream_id = self.callers.new_stream(caller)
        await self._running.add(caller, stream_id)
        try:
            self._rates.count(caller, trio.current_time())
            await self.relay.submit(request, stream_id=stream_id, provider=provider, model=model)
        except BaseException:
            self._running.forget(caller, stream_id)
            raise
        self.metrics.begun.inc()
        return stream_id

    @asynccontextmanager
    async def follow(self, stream_id: str, after: Position | None = None) -> AsyncIterator[Following]:
        """Follow a stream that is the caller's.

        Raises:
            UnknownStream: there is none.
            RelayError: it ends before `after`.
            LogUnreachable: the log is out of reach.
        """
        async with self.relay.follow(stream_id, after) as chunks:
            self._followed[stream_id] += 1
            try:
                with self.metrics.following.track_inprogress():
                    yield chunks
            finally:
                self._followed[stream_id] -= 1
                self._followed += Counter()  # forgets those that nobody follows

    @asynccontextmanager
    async def bound(self, stream_id: str) -> AsyncIterator[Following]:
        """Follow a stream that nobody else knows of: left before its ending, it is cancelled."""
        self._bound.add(stream_id)
        following: Following | None = None
        try:
            async with self.follow(stream_id) as following:
                yield following
        finally:
            self._bound.discard(stream_id)
            if following is None or following.ending is None:
                with trio.move_on_after(ORDER_SECONDS, shield=True):
                    await self._cancel(stream_id)

    async def end_what_ends_here(self) -> None:
        """Cancel the streams that end with this service, so that who follows them is told an ending.

        They are those that end with their connection and, where all is in memory, all others.
        """
        for stream_id in [*self._bound, *(self._followed if isinstance(self.relay.log, MemoryLog) else ())]:
            await self._cancel(stream_id)

    async def check_log(self) -> None:
        """See to it that the log answers.

        Raises:
            LogUnreachable: it does not, or takes longer than a caller of `/readyz` wants to wait.
        """
        with trio.move_on_after(CHECK_SECONDS) as answering, suppress(UnknownStream):
            await self.relay.log.state(NO_STREAM)
        if answering.cancelled_caught:
            raise LogUnreachable(f"the log did not answer within {CHECK_SECONDS:g} s")

    async def _cancel(self, stream_id: str) -> None:
        try:
            await self.relay.cancel(stream_id)
        except RelayError as error:
            SERVICE_LOG.warning("a stream that its caller has left could not be cancelled: %s", type(error).__name__)

    async def _has_ended(self, stream_id: str) -> bool:
        with suppress(LogUnreachable):
            try:
                return (await self.relay.state(stream_id)).ended
            except UnknownStream:
                return True
        return False


async def batch(chunks: Following) -> list[tuple[StreamChunk, Position]]:
    """The next chunk, and those behind it that need not be waited for, each with its position; none after the last.

    Cancelled, it has taken none.
    """
    taken: list[tuple[StreamChunk, Position]] = []
    async for chunk in chunks:
        taken.append((chunk, chunks.position))
        if not chunks.at_hand:
            break
    return taken


def refusal_of(error: Exception) -> Refused | None:
    """What a caller is told of what the relay or a check raised; `None` for what nobody expected."""
    match error:
        case Refused():
            return error
        case UnknownStream():
            return Refused("there is no such stream, or it has expired", status=404, code="unknown_stream")
        case LogUnreachable():
            return Refused("the log of streams is out of reach", status=503, code="log_unreachable", retry_after=1.0)
        case RelayError():
            return Refused(str(error), status=409, code="conflict")
        case ConfigError():
            return Refused(str(error))
        case _:
            return None
