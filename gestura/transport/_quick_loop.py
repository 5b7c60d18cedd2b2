"""trio-asyncio's loop, made quick: two of its methods, replaced on one loop.

The stock loop passes through Trio's scheduler once for each callback, and once more after each socket that was read.
Under many slow streams that costs more than all of the rest. Here one wake-up runs every callback that is queued, as
asyncio's own loop does, and a socket whose transport has just taken its bytes is waited for again at once: stock waits
for the callbacks first, for the sake of callbacks that leave reading to somebody else.

Both replace private methods, so both are replaced only on versions of trio-asyncio that were looked at.
"""

from __future__ import annotations

import asyncio
import heapq
from importlib.metadata import version
from types import MethodType
from typing import Any, Final

import trio

__all__ = ["quicken"]

KNOWN_VERSIONS: Final = ("0.16.",)

MOST_AT_ONCE: Final = 256
"""Callbacks that one wake-up runs at the most, so that a flood of them lets other tasks run in between."""


def quicken(loop: Any, trio_asyncio: Any) -> None:
    """Replace the two methods on `loop`; a loop of an unknown version is left as it is."""
    if not version("trio-asyncio").startswith(KNOWN_VERSIONS):
        return
    handles = _Handles(loop, trio_asyncio)
    loop._main_loop_one = handles.run_queued  # noqa: SLF001
    loop._io_task = MethodType(_watch_socket, loop)  # noqa: SLF001


class _Handles:
    """Runs what is queued in a loop."""

    def __init__(self, loop: Any, trio_asyncio: Any) -> None:
        self._loop = loop
        self._queue: trio.MemoryReceiveChannel[Any] = loop._q_recv  # noqa: SLF001
        self._timers: list[Any] = loop._timers  # noqa: SLF001
        self._async_handle = trio_asyncio._handles.AsyncHandle  # noqa: SLF001
        self._library = trio_asyncio._base.sniffio_library  # noqa: SLF001

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
        if not self._timers:
            return await self._queue.receive()
        with trio.move_on_at(trio.current_time() + self._timers[0]._when - self._loop.time()):  # noqa: SLF001
            return await self._queue.receive()
        return None

    async def _run(self, handle: Any) -> None:
        if isinstance(handle, asyncio.TimerHandle) and not self._is_due(handle):
            heapq.heappush(self._timers, handle)
        elif isinstance(handle, self._async_handle):
            handle._context.run(self._loop._nursery.start_soon, handle._run, name=handle._callback)  # noqa: SLF001
            await handle._started.wait()  # noqa: SLF001
        elif not handle._cancelled:  # noqa: SLF001
            before, self._library.name = self._library.name, "asyncio"
            try:
                handle._run()  # noqa: SLF001
            finally:
                self._library.name = before

    def _is_due(self, timer: asyncio.TimerHandle) -> bool:
        return bool(timer.when() <= self._loop.time())


async def _watch_socket(_loop: Any, fd: int, handle: Any, wait_ready: Any) -> None:
    """Call `handle` whenever the socket is ready, until it is cancelled."""
    with handle._scope:  # noqa: SLF001
        try:
            while not handle._cancelled:  # noqa: SLF001
                try:
                    await wait_ready(fd)
                except OSError:
                    if handle._cancelled:  # noqa: SLF001  # it was cancelled and closed in one breath
                        break
                    raise
                if handle._cancelled:  # noqa: SLF001
                    break
                callback = handle._callback  # noqa: SLF001
                handle._run()  # noqa: SLF001
                if not isinstance(getattr(callback, "__self__", None), asyncio.Transport):
                    await _loop.synchronize()
        except Exception as error:  # noqa: BLE001  # as in the method this replaces
            handle._raise(error)  # noqa: SLF001
