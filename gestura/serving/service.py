"""What the service does, whichever interface asks: begin streams, follow them, order them about.

All streams are submitted to the relay's queue and followed from its log, so nothing here depends on where they run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Final

import trio

from gestura.chunks import StreamChunk
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.relay.following import Following
from gestura.relay.log import LogUnreachable, Position, RelayError, StreamState, UnknownStream
from gestura.relay.memory import MemoryLog
from gestura.relay.relay import Relay
from gestura.serve_settings import ServeSettings
from gestura.serving.callers import Callers, Rates
from gestura.serving.logs import SERVICE_LOG
from gestura.serving.metrics import Metrics
from gestura.serving.models import check_provider
from gestura.serving.refused import Refused
from gestura.serving.running import Running

__all__ = ["Service", "batch", "entering", "refusal_of"]

ENTERING_SECONDS: Final = 3.0
"""How long the log may be out of reach before a caller who waits for the head of an answer is told so. Those who follow
a stream already are kept for as long as the relay's own patience lasts."""

ORDER_SECONDS: Final = 5.0
"""How long the log may take to be told that a caller has left."""

AGAIN_SECONDS: Final = 1.0
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
        self._send_unwanted, self._unwanted = trio.open_memory_channel[str](math.inf)

    async def begin(self, caller: str, request: Request, *, provider: str | None, model: str | None) -> str:
        """Begin a stream, and give its name.

        Raises:
            Refused: the caller has too many, or the service is ending.
            LogUnreachable: it could not be submitted.
        """
        if self.is_ending:
            raise Refused("the service is ending; ask again", status=503, code="ending", retry_after=1.0)
        check_provider(provider, self.config)
        self._rates.count(caller, trio.current_time())
        stream_id = self.callers.new_stream(caller)
        with entering():
            await self._running.add(caller, stream_id)
            try:
                await self.relay.submit(request, stream_id=stream_id, provider=provider, model=model)
            except BaseException:
                self._running.forget(caller, stream_id)
                self._send_unwanted.send_nowait(stream_id)  # it may have got in all the same
                raise
        self.metrics.count_begun(stream_id, trio.current_time())
        return stream_id

    @asynccontextmanager
    async def follow(self, stream_id: str, after: Position | None = None) -> AsyncIterator[Following]:
        """Follow a stream that is the caller's.

        Raises:
            UnknownStream: there is none.
            RelayError: it ends before `after`.
            LogUnreachable: the log is out of reach.
        """
        async with AsyncExitStack() as stack:
            with entering():
                chunks = await stack.enter_async_context(self.relay.follow(stream_id, after))
            self._followed[stream_id] += 1
            try:
                with self.metrics.following.track_inprogress():
                    yield chunks
            finally:
                self._followed[stream_id] -= 1
                if not self._followed[stream_id]:
                    del self._followed[stream_id]

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
            if following is None:
                self._send_unwanted.send_nowait(stream_id)
            elif following.ending is None:
                with trio.move_on_after(ORDER_SECONDS, shield=True):
                    await self._cancel(stream_id)

    async def state(self, stream_id: str) -> StreamState:
        """What is known of a stream now.

        Raises:
            UnknownStream: there is none.
            LogUnreachable: the log is out of reach.
        """
        with entering():
            return await self.relay.state(stream_id)

    async def withdraw(self) -> None:
        """Cancel the streams that nobody was told of, because the log was out of reach; until cancelled.

        Each as soon as the log is back, since whether it was begun can't be known before.
        """
        async for stream_id in self._unwanted:
            while True:
                try:
                    await self.relay.cancel(stream_id)
                except LogUnreachable:
                    await trio.sleep(AGAIN_SECONDS)
                    continue
                except RelayError:
                    pass  # it did not get in, as a rule
                break

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

    async def measure(self) -> bytes:
        """What `GET /metrics` tells. Where the log does not answer, it says so, and nothing of the queue."""
        metrics = self.metrics
        metrics.running.set(self.relay.keeper.publishing)
        waiting = math.nan
        with trio.move_on_after(CHECK_SECONDS), suppress(LogUnreachable):
            waiting = await self.relay.queue.waiting()
        metrics.waiting.set(waiting)
        metrics.log_up.set(not math.isnan(waiting))
        return metrics.text()

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


@contextmanager
def entering() -> Iterator[None]:
    """What is done before a caller is told anything.

    Raises:
        LogUnreachable: the log was out of reach for too long.
    """
    with trio.move_on_after(ENTERING_SECONDS) as scope:
        yield
    if scope.cancelled_caught:
        raise LogUnreachable(f"the log was out of reach for {ENTERING_SECONDS:g} s")


async def batch(chunks: Following) -> list[tuple[StreamChunk, Position | None]]:
    """The next chunk, and those behind it that need not be waited for; none after the last.

    Each has its position; an ending that this follower alone is told, as that the log has lost the stream, has none.
    Cancelled, it has taken none.
    """
    taken: list[tuple[StreamChunk, Position | None]] = []
    before = chunks.position
    async for chunk in chunks:
        taken.append((chunk, chunks.position if chunks.position != before else None))
        before = chunks.position
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
