"""The body of a response, brought to its receiver in the very call that brought its bytes to the connection.

With aiohttp's `read` a task of asyncio's waits for each piece: a future, a callback in the loop's queue, a turn of that
task, all for one word of a model's. Here the connection says when it has parsed something, and what it has parsed goes
on at once; the task that performs the request only waits for the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import aiohttp

from gestura.transport._aiohttp_protocol import ResponseProtocol

__all__ = ["Body", "BodyReceiver"]


class BodyReceiver(Protocol):
    """Who takes the body."""

    def room(self) -> int:
        """How many bytes it takes now; it may be less than none."""

    def take(self, data: bytes) -> None:
        """The next bytes of the body; at most as many as there is room for."""

    def tell_of_room(self, tell: Callable[[], None]) -> None:
        """Have `tell` called, in asyncio, once there is room again after there was none."""


class Body:
    """One response's body, on its way.

    Args:
        response: whose it is. Its `content` is read here alone.
        protocol: of its connection.
        receiver: takes it.
    """

    def __init__(self, response: aiohttp.ClientResponse, protocol: ResponseProtocol, receiver: BodyReceiver) -> None:
        self._content = response.content
        self._protocol = protocol
        self._receiver = receiver
        self._error: BaseException | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moved = 0
        self._is_moving = False

    async def bring(self) -> None:
        """Bring all of it, as it comes, and return at its end.

        Raises:
            aiohttp.ClientError: it broke off. What had come before has been brought.
        """
        self._receiver.tell_of_room(self._move)
        self._protocol.on_news = self._move
        try:
            self._move()
            await self._over
        finally:
            if self._protocol.on_news == self._move:  # an idle connection may serve another request already
                self._protocol.on_news = None
        if self._error is not None:
            raise self._error

    def _move(self) -> None:
        """Hand on what has come, as far as there is room for it."""
        if self._is_moving or self._over.done():
            return  # to read may resume the parser, which has news then
        self._is_moving = True
        try:
            while (waits := self._has_more()) and (room := self._receiver.room()) > 0:
                data = self._content.read_nowait(room)
                self._moved += len(data)
                self._receiver.take(data)
        finally:
            self._is_moving = False
        if not waits and (self._error is not None or self._content.is_eof()):
            self._over.set_result(None)

    def _has_more(self) -> bool:
        """Whether bytes wait in aiohttp's buffer; and what has gone wrong behind them is noted."""
        content = self._content
        if (error := content.exception()) is not None:
            # aiohttp would keep to itself what had arrived before the connection broke.
            self._error = error
            content.set_exception(None)  # type: ignore[arg-type]  # `exception()` is `None` while there is none
        elif not self._protocol.connected and not content.is_eof() and self._error is None:
            # After malformed chunks aiohttp closes the connection, and leaves readers waiting for ever.
            self._error = aiohttp.ClientPayloadError()
        return self._moved < content.total_bytes
