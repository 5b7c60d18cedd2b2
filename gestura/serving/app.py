"""The HTTP side: which address leads to what, who is let in, and how a failure is told.

Each request is handled by a Trio task. What it raises is told once, here: in OpenAI's shape, which is as good as any
other, and read by its packages.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs
import trio
from aiohttp import web

from gestura.serving.chat_api import ChatApi
from gestura.serving.doors import admit, cross_origin_headers
from gestura.serving.exchange import Exchange, LeftError
from gestura.serving.logs import SERVICE_LOG, place_of
from gestura.serving.metrics import CONTENT_TYPE
from gestura.serving.openai_answer import error_body
from gestura.serving.page import page, page_headers
from gestura.serving.refused import Refused
from gestura.serving.service import Service, refusal_of
from gestura.serving.streams_api import StreamsApi

__all__ = ["App"]

Answer = Callable[[Exchange, str], Awaitable[web.StreamResponse]]

SAFE: Final = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

BROKEN_OFF: Final = "broken off"
"""Counted instead of a status where an answer did not come to its end: the caller left, or the service ended."""

NO_KEY: Final = ""
"""The caller's name where no key is asked for."""


@attrs.frozen
class _Route:
    method: str
    path: str
    answer: Answer
    is_open: bool = False
    """No key is asked for."""
    is_page: bool = False


class App:
    """The endpoints of a service.

    Args:
        service: what they lead to.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop: Any = None
        self._answering: set[trio.CancelScope] = set()
        self._idle = trio.Event()

    def make(self) -> web.Application:
        """Aiohttp's application."""
        app = web.Application(client_max_size=self._service.settings.max_body_bytes)
        for route in self._routes():
            app.router.add_route(route.method, route.path, self._handler(route))
            if route.is_open:
                app.router.add_route("HEAD", route.path, self._handler(route))
        app.router.add_route("*", "/{elsewhere:.*}", self._handler(_Route("*", "elsewhere", _nowhere, is_open=True)))
        return app

    def run_on(self, loop: Any) -> None:
        """Answer on this loop of trio-asyncio's."""
        self._loop = loop

    async def wait_until_idle(self) -> None:
        """Until no request is being answered."""
        while self._answering:
            await self._idle.wait()

    def break_off(self) -> None:
        """Stop answering; connections are closed as they are."""
        for scope in self._answering:
            scope.cancel()

    def _routes(self) -> list[_Route]:
        streams, chat = StreamsApi(self._service), ChatApi(self._service)
        return [
            _Route("GET", "/", self._page, is_open=True, is_page=True),
            _Route("POST", "/v1/streams", streams.begin),
            _Route("GET", "/v1/streams/{id}", streams.follow),
            _Route("DELETE", "/v1/streams/{id}", streams.cancel),
            _Route("POST", "/v1/streams/{id}/pause", streams.pause),
            _Route("POST", "/v1/streams/{id}/resume", streams.resume),
            _Route("POST", "/v1/chat/completions", chat.complete),
            _Route("GET", "/v1/models", chat.models),
            _Route("GET", "/v1/models/{name:.+}", chat.model),
            _Route("GET", "/healthz", self._health, is_open=True),
            _Route("GET", "/readyz", self._readiness, is_open=True),
            _Route("GET", "/metrics", self._metrics),
        ]

    def _handler(self, route: _Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            answer: web.StreamResponse = await self._loop.trio_as_future(self._answer, route, request)
            return answer

        return handle

    async def _answer(self, route: _Route, request: web.Request) -> web.StreamResponse:
        cross_origin = cross_origin_headers(request.headers, self._service.settings)
        exchange = Exchange(self._loop, request, {**SAFE, **cross_origin})
        status: int | str = BROKEN_OFF
        try:
            with self._counted():
                answer = await self._answer_or_refuse(route, exchange)
                status = answer.status
                return answer
        except LeftError:
            pass
        finally:
            self._service.metrics.requests.labels(f"{route.method} {route.path}", status).inc()
        return exchange.break_off()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """One more request is being answered, until it is or `break_off` is called."""
        with trio.CancelScope() as scope:
            if not self._answering:
                self._idle = trio.Event()
            self._answering.add(scope)
            try:
                yield
            finally:
                self._answering.discard(scope)
                if not self._answering:
                    self._idle.set()

    async def _answer_or_refuse(self, route: _Route, exchange: Exchange) -> web.StreamResponse:
        headers = exchange.request.headers
        try:
            admit(headers, self._service.settings, is_page=route.is_page)
            if exchange.request.method == "OPTIONS" and "Access-Control-Request-Method" in headers:
                return exchange.empty(status=204)  # which headers come with it says what a page elsewhere may do
            caller = NO_KEY if route.is_open else self._service.callers.who(headers.get("Authorization"))
            return await route.answer(exchange, caller)
        except LeftError:
            raise
        except Exception as error:  # noqa: BLE001  # told to the caller and the log, without what it holds
            refused = refusal_of(error)
            if refused is None:
                SERVICE_LOG.error("%s %s: %s", route.method, route.path, place_of(error))
                refused = Refused("an error inside the service", status=500, code="internal")
            if exchange.begun:
                return exchange.break_off()
            return _refusal(exchange, refused)

    async def _page(self, exchange: Exchange, _caller: str) -> web.StreamResponse:
        return exchange.text(page(), page_headers())

    async def _health(self, exchange: Exchange, _caller: str) -> web.StreamResponse:
        """The process answers."""
        return exchange.whole({"status": "ok"})

    async def _readiness(self, exchange: Exchange, _caller: str) -> web.StreamResponse:
        """It takes requests: it is not ending, and the log is within reach."""
        if self._service.is_ending:
            raise Refused("the service is ending", status=503, code="ending")
        await self._service.check_log()
        return exchange.whole({"status": "ready"})

    async def _metrics(self, exchange: Exchange, _caller: str) -> web.StreamResponse:
        return exchange.text(await self._service.measure(), {"Content-Type": CONTENT_TYPE})


async def _nowhere(exchange: Exchange, _caller: str) -> web.StreamResponse:
    raise Refused(f"there is no {exchange.request.method} {exchange.request.path[:100]}", status=404, code="not_found")


def _refusal(exchange: Exchange, refused: Refused) -> web.StreamResponse:
    headers = {"X-Should-Retry": "false"}  # whatever could be tried again, gestura has
    if refused.retry_after is not None:
        headers = {"Retry-After": str(math.ceil(refused.retry_after))}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if refused.status == 413:
        headers["Connection"] = "close"
    return exchange.whole(error_body(refused), status=refused.status, headers=headers)
