"""The transport for every Python: aiohttp on an asyncio loop in a thread of its own.

The thread serves all streams of a client. It crosses to Trio at most once a millisecond, with all that its sockets had
to say, and Trio crosses back to start, to cancel, and once for half a window of bytes: see `_Mailbox`. What this costs
is a switch of threads for a batch; what it saves is running an asyncio loop on top of Trio's.

The loop is made by name and not by policy, because trio-asyncio installs a policy for the whole process. No signal
reaches the thread: Ctrl-C is the business of Trio's. A stray asyncio error is logged.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Final, ParamSpec, TypeVar

import trio

from gestura.transport import Transport
from gestura.transport._aiohttp_exchange import CLOSE_SECONDS, AiohttpTransport, Arguments
from gestura.transport._aiohttp_session import Session, log_stray_error

__all__ = ["open_thread_transport"]

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

PAUSE_SECONDS: Final = 0.001
"""The least time from one wake-up of Trio to the next. A stream by itself hardly ever waits for it: no model speaks so
fast. Many streams share wake-ups: 50 of them at 50 events a second cost a tenth less CPU, 100 a sixth."""

logger = logging.getLogger("gestura.transport")


@asynccontextmanager
async def open_thread_transport() -> AsyncIterator[Transport]:
    """A transport over real sockets. Leaving the block closes its connections; leave the `open` blocks first.

    Leaving it, by any door, also joins the thread; this takes milliseconds and is not cancellable.
    """
    thread = _LoopThread(trio.lowlevel.current_trio_token())
    try:
        yield thread.transport
    finally:
        await thread.stop()


class _LoopThread:
    """The thread, from its start to its end, as seen from Trio's."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token
        self._loop = _new_loop()
        self._session = Session()
        self._stop = asyncio.Event()
        self._over = trio.Event()
        self._woken_at = 0.0
        self._to_asyncio = _Mailbox(self._wake_asyncio)
        self.transport = AiohttpTransport(
            self._loop, self._session, to_asyncio=self._to_asyncio.post, to_trio=_Mailbox(self._wake_trio).post
        )
        # A context of its own: in that of the caller, trio-asyncio might take another loop for the running one.
        self._context = contextvars.Context()
        self._thread = threading.Thread(target=self._run, name="gestura transport", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self.transport.close()
        self._to_asyncio.post(self._stop.set)
        with trio.move_on_after(2 * CLOSE_SECONDS, shield=True) as patience:
            await self._over.wait()
            self._thread.join()
        if patience.cancelled_caught:
            logger.error("the thread of a transport did not end within %s s", 2 * CLOSE_SECONDS)

    def _wake_asyncio(self, deliver: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: whatever this was for is over
            self._loop.call_soon_threadsafe(deliver, context=self._context)

    # In the thread.

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # it has nobody to go to: the thread ends here
            log_stray_error(self._loop, {"exception": error})
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._end)

    async def _serve(self) -> None:
        self._loop.set_exception_handler(log_stray_error)
        self._loop.set_default_executor(_AbandonedThreads())
        try:
            await self._stop.wait()
        finally:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._session.close()

    def _wake_trio(self, deliver: Callable[[], None]) -> None:
        # In any case not before all sockets that are ready have had their turn.
        self._loop.call_at(self._woken_at + PAUSE_SECONDS, self._wake_trio_now, deliver)

    def _wake_trio_now(self, deliver: Callable[[], None]) -> None:
        self._woken_at = self._loop.time()
        self._token.run_sync_soon(deliver)

    # Back in Trio's.

    def _end(self) -> None:
        self.transport.close()
        self._over.set()


class _Mailbox:
    """Calls that one thread leaves for another, which makes them in order, all that have gathered at a time.

    Args:
        wake: has the other thread call a function, in which the calls are made. It is not called again before then.
    """

    def __init__(self, wake: Callable[[Callable[[], None]], None]) -> None:
        self._wake = wake
        self._calls: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self._lock = threading.Lock()

    @trio.lowlevel.enable_ki_protection  # Ctrl-C between the two steps would leave calls that nobody is woken for
    def post(self, call: Callable[[*Arguments], object], /, *args: *Arguments) -> None:
        with self._lock:
            self._calls.append((call, args))
            first = len(self._calls) == 1
        if first:
            self._wake(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, []
        for call, args in calls:
            call(*args)


class _AbandonedThreads(ThreadPoolExecutor):
    """Runs name look-ups in threads that nobody waits for: `getaddrinfo` can take half a minute to give up."""

    def submit(
        self, function: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        future: Future[Result] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # raised where it is waited for
                future.set_exception(error)

        threading.Thread(target=run, name="gestura look-up", daemon=True).start()
        return future


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.version_info >= (3, 13):
        return asyncio.EventLoop()
    return asyncio.SelectorEventLoop()
