"""One HTTP request from Trio's side: its body, and an answer that is written as it comes.

aiohttp is asyncio's. Reading and writing happen there, in the loop that the server runs; waiting for them is Trio's,
and cancelled like all else. A caller who leaves ends the handler's task; one who reads nothing for long is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import trio
from aiohttp import web

from gestura.serving.refused import Refused

__all__ = ["Exchange", "LeftError"]

BODY_SECONDS: Final = 60.0
"""How long a caller may take to send a body."""

WRITE_SECONDS: Final = 300.0
"""How long a caller may read nothing. Who comes back later goes on from `Last-Event-ID`."""


class LeftError(Exception):
    """The caller is gone, or as good as gone: there is nobody to answer."""


class Exchange:
    """A request and its answer.

    Args:
        loop: trio-asyncio's, which the server runs on.
        request: aiohttp's.
        headers: for every answer.
    """

    def __init__(self, loop: Any, request: web.Request, headers: Mapping[str, str]) -> None:
        self._loop = loop
        self._headers = dict(headers)
        self._response: web.StreamResponse | None = None
        self.request = request

    @property
    def begun(self) -> bool:
        """Whether a part of the answer was sent: what goes wrong now can't be told by its status."""
        return self._response is not None

    async def json(self) -> Any:
        """The body.

        Raises:
            Refused: it is too large, too slow, or no JSON.
        """
        request = self.request
        if request.content_type != "application/json":
            raise Refused("send the body as Content-Type: application/json", status=415, code="content_type")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused("send the body without a Content-Encoding", status=415, code="content_encoding")
        try:
            with trio.fail_after(BODY_SECONDS):
                body = await self._loop.run_aio_coroutine(request.read())
            return msgspec.json.decode(body)
        except web.HTTPRequestEntityTooLarge as error:
            raise Refused(
                f"the body is too large: {error.text} (max_body_bytes)", status=413, code="too_large"
            ) from None
        except trio.TooSlowError:
            raise Refused(f"no whole body within {BODY_SECONDS:g} s", status=408, code="slow_body") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(f"the body is no JSON: {error}", code="no_json") from None
        except RecursionError:
            raise Refused("the body is nested too deeply", code="no_json") from None
        except (ConnectionError, web.RequestPayloadError) as error:
            raise LeftError from error

    def whole(self, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
        """An answer of one JSON value."""
        told = {**self._headers, "Cache-Control": "no-store", **(headers or {})}
        return web.Response(
            body=msgspec.json.encode(value), status=status, headers=told, content_type="application/json"
        )

    def empty(self, *, status: int) -> web.Response:
        """An answer without a body."""
        return web.Response(status=status, headers=self._headers)

    def text(self, body: bytes, headers: Mapping[str, str]) -> web.Response:
        """An answer of any type, which `headers` tell."""
        return web.Response(body=body, headers={**self._headers, **headers})

    async def begin(self, headers: Mapping[str, str]) -> None:
        """Send the head of an answer that is written as it comes."""
        self._response = web.StreamResponse(headers={**self._headers, **headers})
        await self._do(self._response.prepare(self.request))

    async def write(self, data: bytes) -> None:
        """Send the next part of it.

        Raises:
            LeftError: the caller is gone, or reads nothing.
        """
        assert self._response is not None  # noqa: S101  # for mypy: begun before
        await self._do(self._response.write(data))

    def written(self) -> web.StreamResponse:
        """The answer that was begun, for aiohttp to end."""
        assert self._response is not None  # noqa: S101
        return self._response

    def break_off(self) -> web.StreamResponse:
        """Close the connection as it is, so that what was sent is not taken for a whole answer."""
        if self.request.transport is not None:
            self.request.transport.abort()
        return self._response or web.Response()

    async def _do(self, coroutine: Any) -> None:
        try:
            with trio.fail_after(WRITE_SECONDS):
                await self._loop.run_aio_coroutine(coroutine)
        except (ConnectionError, trio.TooSlowError) as error:
            raise LeftError from error
