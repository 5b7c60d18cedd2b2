"""What a network does to an HTTP response, as data: at which of its parts, and how far into it.

    NetworkFault(Part.CHUNK, Break(), chunk=3)    the connection is reset in the middle of the third chunk
    NetworkFault(Part.HEAD, Hang(), at=1)         the head comes whole, and nothing after it
    NetworkFault(Part.HEAD, Rewrite(as_html))     another head comes instead

Parts are told by HTTP/1.1 alone, so one fault fits every server and every wire format. Where the parts of a response
lie is found by `ResponseCutter`, and what becomes of one by `struck_part`: pure, both; `proxy.py` only obeys.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable
from typing import Final

import attrs
from attrs.validators import and_, ge, le, optional

from gestura.testing.faults import CutOff
from gestura.transport.scripted import Break, Hang, Wait

__all__ = ["NetworkFault", "Part", "ResponseCutter", "Rewrite", "Step", "struck_part"]


class Part(enum.Enum):
    """A part of what goes over one connection."""

    CONNECTION = "connection"
    """The connection stands, and nothing has gone over it."""

    REQUEST = "request"
    """What the client sent first: usually the whole request."""

    HEAD = "head"
    """Status line and headers of the response."""

    CHUNK = "chunk"
    """One chunk of a chunked body, its size included; of a body that is not chunked, what came in one read."""

    LAST_CHUNK = "last_chunk"
    """The empty chunk that ends a chunked body; of other bodies, their end."""


@attrs.frozen
class Rewrite:
    """Something else comes instead of a part.

    Args:
        rewrite: gets the part's bytes as they are on the wire, gives those that are sent.
    """

    rewrite: Callable[[bytes], bytes]


Step = bytes | Wait | Hang | Break | CutOff
"""One thing that a connection's client sees: bytes, silence, a reset (`Break`) or the end (`CutOff`)."""


@attrs.frozen
class NetworkFault:
    """One thing that goes wrong on the way.

    Args:
        part: where.
        what: what. `Break` resets the connection, `CutOff` closes it, `Hang` is silence for ever on a connection that
            stays open whatever the client does with its end, `bytes` come in between.
        at: how much of the part comes before, from 0 (nothing) to 1 (all of it). It means nothing to a `Rewrite`.
        chunk: which chunk of the response, counted from 1; nothing where the part is none.
        connection: which connection it befalls, counted from 1; `None` is every one.
    """

    part: Part
    what: Break | CutOff | Hang | Wait | Rewrite | bytes
    at: float = attrs.field(default=0.5, kw_only=True, validator=and_(ge(0), le(1)))
    chunk: int | None = attrs.field(default=None, kw_only=True, validator=optional(ge(1)))
    connection: int | None = attrs.field(default=None, kw_only=True, validator=optional(ge(1)))

    def __attrs_post_init__(self) -> None:
        if (self.part is Part.CHUNK) != (self.chunk is not None):
            raise ValueError("chunk: needed where the part is one, and nowhere else")


def struck_part(part: bytes, faults: Iterable[NetworkFault]) -> list[Step]:
    """What the client sees of `part`, all of whose `faults` these are: rewritten first, then cut at each of the rest.

    >>> struck_part(b"head", [NetworkFault(Part.HEAD, Break())])
    [b'he', Break(message='the connection broke', retryable=True)]
    """
    strikes = sorted(faults, key=lambda fault: (not isinstance(fault.what, Rewrite), fault.at))
    steps: list[Step] = []
    sent = 0
    for fault in strikes:
        if isinstance(fault.what, Rewrite):
            part = fault.what.rewrite(part)
            continue
        place = int(len(part) * fault.at)
        steps += [part[sent:place], fault.what]
        sent = place
        if isinstance(fault.what, Break | CutOff | Hang):
            break
    else:
        steps.append(part[sent:])
    return [step for step in steps if step != b""]


_LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)


class _Body(enum.Enum):
    NONE = "none"
    CHUNKED = "chunked"
    LENGTH = "length"
    TO_THE_END = "to_the_end"


class ResponseCutter:
    """Cuts what a server sends over one connection into the parts of its responses (RFC 9112, sections 4 to 7).

    What it gives is what it took, unchanged. An incomplete part is held until it is whole.
    """

    def __init__(self) -> None:
        self._held = b""
        self._body = _Body.NONE
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[Part, bytes]]:
        """Take a read, give the parts that ended in it.

        Raises:
            ValueError: a chunk has no size.
        """
        self._held += data
        parts: list[tuple[Part, bytes]] = []
        while (part := self._next()) is not None:
            parts.append(part)
        return parts

    def close(self) -> list[tuple[Part, bytes]]:
        """The server has closed the connection; what it had begun is given as the part it belongs to."""
        kind = Part.HEAD if self._body is _Body.NONE else Part.CHUNK
        held = [(kind, self._held)] if self._held else []
        return [*held, (Part.LAST_CHUNK, b"")] if self._body is _Body.TO_THE_END else held

    def _next(self) -> tuple[Part, bytes] | None:
        match self._body:
            case _Body.NONE if (end := self._held.find(b"\r\n\r\n")) >= 0:
                head = self._take(end + 4)
                self._body, self._left = _framing(head)
                return Part.HEAD, head
            case _Body.LENGTH if not self._left:
                self._body = _Body.NONE
                return Part.LAST_CHUNK, b""
            case _Body.LENGTH if self._held:
                read = self._take(self._left)
                self._left -= len(read)
                return Part.CHUNK, read
            case _Body.TO_THE_END if self._held:
                return Part.CHUNK, self._take(len(self._held))
            case _Body.CHUNKED if (end := self._held.find(b"\r\n")) >= 0:
                return self._next_chunk(end + 2)
        return None

    def _next_chunk(self, start: int) -> tuple[Part, bytes] | None:
        size = int(self._held[:start].partition(b";")[0], 16)
        if size:
            end = start + size + 2
            return (Part.CHUNK, self._take(end)) if len(self._held) >= end else None
        trailers_end = self._held.find(b"\r\n\r\n", start - 2)
        if trailers_end < 0:
            return None
        self._body = _Body.NONE
        return Part.LAST_CHUNK, self._take(trailers_end + 4)

    def _take(self, count: int) -> bytes:
        taken, self._held = self._held[:count], self._held[count:]
        return taken


def _framing(head: bytes) -> tuple[_Body, int]:
    status = head.partition(b" ")[2][:3]
    if status[:1] == b"1" or status in (b"204", b"304"):
        return _Body.NONE, 0
    if _CHUNKED.search(head):
        return _Body.CHUNKED, 0
    if length := _LENGTH.search(head):
        return _Body.LENGTH, int(length[1])
    return _Body.TO_THE_END, 0
