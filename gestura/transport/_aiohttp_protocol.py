"""aiohttp's protocol of a connection, made to forget no answer, to believe none that nobody asked for, and to be quick.

A server may end an answer badly in the very read that brought its beginning: with a chunk that is none, or with bytes
behind the end. aiohttp then drops all of the read, the good part too. So a head is parsed by itself.

And a server may send a response more than it was asked for. aiohttp gives the connection back to the pool when the last
answer ends, and finds the surplus there: it would be the answer to the next request, whosever that is (RFC 9112,
section 9.2, has the client close such a connection). So bytes behind an answer end the connection.

And it takes up parsing and reading again after every chunk that was read, paused or not. Here only where it was paused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler

__all__ = ["ResponseProtocol"]

END_OF_HEAD: Final = b"\r\n\r\n"


class ResponseProtocol(ResponseHandler):
    """Made by a connector for each of its connections."""

    on_news: Callable[[], None] | None = None
    """Called when a part of the answer has been parsed, or the connection was lost."""

    _has_head = False
    _has_answer = False
    _is_paused = False

    def pause_reading(self) -> None:
        self._is_paused = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        if self._is_paused:
            self._is_paused = False
            super().resume_reading(resume_parser)

    def set_response_params(self, **params: Any) -> None:
        """A request is about to be sent."""
        self._has_head = self._has_answer = False
        self.on_news = None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """The connection brought bytes; none, where a parser that had paused goes on."""
        if not data:
            super().data_received(data)
        while data and not self._has_answer and self.exception() is None:
            end = len(data) if self._has_head else _end_of_head(data)
            super().data_received(data[:end])
            data = data[end:]
        if data:
            self._end()
        if self.on_news is not None:
            self.on_news()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self.on_news is not None:
            self.on_news()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """The parser found a head."""
        if self._has_answer:
            self._end()
            return
        message, body = data
        self._has_head = message.code >= 200  # before it there may be interim ones
        if self._has_head:
            body.on_eof(self._answered)
        super().feed_data(data, size)

    def _answered(self) -> None:
        self._has_answer = True

    def _end(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.close()


def _end_of_head(data: bytes) -> int:
    end = data.find(END_OF_HEAD)
    return len(data) if end < 0 else end + len(END_OF_HEAD)
