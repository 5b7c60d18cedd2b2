"""What gestura needs of HTTP, on one page: put a request, read the body as it comes, close at once.

A transport opens connections, keeps idle ones, and knows nothing of providers, deadlines or retries. Deadlines are
Trio's cancel scopes around these calls: leaving `open` by any door, cancellation included, has closed the socket (a
response whose body was read to its end may give its connection back to the pool instead).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs

__all__ = ["HandsOver", "HttpRequest", "HttpResponse", "Transport"]


@attrs.frozen(kw_only=True)
class HttpRequest:
    """One HTTP request. The headers hold the key, so neither they nor the body are shown by `repr`."""

    method: str = "POST"
    url: str
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)


class HttpResponse(Protocol):
    """The head of a response, and its body still to come."""

    @property
    def status(self) -> int:
        """The status code, as sent: redirects are not followed."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Response headers, case-insensitive."""

    async def receive_some(self) -> bytes:
        """Whatever has arrived, at least one byte and at most 64 KiB; `b""` once, at a clean end of the body.

        Raises:
            TransportError: the connection broke, or the body ended before its declared length.
        """


class HandsOver(Protocol):
    """What the response of a transport may offer beside: to spare its reader being woken for each piece."""

    def hand_over_to(self, take: Callable[[bytes], bool], /) -> None:
        """While the reader waits in `receive_some`, give what arrives to `take` instead of waking it.

        Args:
            take: called with at most 64 KiB, in order; it neither waits nor raises. Where it returns false it has not
                taken them, and `receive_some` gives them to the reader.
        """


class Transport(Protocol):
    """Opens HTTP requests. Shared by all the streams of a client."""

    def open(
        self, request: HttpRequest, *, on_connect: Callable[[], None]
    ) -> AbstractAsyncContextManager[HttpResponse]:
        """Send `request`; enter with the response's head.

        Args:
            request: what to send.
            on_connect: called once the connection stands (a new one or one from the pool), before the head arrives.

        Raises:
            TransportError: no connection, or it broke before the head.
        """
