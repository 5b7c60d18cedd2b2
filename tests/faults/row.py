"""What a row of the fault table is: what the requests of a stream meet, and what its user sees.

A row is data, and knows nothing of transports. What a request meets is an exchange of the scripted transport; where
real wires have several ways to do the same (a broken connection may be reset, or closed too early), `wire` says which.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from scripting import ANSWER

from gestura.chunks import ContextOverflow, Done, Error, RetryAttempt, Status, StreamChunk, Text
from gestura.errors import ErrorKind
from gestura.testing import merged
from gestura.transport.scripted import Break, Pause, ScriptedExchange


class Wire(enum.Enum):
    """How a real server does what the exchange says."""

    CHUNKED = "a body in chunks; where the connection breaks, it is reset"
    CUT_OFF = "a body in chunks; where the connection breaks, it is closed"
    SHORT = "a body of a declared length; where the connection breaks, it is closed"
    UNFRAMED = "a body that ends with the connection"
    NO_ANSWER = "the connection is closed before the response begins"
    NO_HTTP = "the response is no HTTP"
    HUGE_HEAD = "the response's head has a line of 20,000 characters"
    COMPRESSED = "the body is compressed, unasked"
    DRIPPING_HEAD = "the response's head comes byte by byte, and never ends"
    STALE = "a connection from the pool, which the server closes when it is used"
    NO_HOST = "the name has no address"
    NO_PORT = "nobody listens"
    NO_TLS = "the server speaks no TLS"
    SILENT_TLS = "the TLS handshake gets no answer"


@attrs.frozen
class Meets:
    """What one request meets."""

    exchange: ScriptedExchange
    wire: Wire = Wire.CHUNKED


@attrs.frozen
class Again:
    """Another attempt is announced.

    Args:
        seconds: until it is made.
        discard: what was shown does not count any more.
    """

    seconds: float
    discard: bool = False


@attrs.frozen
class Ends:
    """How a stream ends, if no other provider is configured.

    Args:
        chunk: the class of its last chunk.
        kind: what sort of failure.
        code: a word that the error must have; for a timeout, which deadline.
    """

    chunk: type[StreamChunk]
    kind: ErrorKind | None = None
    code: str | None = None


@attrs.frozen(kw_only=True)
class Row:
    """One fault.

    Args:
        fault: what goes wrong, in words.
        meets: what the first request meets, the second, …; the last one is met by all the others.
        chunks: what the user sees before the ending; adjacent text is one.
        ending: the ending, if no other provider is configured.
        asks_next: whether the next provider, if there is one, is asked then.
        requests: how many are made.
        deadline: which of the deadlines passes in this row.
        config: settings of the client's.
        settings: settings of the provider's.
        prompt: what is asked.
    """

    fault: str
    meets: Sequence[Meets]
    chunks: Sequence[StreamChunk | Again]
    ending: Ends
    asks_next: bool
    requests: int
    deadline: str | None
    config: Mapping[str, Any]
    settings: Mapping[str, Any]
    prompt: str


def check(row: Row, chunks: Sequence[StreamChunk], requests: int, *, second: float = 1.0) -> None:
    """Check that a stream without a fallback went as its row says.

    Args:
        row: the row.
        chunks: the stream, its ending last.
        requests: how many were made.
        second: how long the row's seconds are here.
    """
    *shown, ending = merged(chunks)

    assert list(row.chunks) == list(_as_told(shown, second))
    assert row.requests == requests
    assert row.ending.chunk is type(ending)
    if isinstance(ending, Error):
        assert (row.ending.kind, row.requests) == (ending.kind, ending.attempts)
        assert row.ending.code in (None, ending.code)
        assert _said(row.chunks) == (ending.partial.text if ending.partial else "")


def _as_told(chunks: Sequence[StreamChunk], second: float) -> Iterator[StreamChunk | Again]:
    """The chunks as rows tell them. Of what is said about the waiting and the next provider they tell nothing."""
    for chunk in chunks:
        match chunk:
            case RetryAttempt(delay_ms=delay, discard=discard):
                yield Again(round(delay / 1000 / second, 3), discard)
            case Status(message):
                yield from (Status(word) for word in ("not configured", "base_url") if word in message)
            case _:
                yield chunk


def _said(chunks: Sequence[StreamChunk | Again]) -> str:
    """The text that counts in the end."""
    words = ""
    for chunk in chunks:
        match chunk:
            case Text(piece):
                words += piece
            case Again(discard=True):
                words = ""
    return words


DONE = Ends(Done)
OVERFLOW = Ends(ContextOverflow)
OK = Meets(ScriptedExchange(body=[ANSWER]))
"""A whole answer: "Hello"."""


def error(kind: ErrorKind, code: str | None = None) -> Ends:
    return Ends(Error, kind, code)


def timeout(deadline: str) -> Ends:
    return error(ErrorKind.TIMEOUT, deadline)


def body(*steps: bytes | Pause, wire: Wire = Wire.CHUNKED, **head: Any) -> Meets:
    """An answer, or what there is of it."""
    return Meets(ScriptedExchange(body=steps, **head), wire)


def refusal(status: int, content: bytes = b"", /, *more: Pause, **headers: str) -> Meets:
    """An HTTP response that is no stream; underscores in the names of headers stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return body(*filter(None, [content]), *more, status=status, headers=named)


def no_connection(*pauses: Pause, wire: Wire) -> Meets:
    return Meets(ScriptedExchange(connecting=pauses), wire)


def no_head(*pauses: Pause, wire: Wire = Wire.CHUNKED) -> Meets:
    return Meets(ScriptedExchange(answering=pauses), wire)


def row(
    fault: str,
    meets: Meets | Sequence[Meets],
    chunks: Sequence[StreamChunk | Again],
    ending: Ends,
    *,
    asks_next: bool = False,
    requests: int | None = None,
    deadline: str | None = None,
    settings: Mapping[str, Any] | None = None,
    prompt: str = "Hi",
    **config: Any,
) -> Row:
    """A row; as many requests are made as attempts are announced, and the first, unless told otherwise."""
    announced = sum(isinstance(chunk, Again) for chunk in chunks)
    times_out = ending.code if ending.kind is ErrorKind.TIMEOUT else None
    return Row(
        fault=fault,
        meets=[meets] if isinstance(meets, Meets) else meets,
        chunks=chunks,
        ending=ending,
        asks_next=asks_next,
        requests=1 + announced if requests is None else requests,
        deadline=deadline or times_out,
        config=config,
        settings=settings or {},
        prompt=prompt,
    )


def hopeless(fault: str, meets: Meets, kind: ErrorKind, code: str | None = None, **more: Any) -> Row:
    """Another try can't mend it: one request, nothing shown, and the next provider is asked."""
    return row(fault, meets, [], error(kind, code), asks_next=True, **more)


def tried_again(fault: str, meets: Meets, kind: ErrorKind, code: str | None = None, **more: Any) -> Row:
    """It lasts: three requests, one and two seconds apart, and then the next provider is asked."""
    return row(fault, meets, [Again(1.0), Again(2.0)], error(kind, code), asks_next=True, **more)


BREAK = Break()
