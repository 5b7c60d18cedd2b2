"""A `Transport` over an aiohttp session, wherever that session's asyncio loop runs.

A request has two halves. Its asyncio half performs it and sends what comes; its Trio half, the `HttpResponse`, keeps
that for the reader. Neither touches the other's state: each has the other called by a `Post`, which calls at once where
both run in one thread, and leaves the call for the other thread where they don't. So nothing here needs a lock.

Backpressure is a window: the asyncio half sends at most `SLICE_BYTES` beyond what was acknowledged, and then stops
reading from the socket. The Trio half acknowledges half a window at a time: a call to another thread has its price.

A reader may have what arrives while it waits handed over (see `HandsOver`): then bytes go from the socket to the user's
channel in one call, and no task is woken but the user's.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol, Self, TypeVarTuple

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

    def open(
        self, request: HttpRequest, *, on_connect: Callable[[], None]
    ) -> AbstractAsyncContextManager[HttpResponse]:
        sending = _Sending(self._loop, self._session, request, self._to_trio)
        response = sending.response = _Response(self, sending, self._to_asyncio, on_connect)
        return response

    def enter(self, response: _Response) -> None:
        """The block of a response is entered."""
        if self._closed:
            raise trio.ClosedResourceError("the transport is closed")
        if os.getpid() != self._process:
            raise RuntimeError("a transport does not survive a fork: open one in the process that uses it")
        self._responses.add(response)

    def leave(self, response: _Response) -> None:
        """The block of a response was left."""
        self._responses.discard(response)


class _Sending:
    """The asyncio half: the task that performs the request, and the `Receiver` of what comes."""

    response: _Response

    def __init__(self, loop: asyncio.AbstractEventLoop, session: Session, request: HttpRequest, to_trio: Post) -> None:
        self._loop = loop
        self._session = session
        self._request = request
        self._to_trio = to_trio
        self._unacknowledged_bytes = 0
        self._is_full = False
        self._tell_of_room: Callable[[], None] | None = None

    # Posted by the Trio half.

    def start(self) -> None:
        self._task = self._loop.create_task(self._session.perform(self._request, self))
        self._task.add_done_callback(self._end)

    def cancel(self) -> None:
        self._task.cancel()

    def acknowledge(self, count: int) -> None:
        self._unacknowledged_bytes -= count
        if self._is_full and self._tell_of_room is not None:
            self._is_full = False
            self._loop.call_soon(self._tell_of_room)

    # Called by the task.

    def connected(self) -> None:
        self._to_trio(self.response.connected)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._to_trio(self.response.begin, status, headers)

    def room(self) -> int:
        room = SLICE_BYTES - self._unacknowledged_bytes
        self._is_full = room <= 0
        return room

    def tell_of_room(self, tell: Callable[[], None]) -> None:
        self._tell_of_room = tell

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
    """The Trio half: an `HttpResponse`, and the block in which it is open."""

    status: int
    headers: Mapping[str, str]

    def __init__(
        self, transport: AiohttpTransport, sending: _Sending, to_asyncio: Post, on_connect: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._sending = sending
        self._to_asyncio = to_asyncio
        self._on_connect: Callable[[], None] | None = on_connect
        self._has_begun = False
        self._has_ended = False
        self._is_closed = False
        self._error: GesturaError | None = None
        self._unread: list[bytes] = []
        self._unacknowledged_bytes = 0
        self._reader: trio.lowlevel.Task | None = None
        """While it waits for news."""
        self._hand_over: Callable[[bytes], bool] | None = None
        self._failure: BaseException | None = None
        """What a function of the reader's has raised, for the reader."""

    async def __aenter__(self) -> Self:
        self._transport.enter(self)
        self._to_asyncio(self._sending.start)
        try:
            await self._wait_begun()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        """Return when the request is over. A checkpoint only where it was not; never cancelled."""
        self._hand_over = None
        if not self._has_ended:
            self._to_asyncio(self._sending.cancel)
            with trio.move_on_after(CLOSE_SECONDS, shield=True) as patience:
                while not self._has_ended:
                    await self._wait_for_news()
            if patience.cancelled_caught:
                logger.error("a cancelled request did not end within %s s", CLOSE_SECONDS)
        self._is_closed = True
        self._transport.leave(self)

    # Posted by the asyncio half.

    def connected(self) -> None:
        on_connect, self._on_connect = self._on_connect, None
        if on_connect is not None:
            try:
                on_connect()
            except BaseException as error:  # noqa: BLE001  # raised in the reader's task
                self._failure = error
                self._wake_reader()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._has_begun = True
        self._wake_reader()

    def take(self, data: bytes) -> None:
        if not self._is_handed_over(data):
            self._unread.append(data)
            self._wake_reader()

    def end(self, error: GesturaError | None) -> None:
        if not self._has_ended:
            self._error = error
            self._has_ended = True
            self._wake_reader()

    # Called by the reader.

    async def _wait_begun(self) -> None:
        while not (self._has_begun or self._has_ended or self._failure):
            await self._wait_for_news()
        if self._failure is not None:
            raise self._failure
        if not self._has_begun and self._error is not None:
            raise self._error

    async def receive_some(self) -> bytes:
        if self._is_closed:
            raise trio.ClosedResourceError("the response is closed")
        if self._unread or self._has_ended:
            await trio.lowlevel.checkpoint()
        while not (self._unread or self._has_ended):
            await self._wait_for_news()
        if self._failure is not None:
            raise self._failure
        if not self._unread and self._error is not None:
            raise self._error
        data = b"".join(self._unread)
        self._unread.clear()
        self._acknowledge(len(data))
        return data

    def hand_over_to(self, take: Callable[[bytes], bool]) -> None:
        self._hand_over = take

    def _is_handed_over(self, data: bytes) -> bool:
        if self._reader is None or self._hand_over is None:
            return False
        try:
            handed_over = self._hand_over(data)
        except BaseException as error:  # noqa: BLE001  # raised in the reader's task
            self._failure = error
            return False
        if handed_over:
            self._acknowledge(len(data))
        return handed_over

    def _acknowledge(self, count: int) -> None:
        self._unacknowledged_bytes += count
        if self._unacknowledged_bytes >= ACKNOWLEDGE_BYTES and not self._has_ended:
            self._to_asyncio(self._sending.acknowledge, self._unacknowledged_bytes)
            self._unacknowledged_bytes = 0

    async def _wait_for_news(self) -> None:
        self._reader = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    def _stop_waiting(self, _raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        self._reader = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake_reader(self) -> None:
        if self._reader is not None:
            trio.lowlevel.reschedule(self._reader)
            self._reader = None
