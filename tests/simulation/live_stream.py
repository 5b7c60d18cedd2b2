"""One stream that a test drives step by step, from a thread without an event loop.

Trio runs in a thread of its own, under a clock that only the test moves. After every step it has come to rest: all that
can happen at this moment has happened.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from queue import SimpleQueue
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import gestura
from gestura.errors import TransportError
from gestura.transport import HttpRequest, HttpResponse


class LiveRequest:
    """A request whose server is the test. What the test does waits until it is asked for."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.closed = False
        self.status = 200
        self.headers = {"Content-Type": "text/event-stream"}
        self._send, self._receive = trio.open_memory_channel[Any](1000)

    def does(self, what: Any) -> None:
        """`True` goes on to the next phase; bytes are a part of the body; `TransportError` breaks the connection."""
        self._send.send_nowait(what)

    async def next(self) -> Any:
        what = await self._receive.receive()
        if isinstance(what, TransportError):
            raise what
        return what

    async def receive_some(self) -> bytes:
        return await self.next()

    def close(self) -> None:
        self.closed = True
        self._send.close()
        self._receive.close()


class LiveTransport:
    """A transport that leaves every request to the test."""

    def __init__(self) -> None:
        self.requests: list[LiveRequest] = []

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        live = LiveRequest(request)
        self.requests.append(live)
        try:
            await live.next()
            on_connect()
            live.status = await live.next()
            yield live
        finally:
            live.close()

    @property
    def open_requests(self) -> list[LiveRequest]:
        return [request for request in self.requests if not request.closed]


class LiveStream:
    """A client, one stream of it, and a consumer that takes a chunk only when it is told to.

    Attributes:
        received: what the consumer has taken.
        over: the consumer has left the stream, having read all of it or not.
        error: what came out of it that should not.
    """

    def __init__(self, config: gestura.StreamingConfig) -> None:
        self.transport = LiveTransport()
        self.token = gestura.CancellationToken()
        self.received: list[gestura.StreamChunk] = []
        self.over = False
        self.error: BaseException | None = None
        self._config = config
        self._clock = MockClock()
        self._started: SimpleQueue[trio.lowlevel.TrioToken] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._trio = self._started.get()
        self.do(lambda: None)

    def _run(self) -> None:
        try:
            trio.run(self._main, clock=self._clock)
        except BaseException as error:  # noqa: BLE001  # for the test to see
            self.error = error

    async def _main(self) -> None:
        self._permits = trio.Semaphore(0)
        self._leaving = trio.Event()
        self._stopping = trio.Event()
        self._tasks = trio.lowlevel.current_statistics().tasks_living
        async with gestura.open_client(self._config, transport=self.transport) as client:
            self._started.put(trio.lowlevel.current_trio_token())
            async with client.stream("Hi", token=self.token) as chunks, trio.open_nursery() as nursery:
                nursery.start_soon(self._consume, chunks, nursery.cancel_scope)
                await self._leaving.wait()
                nursery.cancel_scope.cancel()
            self.over = True
            await self._stopping.wait()

    async def _consume(self, chunks: gestura.ChunkStream, scope: trio.CancelScope) -> None:
        while True:
            await self._permits.acquire()
            try:
                self.received.append(await anext(chunks))
            except StopAsyncIteration:
                self._leaving.set()
                return

    @property
    def now(self) -> float:
        return self._clock.current_time()

    def do(self, action: Callable[[], object]) -> None:
        """Do something inside Trio, and let it come to rest."""

        async def act() -> None:
            action()
            await wait_all_tasks_blocked()

        trio.from_thread.run(act, trio_token=self._trio)

    def pass_time(self, until: float) -> None:
        """Let time pass, coming to rest at every moment at which something happens."""

        async def wait() -> None:
            while self.now < until:
                next_deadline = trio.lowlevel.current_statistics().seconds_to_next_deadline
                self._clock.jump(min(max(next_deadline, 0.0), until - self.now))
                await wait_all_tasks_blocked()

        trio.from_thread.run(wait, trio_token=self._trio)

    def read(self, chunks: int = 1) -> None:
        """The consumer takes so many chunks more, now or when they come."""

        def allow() -> None:
            for _ in range(chunks):
                self._permits.release()

        self.do(allow)

    def leave(self) -> None:
        """The consumer leaves the block of the stream."""
        self.do(self._leaving.set)

    def tasks_left(self) -> int:
        """How many tasks more there are than without a stream, once it is over."""
        counts: list[int] = []
        self.do(lambda: counts.append(trio.lowlevel.current_statistics().tasks_living - self._tasks))
        return counts[0] - 1  # the task that counts

    def stop(self) -> None:
        """End it all, and the thread."""
        if self._thread.is_alive():
            self.leave()
            self._trio.run_sync_soon(self._stopping.set)
            self._thread.join(timeout=10)
