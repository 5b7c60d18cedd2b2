"""`check_transport` passes gestura's own transport, and finds what is wrong with others. Real sockets, real time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from gestura.errors import TransportError
from gestura.testing import check_transport
from gestura.transport import HttpRequest, HttpResponse, Transport
from gestura.transport._aiohttp import open_aiohttp_transport


async def test_our_own_transport_passes() -> None:
    """The transport that clients use keeps every promise."""
    async with open_aiohttp_transport() as transport:
        await check_transport(transport)


class Wrapped:
    """Our own transport, with one thing wrong with it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        async with self.transport.open(request, on_connect=on_connect) as response:
            yield self.response(response)

    def response(self, response: HttpResponse) -> HttpResponse:
        return response


class WrappedResponse:
    def __init__(self, response: HttpResponse) -> None:
        self.status, self.headers, self.receive_some = response.status, response.headers, response.receive_some


class ReadsTooMuch(Wrapped):
    def response(self, response: HttpResponse) -> HttpResponse:
        async def receive_some() -> bytes:
            data = b""
            while len(data) < 100_000 and (more := await response.receive_some()):
                data += more
            return data

        greedy = WrappedResponse(response)
        greedy.receive_some = receive_some
        return greedy


class HandsOverTwice(Wrapped):
    """Gives the reader what was taken already."""

    def response(self, response: HttpResponse) -> HttpResponse:
        forgetful = WrappedResponse(response)
        forgetful.hand_over_to = lambda take: response.hand_over_to(lambda data: take(data) and False)
        return forgetful


class NeverConnects(Wrapped):
    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        async with self.transport.open(request, on_connect=lambda: None) as response:
            yield response


class RaisesRefusals(Wrapped):
    def response(self, response: HttpResponse) -> HttpResponse:
        if response.status >= 400:
            raise TransportError("refused")
        return response


class FollowsRedirects(Wrapped):
    def response(self, response: HttpResponse) -> HttpResponse:
        followed = WrappedResponse(response)
        followed.status = 200 if response.status == 307 else response.status
        return followed


class EndsCleanly(Wrapped):
    """Takes a broken connection for the end of the body."""

    def response(self, response: HttpResponse) -> HttpResponse:
        async def receive_some() -> bytes:
            try:
                return await response.receive_some()
            except TransportError:
                return b""

        quiet = WrappedResponse(response)
        quiet.receive_some = receive_some
        return quiet


class TellsSecrets(Wrapped):
    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        try:
            async with self.transport.open(request, on_connect=on_connect) as response:
                yield response
        except TransportError as error:
            raise TransportError(f"{error} {request.headers}") from error


class KeepsOpen(Wrapped):
    """Closes nothing before the test is over."""

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        opened = self.transport.open(request, on_connect=on_connect)
        response = await opened.__aenter__()
        kept_open.append(opened)
        yield response


kept_open: list[Any] = []


@pytest.mark.parametrize(
    ("transport", "promise"),
    [
        (ReadsTooMuch, "in reads of 1 to 65,536 bytes"),
        (HandsOverTwice, "a piece that was not taken is read"),
        (NeverConnects, "`on_connect` is called once"),
        (RaisesRefusals, "A status that is no success"),
        (FollowsRedirects, "A redirect is given as it is"),
        (EndsCleanly, "A connection that is reset raises"),
        (TellsSecrets, "without a word of the headers. Found: 'the key'"),
        (KeepsOpen, "Leaving the block closes the connection"),
    ],
)
async def test_an_unsound_transport_is_found_out(
    monkeypatch: pytest.MonkeyPatch, transport: Callable[[Transport], Transport], promise: str
) -> None:
    """Each broken promise is told in the words of the promise."""
    monkeypatch.setattr("gestura.testing.transports.PATIENCE", 1.0)
    async with open_aiohttp_transport() as sound:
        try:
            with pytest.raises(AssertionError, match=promise):
                await check_transport(transport(sound))
        finally:
            for opened in kept_open:
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await opened.__aexit__(None, None, None)
            kept_open.clear()
