"""aiohttp, tamed: the settings of a session, and the asyncio coroutine that performs one request.

This is the asyncio side of a transport. It runs on any asyncio loop and knows nothing of Trio: what it has to tell goes
to a `Receiver`, which carries it across and says how much it can take. aiohttp's own defaults are for browsing: it
follows redirects (with `x-api-key`), keeps cookies, ends a response after five minutes, makes the 101st request wait.
All of that is off.

No exception of aiohttp's leaves this module: their `repr` shows the request's headers, and with them the key. `perform`
returns what went wrong, as one of ours and without a cause.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import ipaddress
import logging
import os
import socket
import ssl
import traceback
import urllib.request
import weakref
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Protocol, cast

import aiohttp
import attrs
from yarl import URL

from gestura.errors import ConfigError, GesturaError, InternalError, TransportError
from gestura.transport import HttpRequest
from gestura.transport._aiohttp_body import Body, BodyReceiver
from gestura.transport._aiohttp_protocol import ResponseProtocol

__all__ = ["SLICE_BYTES", "Receiver", "Session", "log_stray_error"]

SLICE_BYTES: Final = 64 * 1024
"""How many bytes may wait for the Trio side, and so the most that one read returns."""

IDLE_CONNECTION_SECONDS: Final = 30.0
"""How long an unused connection stays open: less than the 60 s after which common servers and proxies close it."""

SILENT_PEER_SECONDS: Final = 60
"""When TCP begins to ask a silent peer whether it is still there, and how often: a model may think for minutes."""

NO_DEADLINES: Final = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)
"""Deadlines are Trio's cancel scopes."""

logger = logging.getLogger("gestura.transport")


class Receiver(BodyReceiver, Protocol):
    """The other side of one request. Its methods are called from the loop's thread and return at once."""

    def connected(self) -> None:
        """The connection stands. Called again if a second connection had to be made."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the response is here."""


class Session:
    """The connections of one transport. Make it anywhere; use it and close it inside asyncio."""

    def __init__(self) -> None:
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the idle connections."""
        if self._client is not None:
            await self._client.close()

    async def perform(self, request: HttpRequest, receiver: Receiver) -> GesturaError | None:
        """Send `request` and bring the response to `receiver`, reading no further than it takes.

        Cancelled, or left by an error, it has closed the socket; after a complete body the connection is idle again.

        Returns:
            What went wrong, or `None` after a complete response.
        """
        attempt = _Attempt(receiver)
        _attempt.set(attempt)
        try:
            response = attempt.response = await self._request_twice_if_stale(request, attempt)
            _refuse_compressed(response)
            receiver.begin(response.status, response.headers)
            protocol = cast("ResponseProtocol", attempt.protocol)  # who responds is connected, and `_Connector` made it
            await Body(response, protocol, receiver).bring()
            _refuse_reset(response, protocol)
        except Exception as error:  # noqa: BLE001  # whatever aiohttp raises ends here, see the module's head
            return _explain(error)
        finally:
            attempt.abort()
        return None

    async def _request_twice_if_stale(self, request: HttpRequest, attempt: _Attempt) -> aiohttp.ClientResponse:
        """A server may close an idle connection at the moment we use it; then, and only then, ask once more.

        RFC 9110, section 9.2.2, allows it to a client that knows a repeated POST to be harmless, as ours is while no
        byte of an answer has come.
        """
        try:
            return await self._request(request)
        except (aiohttp.ClientConnectionError, OSError) as error:
            if not (attempt.reused and _nothing_received(error)):
                raise
        attempt.abort()
        attempt.insists_on_new_connection = True
        return await self._request(request)

    async def _request(self, request: HttpRequest) -> aiohttp.ClientResponse:
        url = _checked_url(request)
        if self._client is None:
            self._client = _new_client()
        return await self._client.request(
            request.method,
            url,
            headers=request.headers,
            data=io.BytesIO(request.body) if request.body else None,
            allow_redirects=False,
            proxy=_find_proxy(url),
        )


def log_stray_error(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what kind of error it was and where it arose. Its message may hold a request's headers.

    The exception handler of a loop that runs sessions.
    """
    error = context.get("exception")
    if error is None:
        logger.error("asyncio: %s", context.get("message"))
        return
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    logger.error("asyncio: stray %s, raised at %s", type(error).__name__, place)


def _new_client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_Connector(
            limit=0, keepalive_timeout=IDLE_CONNECTION_SECONDS, socket_factory=_open_socket_with_keepalive
        ),
        # What isn't compressed can't be a decompression bomb, and the events of a stream arrive one by one.
        headers={"Accept-Encoding": "identity", "User-Agent": "gestura"},
        skip_auto_headers=("Content-Type",),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        # It would send what ~/.netrc holds for the host. Proxies are found by `_find_proxy` instead.
        trust_env=False,
        raise_for_status=False,
        timeout=NO_DEADLINES,
        read_bufsize=SLICE_BYTES,
    )


@attrs.define(eq=False)
class _Attempt:
    """What one `perform` holds: known to the connector through `_attempt`, for aiohttp hands nothing through."""

    receiver: Receiver
    transport: asyncio.Transport | None = None
    protocol: aiohttp.client_proto.ResponseHandler | None = None
    response: aiohttp.ClientResponse | None = None
    reused: bool = False
    insists_on_new_connection: bool = False

    def connected(self, connection: aiohttp.connector.Connection, *, reused: bool) -> None:
        self.transport = connection.transport
        self.protocol = connection.protocol
        self.reused = reused
        self.receiver.connected()

    def abort(self) -> None:
        """Close the socket now, unsent bytes or not, unless the connection has gone back to the pool."""
        if self.response is not None:
            if self.response.connection is None:
                return
            self.response.close()
        if self.transport is not None:
            self.transport.abort()


_attempt: contextvars.ContextVar[_Attempt] = contextvars.ContextVar("gestura_transport_attempt")


class _Connector(aiohttp.TCPConnector):
    """Tells the attempt which connection it got: only here does aiohttp show it before the response is there."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory: Any = partial(ResponseProtocol, loop=self._loop)
        self._known: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
        attempt = _attempt.get()
        connection = await super().connect(*args, **kwargs)
        while attempt.insists_on_new_connection and connection.transport in self._known:
            connection.close()
            connection = await super().connect(*args, **kwargs)
        reused = connection.transport in self._known
        if not reused and connection.transport is not None and connection.protocol is not None:
            self._known.add(connection.transport)
            _read_in_small_pieces(connection.transport)
            if (closed := connection.protocol.closed) is not None:
                closed.add_done_callback(_ignore_how_it_closed)
        attempt.connected(connection, reused=reused)
        return connection


def _read_in_small_pieces(transport: Any) -> None:
    # asyncio makes room for 256 KiB before each read. Room of 128 KiB and more, glibc fetches from the kernel and gives
    # back at once, which is a fifth of what a small event costs in all.
    if hasattr(transport, "max_size"):
        transport.max_size = SLICE_BYTES


def _ignore_how_it_closed(closed: asyncio.Future[None]) -> None:
    # An idle connection may well be reset; asked for its exception, the future does not report it as unhandled.
    if not closed.cancelled():
        closed.exception()


def _refuse_compressed(response: aiohttp.ClientResponse) -> None:
    for header, plain in (("Content-Encoding", "identity"), ("Transfer-Encoding", "chunked")):
        encoding = response.headers.get(header, plain)
        if encoding.lower() not in ("", plain):
            what = header.replace("-", " ").lower()
            raise TransportError(f"the answer has the {what} {encoding[:20]!r}, unasked", retryable=False)


def _refuse_reset(response: aiohttp.ClientResponse, protocol: aiohttp.client_proto.ResponseHandler) -> None:
    """A body that ends with its connection looks complete to aiohttp even where the connection was reset."""
    framed = not {"Content-Length", "Transfer-Encoding"}.isdisjoint(response.headers)
    if not framed and isinstance(error := protocol.exception(), OSError):
        raise error


def _nothing_received(error: BaseException) -> bool:
    # A connection that closes amid a response's head hands over what it had of the head.
    return not isinstance(error, aiohttp.ServerDisconnectedError) or isinstance(error.message, str)


def _checked_url(request: HttpRequest) -> URL:
    for name, value in request.headers.items():
        if not {"\r", "\n", "\0"}.isdisjoint(name + value):
            raise ConfigError(f"the request header {name!r} holds a line break or a NUL")
    try:
        url = URL(request.url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError("the request's URL must begin with http:// or https:// and name a host")
    if url.user is not None or url.password is not None:
        raise ConfigError("the request's URL must not hold credentials")
    return url


def _find_proxy(url: URL) -> URL | None:
    """The proxy that the environment (on Windows and macOS also the system) names for this URL."""
    host = url.host or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    address = proxies.get(url.scheme) or proxies.get("all")
    if not address:
        return None
    proxy = URL(address if "://" in address else f"http://{address}")
    if proxy.scheme not in ("http", "https"):
        raise ConfigError(f"the environment names a {proxy.scheme} proxy for this URL; only HTTP proxies are supported")
    return proxy


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _open_socket_with_keepalive(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):  # not on every platform
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), SILENT_PEER_SECONDS)
    return sock


def _explain(error: Exception) -> GesturaError:
    """The same failure as an exception of ours, which neither shows nor refers to anything of the request."""
    match error:
        case GesturaError():
            return error.with_traceback(None)  # its frames hold headers
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refusal):
            return TransportError(
                f"TLS: the server's certificate is not valid: {refusal.verify_message}", retryable=False
            )
        case aiohttp.ClientSSLError():
            return TransportError("TLS: no secure connection could be negotiated", retryable=False)
        case aiohttp.ClientConnectorDNSError():
            return TransportError(f"no address is known for the host {error.host}")
        case aiohttp.ClientProxyConnectionError():
            return TransportError(f"no connection to the proxy: {_reason(error)}")
        case aiohttp.ClientConnectorError():
            return TransportError(f"no connection to {error.host}:{error.port}: {_reason(error)}")
        case aiohttp.ClientHttpProxyError():
            return TransportError(f"the proxy refused to connect (HTTP {error.status})")
        case aiohttp.ClientResponseError():
            return TransportError("the answer is not valid HTTP")
        case aiohttp.ClientPayloadError():
            return TransportError("the connection broke, or the answer ended before its declared end")
        case aiohttp.ServerDisconnectedError():
            return TransportError("the server closed the connection before it answered")
        case OSError() | aiohttp.ClientConnectionError():
            return TransportError(f"the connection broke: {_reason(error)}")
        case aiohttp.ClientError():
            return TransportError(f"the request failed ({type(error).__name__})")
        case _:
            return InternalError(f"{type(error).__name__} in the transport")


def _reason(error: Exception) -> str:
    """The operating system's word for it, which unlike the exception's own holds no address or header."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else "no answer"
