"""trio-asyncio's loop, made quick: what runs callbacks and what watches sockets, replaced on one loop.

The stock loop passes through Trio's scheduler once for each callback, and has a Trio task for each socket, which passes
through it once more for each read. Under many slow streams that costs more than all of the rest. Here one wake-up runs
every callback that is queued, as asyncio's own loop does. And one task watches all sockets, where the system has epoll:
they are in an epoll of their own, and that is in Trio's. It runs what a socket's bytes lead to, too, where no other
callbacks are before it.

All are private methods, so they are replaced only on versions of trio-asyncio that were looked at.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import selectors
from collections import deque
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any, Final

import trio

__all__ = ["quicken"]

KNOWN_VERSIONS: Final = ("0.16.",)

MOST_AT_ONCE: Final = 256
"""Callbacks that one wake-up runs at the most, so that a flood of them lets other tasks run in between."""

SOCKETS_AT_ONCE: Final = 32
"""The same for sockets: each may have brought 64 KiB, and with them a millisecond of work."""


def quicken(loop: Any, trio_asyncio: Any) -> None:
    """Replace the methods on `loop`; a loop of an unknown version is left as it is."""
    if not trio_asyncio.__version__.startswith(KNOWN_VERSIONS):
        return
    handles = _Handles(loop, trio_asyncio)
    loop._queue_handle = handles.queue  # noqa: SLF001
    loop._main_loop_one = handles.run_queued  # noqa: SLF001
    loop.call_soon = handles.call_soon
    if hasattr(selectors, "EpollSelector"):
        sockets = _Sockets(loop, trio_asyncio, handles)
        loop._cancel_fds = sockets.forget  # noqa: SLF001
        loop._nursery.start_soon(sockets.watch)  # noqa: SLF001


class _Handles:
    """Runs what is queued in a loop."""

    def __init__(self, loop: Any, trio_asyncio: Any) -> None:
        self._loop = loop
        self._send: trio.MemorySendChannel[Any] = loop._q_send  # noqa: SLF001
        self._queue: trio.MemoryReceiveChannel[Any] = loop._q_recv  # noqa: SLF001
        self._timers: list[Any] = loop._timers  # noqa: SLF001
        self._async_handle = trio_asyncio._handles.AsyncHandle  # noqa: SLF001
        self._not_for_sockets = (asyncio.TimerHandle, self._async_handle)
        """What only the main task can run."""
        self._library = trio_asyncio._base.sniffio_library  # noqa: SLF001
        self._is_idle = False
        """Nothing is queued, and the main task waits for something to be."""
        self._is_gathering = False
        self._gathered: deque[Any] = deque()
        """While a socket's callback runs: what it queues, for the same task to run."""

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Queue a call. Stock looks every time whether `callback` is a coroutine function, as asyncio does in debug."""
        handle = asyncio.Handle(callback, args, self._loop, context)
        self.queue(handle)
        return handle

    def queue(self, handle: Any) -> Any:
        """Have `handle` run after all that were queued before it."""
        if self._is_gathering:
            self._gathered.append(handle)
        else:
            self._loop._check_closed()  # noqa: SLF001
            self._is_idle = False
            self._send.send_nowait(handle)
        return handle

    async def run_queued(self, no_wait: bool = False) -> None:
        """Wait for a callback, and run it with all that are queued behind it.

        Raises:
            trio.WouldBlock: `no_wait` is set, and nothing is queued.
        """
        handle = self._queue.receive_nowait() if no_wait else (await self._next() or self._poll())
        ran = 0
        while handle is not None:
            await self._run(handle)
            ran += 1
            handle = self._poll() if ran < MOST_AT_ONCE else None

    def run_with_what_it_queues(self, handle: Any) -> None:
        """Run a socket's callback, and then, if nothing else is queued, what it has queued, and what that has …"""
        if not self._is_idle:
            handle._run()  # noqa: SLF001
            return
        gathered = self._gathered
        self._is_gathering = True
        try:
            handle._run()  # noqa: SLF001
            ran = 0
            while gathered and ran < MOST_AT_ONCE and not isinstance(gathered[0], self._not_for_sockets):
                self._call(gathered.popleft())
                ran += 1
        finally:
            self._is_gathering = False
            while gathered:
                self.queue(gathered.popleft())

    def _poll(self) -> Any:
        """The next handle that can run now, or `None`."""
        if self._timers and self._timers[0]._when <= self._loop.time():  # noqa: SLF001
            return heapq.heappop(self._timers)
        try:
            return self._queue.receive_nowait()
        except trio.WouldBlock:
            return None

    async def _next(self) -> Any:
        """The next that is queued; `None` when a timer is due first."""
        self._is_idle = not self._queue.statistics().current_buffer_used
        try:
            if not self._timers:
                return await self._queue.receive()
            with trio.move_on_at(trio.current_time() + self._timers[0]._when - self._loop.time()):  # noqa: SLF001
                return await self._queue.receive()
            return None
        finally:
            self._is_idle = False

    async def _run(self, handle: Any) -> None:
        if isinstance(handle, asyncio.TimerHandle) and not self._is_due(handle):
            heapq.heappush(self._timers, handle)
        elif isinstance(handle, self._async_handle):
            handle._context.run(self._loop._nursery.start_soon, handle._run, name=handle._callback)  # noqa: SLF001
            await handle._started.wait()  # noqa: SLF001
        else:
            self._call(handle)

    def _call(self, handle: Any) -> None:
        if not handle._cancelled:  # noqa: SLF001
            before, self._library.name = self._library.name, "asyncio"
            try:
                handle._run()  # noqa: SLF001
            finally:
                self._library.name = before

    def _is_due(self, timer: asyncio.TimerHandle) -> bool:
        return bool(timer.when() <= self._loop.time())


class _Sockets:
    """Runs the callbacks of sockets that are ready."""

    def __init__(self, loop: Any, trio_asyncio: Any, handles: _Handles) -> None:
        self._loop = loop
        self._current_loop = trio_asyncio.current_loop
        self._handles = handles
        self._selector = selectors.EpollSelector()
        loop._selector = self._selector  # noqa: SLF001  # which closes it in the end
        for name in ("_add_reader", "_add_writer"):  # asyncio's own: they only tell the selector
            setattr(loop, name, MethodType(getattr(asyncio.SelectorEventLoop, name), loop))

    async def watch(self) -> None:
        """Call what waits for a socket whenever that is ready, until this is cancelled."""
        self._current_loop.set(self._loop)  # for the callbacks that this task runs
        while True:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            are_transports = True
            for count, handle in enumerate(self._ready_handles(), 1):
                owner = getattr(handle._callback, "__self__", None)  # noqa: SLF001
                are_transports &= isinstance(owner, asyncio.Transport)
                self._handles.run_with_what_it_queues(handle)
                if count % SOCKETS_AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()
            if not are_transports:  # it may have left reading to somebody else, who must have a turn before the next
                await self._loop.synchronize()

    def _ready_handles(self) -> Iterator[Any]:
        """The handles of what is ready now; one that another has cancelled by its turn is left out."""
        for key, ready in self._selector.select(0):
            for event, handle in zip((selectors.EVENT_READ, selectors.EVENT_WRITE), key.data, strict=True):
                if ready & event and not handle.cancelled():
                    yield handle

    def forget(self) -> None:
        """The loop ends."""
        for key in list(self._selector.get_map().values()):
            for handle in filter(None, key.data):
                handle.cancel()
