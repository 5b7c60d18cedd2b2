"""A `Transport` over an aiohttp session, wherever that session's asyncio loop runs.

A request has two halves. Its asyncio half performs it and sends what comes; its Trio half, the `HttpResponse`, keeps
that for the reader. Neither touches the other's state: each has the other called by a `Post`, which calls at once where
both run in one thread, and leaves the call for the other thread where they don't. So nothing here needs a lock.

Backpressure is a window: the asyncio half sends at most `SLICE_BYTES` beyond what was acknowledged, and then stops
reading from the socket. The Trio half acknowledges half a window at a time: a call to another thread has its price.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVarTuple

import trio

from gestura.errors import GesturaError, InternalError, TransportError
from gestura.transport import HttpRequest, HttpResponse
from gestura.transport._aiohttp_session import SLICE_BYTES, Session

__all__ = ["CLOSE_SECONDS", "AiohttpTransport", "Post"]

CLOSE_SECONDS: Final = 10.0
"""How long to wait for a cancelled request to be over. It takes milliseconds; this guards against a bug, and has room
for a machine that is too busy to run us."""

ACKNOWLEDGE_BYTES: Final = SLICE_BYTES // 2

logger = logging.getLogger("gestura.transport")

Arguments = TypeVarTuple("Arguments")


class Post(Protocol):
    """Has `call` called on the other side: now or soon, in the order of the posts."""

    def __call__(self, call: Callable[[*Arguments], object], /, *args: *Arguments) -> None:
        """Return at once. `call` must not raise."""


class AiohttpTransport:
    """The transport. Made by whoever runs its loop, who calls `close` before that loop ends.

    Args:
        loop: where the session lives.
        session: performs the requests.
        to_asyncio: posts from Trio's side to the loop's.
        to_trio: posts back.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, session: Session, *, to_asyncio: Post, to_trio: Post) -> None:
        self._loop = loop
        self._session = session
        self._to_asyncio = to_asyncio
        self._to_trio = to_trio
        self._process = os.getpid()
        self._responses: set[_Response] = set()
        self._closed = False

    def close(self) -> None:
        """Refuse further requests, and end the responses that were left open."""
        self._closed = True
        for response in self._responses:
            response.end(TransportError("the transport was closed", retryable=False))

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        if self._closed:
            raise trio.ClosedResourceError("the transport is closed")
        if os.getpid() != self._process:
            raise RuntimeError("a transport does not survive a fork: open one in the process that uses it")
        sending = _Sending(self._to_trio)
        response = sending.response = _Response(self._to_asyncio, sending)
        self._responses.add(response)
        self._to_asyncio(sending.start, self._loop, self._session, request)
        try:
            await response.wait_connected()
            on_connect()
            await response.wait_begun()
            yield response
        finally:
            if not response.ended.is_set():
                self._to_asyncio(sending.cancel)
            with trio.move_on_after(CLOSE_SECONDS, shield=True) as patience:
                await response.ended.wait()
            response.closed = True
            self._responses.discard(response)
            if patience.cancelled_caught:
                logger.error("a cancelled request did not end within %s s", CLOSE_SECONDS)


class _Sending:
    """The asyncio half: the task that performs the request, and the `Receiver` of what comes."""

    response: _Response

    def __init__(self, to_trio: Post) -> None:
        self._to_trio = to_trio
        self._unacknowledged_bytes = 0
        self._acknowledged: asyncio.Future[None] | None = None
        """While the task waits for room."""

    # Posted by the Trio half.

    def start(self, loop: asyncio.AbstractEventLoop, session: Session, request: HttpRequest) -> None:
        self._task = loop.create_task(session.perform(request, self))
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        self._task.cancel()

    def acknowledge(self, count: int) -> None:
        self._unacknowledged_bytes -= count
        if self._acknowledged is not None and not self._acknowledged.done():
            self._acknowledged.set_result(None)

    # Called by the task.

    def connected(self) -> None:
        self._to_trio(self.response.connected)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._to_trio(self.response.begin, status, headers)

    async def room(self) -> int:
        while self._unacknowledged_bytes >= SLICE_BYTES:
            self._acknowledged = asyncio.get_running_loop().create_future()
            await self._acknowledged
        return SLICE_BYTES - self._unacknowledged_bytes

    def take(self, data: bytes) -> None:
        self._unacknowledged_bytes += len(data)
        self._to_trio(self.response.take, data)

    def _end(self, task: asyncio.Task[GesturaError | None]) -> None:
        error: GesturaError | None
        if task.cancelled():
            error = TransportError("the transport was closed", retryable=False)
        elif task.exception() is not None:
            error = InternalError("the asyncio task of a request crashed")
        else:
            error = task.result()
        self._to_trio(self.response.end, error)


class _Response:
    """The Trio half: an `HttpResponse`."""

    status: int
    headers: Mapping[str, str]

    def __init__(self, to_asyncio: Post, sending: _Sending) -> None:
        self._to_asyncio = to_asyncio
        self._sending = sending
        self._connected = False
        self._begun = False
        self.ended = trio.Event()
        self.closed = False
        self._error: GesturaError | None = None
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._unacknowledged_bytes = 0
        self._news = trio.lowlevel.ParkingLot()

    # Posted by the asyncio half.

    def connected(self) -> None:
        self._connected = True
        self._news.unpark_all()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._begun = True
        self._news.unpark_all()

    def take(self, data: bytes) -> None:
        self._unread.append(data)
        self._unread_bytes += len(data)
        self._news.unpark_all()

    def end(self, error: GesturaError | None) -> None:
        if not self.ended.is_set():
            self._error = error
            self.ended.set()
            self._news.unpark_all()

    # Called by the reader.

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
        self._unacknowledged_bytes += len(data)
        if self._unacknowledged_bytes >= ACKNOWLEDGE_BYTES and not self.ended.is_set():
            self._to_asyncio(self._sending.acknowledge, self._unacknowledged_bytes)
            self._unacknowledged_bytes = 0
        return data

    async def _wait_for(self, ready: Callable[[], bool]) -> None:
        """Until `ready`, or the end: a failure is raised once all that came before it has been taken."""
        if ready() or self.ended.is_set():
            await trio.lowlevel.checkpoint()
        while not (ready() or self.ended.is_set()):
            await self._news.park()
        if self._error is not None and not ready():
            raise self._error
