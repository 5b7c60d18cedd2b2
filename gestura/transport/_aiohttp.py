"""The transport of every day: aiohttp on an asyncio loop that trio-asyncio runs inside the caller's `trio.run`.

Each request is one asyncio task. It and the Trio task that reads the response run in the same thread, so `_Exchange`,
which stands between them, needs no lock: asyncio calls it to hand bytes over and wakes the reader; the reader takes
them and makes room. The loop lives in a background task, which alone sees it as `trio_asyncio.current_loop`: a caller
who runs a trio-asyncio loop of their own goes on using that.

A stray asyncio error is logged. trio-asyncio's own handler would end the user's `trio.run`.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

from gestura.errors import ConfigError, GesturaError, InternalError, TransportError
from gestura.transport import HttpRequest, HttpResponse, Transport
from gestura.transport._aiohttp_session import SLICE_BYTES, Session
from gestura.transport._quick_loop import quicken

__all__ = ["open_aiohttp_transport"]

CLOSE_SECONDS: Final = 2.0
"""How long to wait for a cancelled request to be over. It takes milliseconds; this guards against a bug."""

logger = logging.getLogger("gestura.transport")


@asynccontextmanager
async def open_aiohttp_transport() -> AsyncIterator[Transport]:
    """A transport over real sockets. Leaving the block closes its connections; leave the `open` blocks first.

    Exceptions of the block come out as they are, never in a group.

    Raises:
        ConfigError: trio-asyncio can't be imported.
    """
    trio_asyncio = _import_trio_asyncio()
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            transport: _TrioAsyncioTransport = await nursery.start(_run_loop, trio_asyncio)
            try:
                yield transport
            except BaseException as error:  # noqa: BLE001  # raised again below, once the loop has ended
                failure = error
            finally:
                transport.close()
    except BaseExceptionGroup as group:
        # The loop itself failed: a bug, or a KeyboardInterrupt that struck in asyncio's code.
        raise _only_leaf(group) from failure
    if failure is not None:
        raise failure


def _import_trio_asyncio() -> Any:
    try:
        import trio_asyncio
    except (ImportError, AttributeError):
        raise ConfigError("this transport needs trio-asyncio, which runs on Python 3.11 to 3.13") from None
    return trio_asyncio


async def _run_loop(trio_asyncio: Any, *, task_status: trio.TaskStatus[_TrioAsyncioTransport]) -> None:
    # Shielded: a cancelled caller's block still needs the loop while it unwinds, and ends it itself.
    with trio.CancelScope(shield=True) as lifetime:
        async with trio.open_nursery() as nursery, trio_asyncio.open_loop() as loop:
            quicken(loop, trio_asyncio)
            loop.set_exception_handler(_log_stray_error)
            loop.set_default_executor(_abandoning_executor(trio_asyncio))
            session = await loop.run_aio_coroutine(_new_session())
            try:
                task_status.started(_TrioAsyncioTransport(loop, session, lifetime))
                await trio.sleep_forever()
            finally:
                if not loop.is_running():
                    # A KeyboardInterrupt in a callback ends trio-asyncio's loop, which then waits for its tasks
                    # for ever. Let it run on until they are over.
                    nursery.start_soon(loop._main_loop)  # noqa: SLF001
                with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                    await loop.run_aio_coroutine(session.close())


async def _new_session() -> Session:
    return Session()


def _abandoning_executor(trio_asyncio: Any) -> Any:
    """Runs name look-ups in threads that nobody waits for: `getaddrinfo` can take half a minute to give up."""

    class AbandoningExecutor(trio_asyncio.TrioExecutor):  # type: ignore[misc]  # trio-asyncio has no types
        async def submit(self, function: Callable[..., Any], *args: Any) -> Any:
            return await trio.to_thread.run_sync(function, *args, abandon_on_cancel=True)

    return AbandoningExecutor()


def _log_stray_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what kind of error it was and where it arose. Its message may hold a request's headers."""
    error = context.get("exception")
    if error is None:
        logger.error("asyncio: %s", context.get("message"))
        return
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    logger.error("asyncio: stray %s, raised at %s", type(error).__name__, place)


def _only_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class _TrioAsyncioTransport:
    def __init__(self, loop: asyncio.AbstractEventLoop, session: Session, lifetime: trio.CancelScope) -> None:
        self._loop = loop
        self._session = session
        self._lifetime = lifetime

    def close(self) -> None:
        self._lifetime.cancel()

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        if self._lifetime.cancel_called:
            raise trio.ClosedResourceError("the transport is closed")
        exchange = _Exchange()
        task = self._loop.create_task(self._session.perform(request, exchange))
        task.add_done_callback(exchange.end)
        try:
            await exchange.wait_connected()
            on_connect()
            await exchange.wait_begun()
            yield exchange
        finally:
            task.cancel()
            with trio.move_on_after(CLOSE_SECONDS, shield=True) as patience:
                await exchange.ended.wait()
            exchange.closed = True
            if patience.cancelled_caught:
                logger.error("a cancelled request did not end within %s s", CLOSE_SECONDS)


class _Exchange:
    """One response: a `Receiver` to the asyncio task, an `HttpResponse` to the Trio task that reads it."""

    status: int
    headers: Mapping[str, str]

    def __init__(self) -> None:
        self._connected = False
        self._begun = False
        self.ended = trio.Event()
        self.closed = False
        self._error: GesturaError | None = None
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._news = trio.lowlevel.ParkingLot()
        self._taken = asyncio.Event()

    # Called by the asyncio task.

    def connected(self) -> None:
        self._connected = True
        self._news.unpark_all()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._begun = True
        self._news.unpark_all()

    async def room(self) -> int:
        while self._unread_bytes >= SLICE_BYTES:
            self._taken.clear()
            await self._taken.wait()
        return SLICE_BYTES - self._unread_bytes

    def take(self, data: bytes) -> None:
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._news.unpark_all()

    def end(self, task: asyncio.Task[GesturaError | None]) -> None:
        if task.cancelled():
            self._error = TransportError("the transport was closed", retryable=False)
        elif task.exception() is not None:
            self._error = InternalError("the asyncio task of a request crashed")
        else:
            self._error = task.result()
        self.ended.set()
        self._news.unpark_all()

    # Called by the Trio task.

    async def wait_connected(self) -> None:
        await self._wait_for(lambda: self._connected)

    async def wait_begun(self) -> None:
        await self._wait_for(lambda: self._begun)

    async def receive_some(self) -> bytes:
        if self.closed:
            raise trio.ClosedResourceError("the response is closed")
        await self._wait_for(lambda: bool(self._unread))
        data = b"".join(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        self._taken.set()
        return data

    async def _wait_for(self, ready: Callable[[], bool]) -> None:
        """Until `ready`, or the end: a failure is raised once all that came before it has been taken."""
        if ready() or self.ended.is_set():
            await trio.lowlevel.checkpoint()
        while not (ready() or self.ended.is_set()):
            await self._news.park()
        if self._error is not None and not ready():
            raise self._error
