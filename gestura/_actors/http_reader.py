"""The first actor: puts the request, and sends the body on as it arrives.

It asks for no more than the next actor takes, so a reader who has fallen behind stops the reads from the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import attrs
import trio

from gestura._actors.inbox import Inbox
from gestura._actors.read_ahead import ReadAhead
from gestura._actors.statistics import ActorStatistics
from gestura.errors import LimitExceeded, TransportError
from gestura.limits import Limits
from gestura.transport import HttpRequest, HttpResponse, Transport

__all__ = ["read_http"]

SECONDS_FOR_A_REASON: Final = 5.0
"""How long to wait for the body of a refusal. The status tells the most of it, and a server in trouble may stop there.
"""


async def read_http(
    transport: Transport,
    request: HttpRequest,
    send: Inbox[Sequence[bytes]],
    *,
    statistics: ActorStatistics,
    limits: Limits,
    read_ahead: ReadAhead,
    on_connect: Callable[[], None],
    on_response: Callable[[], None],
    on_bytes: Callable[[], None],
    on_refusal: Callable[[int, Mapping[str, str], bytes], None],
) -> None:
    """Put `request`; send each read of the body as a batch, until the body ends or nobody wants more.

    Cancelled, it has closed the socket before it returns.

    Args:
        transport: opens the request.
        request: what to ask.
        send: the next actor's inbox.
        statistics: counts to keep.
        limits: how much to read of a body, and of one that is no stream.
        read_ahead: when to wait for the actors behind and for the user.
        on_connect: called once a connection stands.
        on_response: called once the head of the response is there.
        on_bytes: called with each read of the body, before it is sent on.
        on_refusal: called with status, headers and the beginning of the body of a response that is no stream.

    Raises:
        TransportError: no connection, or it broke.
        LimitExceeded: the body is too long; what is within the limit was sent on.
    """
    reading = _Reading(send, statistics, limits.max_body_bytes, read_ahead, on_bytes)
    async with transport.open(request, on_connect=on_connect) as response:
        on_response()
        refused = not 200 <= response.status < 300  # RFC 9110, section 15.3
        data = b"" if refused else await response.receive_some()
        blank_so_far = True
        while data:
            if blank_so_far:
                blank_so_far = data.isspace()
                if refused := _is_document(request, data):
                    break
                if not blank_so_far and (hand_over_to := getattr(response, "hand_over_to", None)):
                    hand_over_to(reading.take)
            on_bytes()
            reading.count(data)
            try:
                await send.send((data,))
            except trio.BrokenResourceError:
                return  # the next actor has stopped, and has said why
            if not read_ahead.has_room():
                await read_ahead.wait()
            data = await response.receive_some()
        if refused:
            body = await _read_reason(limits.max_error_body_bytes, data, response)
            on_refusal(response.status, response.headers, body)


@attrs.define(eq=False)
class _Reading:
    """What was read of one body."""

    send: Inbox[Sequence[bytes]]
    statistics: ActorStatistics
    limit: int
    read_ahead: ReadAhead
    on_bytes: Callable[[], None]

    def count(self, data: bytes) -> None:
        self.statistics.batches += 1
        self.statistics.items += len(data)
        self.read_ahead.add(len(data))
        if self.statistics.items > self.limit:
            raise LimitExceeded("the body of the response", "max_body_bytes", self.limit)

    def take(self, data: bytes) -> bool:
        """What the transport calls while the reader waits for it: send `data` on, if nobody need wait for that.

        All else (a body that is too long, an actor that has stopped, a user who is behind) is the reader's to see.
        """
        count = len(data)
        is_simple = self.send.has_room() and self.read_ahead.has_room(count)
        if not is_simple or self.statistics.items + count > self.limit:
            return False
        self.on_bytes()
        try:
            self.send.send_nowait((data,))
        except trio.BrokenResourceError:
            return False
        self.count(data)
        return True


def _is_document(request: HttpRequest, data: bytes) -> bool:
    """Whether the response is no stream but a page or a JSON document, by its first character that is no blank.

    The content type does not tell: some servers call their event streams JSON, and some call a page an event stream.
    But no event, nor a line of JSON, begins as a page does. Where the request accepts JSON, lines of it are the stream,
    and an error among them is the decoder's to read.
    """
    document = (b"<",) if "json" in request.headers.get("Accept", "").lower() else (b"<", b"{", b"[")
    return data.lstrip()[:1] in document


async def _read_reason(limit: int, data: bytes, response: HttpResponse) -> bytes:
    """The body that begins with `data`, as far as it comes: a reason cut short is better than none."""
    pieces, length = [data], len(data)
    with trio.move_on_after(SECONDS_FOR_A_REASON), suppress(TransportError):
        while length < limit:
            data = await response.receive_some()
            if not data:
                break
            pieces.append(data)
            length += len(data)
    return b"".join(pieces)[:limit]
