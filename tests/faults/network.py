"""The table of network faults: what a network, or a server that lies about HTTP, does to an answer on its way.

Each row names the part of the response where it happens (`gestura.testing.network`), and what the user sees of the
answer "one two three four". `docs/reliability.md` shows the table.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence

import attrs
from faults.row import DONE, Ends, error, timeout

from gestura.chunks import Text
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ErrorKind
from gestura.providers import BUILTIN_PROVIDERS
from gestura.simulator.scenario import Scenario
from gestura.simulator.voices import VOICES
from gestura.testing import Break, CutOff, Hang, NetworkFault, Part, Rewrite, Wait

SAID = "one two three four"
SCENARIO = Scenario(model="m", steps=(Text(SAID),))
HALF = "one two"
"""What is shown of it where the event of the word " three" does not come."""

MEBIBYTE = 1024 * 1024


@attrs.frozen(kw_only=True)
class NetworkRow:
    """One fault of the network's.

    Args:
        fault: what goes wrong, in words.
        strikes: what happens to the connection.
        shown: the text that the user sees.
        ending: how the stream ends.
        message: a pattern that the error's message has.
        segment_bytes: the most that the network carries at once.
    """

    fault: str
    strikes: Sequence[NetworkFault] = ()
    shown: str
    ending: Ends
    message: str = ""
    segment_bytes: int | None = None


def place_of(word: str, kind: str = "openai_chat") -> int:
    """The number of the chunk that holds `word` of the answer; the simulator sends each event in a chunk."""
    return next(number for number, event in enumerate(events_of(kind), 1) if f'"{word}"'.encode() in event)


def events_of(kind: str) -> list[bytes]:
    """What the simulator answers to "Hi"."""
    asked = BUILTIN_PROVIDERS[kind](ProviderSettings(kind=kind, model="m", api_key="key")).ask(Request.of("Hi"))
    return VOICES[kind].render(SCENARIO, json.loads(asked.body))


EVENTS = events_of("openai_chat")
THIRD = place_of(" three")
BODY_BYTES = sum(map(len, EVENTS))
BYTES_OF_HALF = sum(map(len, EVENTS[: THIRD - 1]))


def at(part: Part, what: Break | CutOff | Hang | Wait | bytes, place: float = 0.5) -> NetworkFault:
    return NetworkFault(part, what, at=place)


def at_third(what: Break | CutOff | Hang | Wait | bytes, place: float = 0.5) -> NetworkFault:
    return NetworkFault(Part.CHUNK, what, at=place, chunk=THIRD)


def head(change: Callable[[bytes], bytes]) -> NetworkFault:
    return NetworkFault(Part.HEAD, Rewrite(change))


def third(change: Callable[[bytes], bytes]) -> NetworkFault:
    return NetworkFault(Part.CHUNK, Rewrite(change), chunk=THIRD)


def with_header(line: bytes) -> NetworkFault:
    return head(lambda head: head.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1))


def instead_of_chunked(line: bytes) -> list[NetworkFault]:
    """The body without chunks, framed by this header."""
    chunks = range(1, len(EVENTS) + 1)
    return [
        head(lambda head: head.replace(b"Transfer-Encoding: chunked", line)),
        *(NetworkFault(Part.CHUNK, Rewrite(lambda chunk: chunk.partition(b"\r\n")[2][:-2]), chunk=n) for n in chunks),
        NetworkFault(Part.LAST_CHUNK, Rewrite(lambda _: b"")),
    ]


def another_answer(status: str, body: bytes, *headers: str) -> list[NetworkFault]:
    """A whole response, and nothing of the server's own."""
    lines = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return [
        head(lambda _: lines.encode() + b"\r\n" + body),
        at(Part.HEAD, Hang(), 1),
    ]


def resized(chunk: bytes, change: int) -> bytes:
    """`chunk`, which lies about its size."""
    size, _, data = chunk.partition(b"\r\n")
    return b"%x\r\n" % (int(size, 16) + change) + data


BROKE = error(ErrorKind.CONNECTION)
PAGE = b"<!DOCTYPE html><html><body>Please log in to the network.</body></html>"
WHOLE = b'{"object": "chat.completion", "choices": [{"message": {"content": "one two three four"}}]}'
BOMB = gzip.compress(bytes(64 * MEBIBYTE))
"""64 KiB that would be 64 MiB."""


def broken(fault: str, *strikes: NetworkFault, shown: str = "", message: str = "", ending: Ends = BROKE) -> NetworkRow:
    return NetworkRow(fault=fault, strikes=strikes, shown=shown, ending=ending, message=message)


def whole(fault: str, *strikes: NetworkFault, shown: str = SAID, segment_bytes: int | None = None) -> NetworkRow:
    return NetworkRow(fault=fault, strikes=strikes, shown=shown, ending=DONE, segment_bytes=segment_bytes)


RESETS = [
    broken("reset as soon as the connection stands", at(Part.CONNECTION, Break())),
    broken("reset in the middle of the request", at(Part.REQUEST, Break())),
    broken("reset before the response", at(Part.HEAD, Break(), 0)),
    broken("reset in the middle of the head", at(Part.HEAD, Break())),
    broken("reset after the head", at(Part.HEAD, Break(), 1)),
    broken("reset in the middle of a chunk", at_third(Break()), shown=HALF),
    broken("reset between two events", at_third(Break(), 0), shown=HALF),
    whole("reset in the middle of the last chunk", at(Part.LAST_CHUNK, Break())),
    whole("reset after the end", at(Part.LAST_CHUNK, Break(), 1)),
    broken("closed as soon as the connection stands", at(Part.CONNECTION, CutOff())),
    broken("closed in the middle of the request", at(Part.REQUEST, CutOff())),
    broken("closed in the middle of the head", at(Part.HEAD, CutOff())),
    broken("closed after the head", at(Part.HEAD, CutOff(), 1)),
    broken("closed in the middle of a chunk", at_third(CutOff()), shown=HALF),
    broken("closed between two events", at_third(CutOff(), 0), shown=HALF),
    whole("closed after the end", at(Part.LAST_CHUNK, CutOff(), 1)),
]

SILENCE = [
    broken("half-open before the response", at(Part.HEAD, Hang(), 0), ending=timeout("first_content")),
    broken("half-open in the middle of the head", at(Part.HEAD, Hang()), ending=timeout("first_content")),
    broken("half-open after the head", at(Part.HEAD, Hang(), 1), ending=timeout("first_content")),
    broken("half-open in the middle of a chunk", at_third(Hang()), shown=HALF, ending=timeout("idle")),
    whole("half-open in the middle of the last chunk", at(Part.LAST_CHUNK, Hang())),
    whole("half-open after the end", at(Part.LAST_CHUNK, Hang(), 1)),
    whole(
        "stalls in the head, in a chunk and before the end",
        at(Part.HEAD, Wait(0.02)),
        at_third(Wait(0.02)),
        at(Part.LAST_CHUNK, Wait(0.02), 0),
    ),
    whole("segments of 1 byte", segment_bytes=1),
    whole("segments of 7 bytes, and a stall in a chunk", at_third(Wait(0.02)), segment_bytes=7),
]

FRAMING = [
    whole("early hints (103) before the response", head(lambda head: b"HTTP/1.1 103 Early Hints\r\n\r\n" + head)),
    whole("`100 Continue`, unasked", head(lambda head: b"HTTP/1.1 100 Continue\r\n\r\n" + head)),
    whole("a chunk that comes twice", third(lambda chunk: chunk * 2), shown="one two three three four"),
    whole("a chunk with an extension", third(lambda chunk: chunk.replace(b"\r\n", b";a=b\r\n", 1))),
    whole("a trailer after the last chunk", NetworkFault(Part.LAST_CHUNK, Rewrite(lambda _: b"0\r\nA: b\r\n\r\n"))),
    broken("a chunk that lacks its last bytes", third(lambda chunk: chunk[:-9]), shown=HALF),
    broken("a chunk longer than its size says", third(lambda chunk: resized(chunk, -9)), shown=HALF),
    broken("a chunk shorter than its size says", third(lambda chunk: resized(chunk, 9)), shown="one two three"),
    broken("a chunk whose size is no number", third(lambda chunk: b"xyz" + chunk), shown=HALF),
    broken("a chunk whose size is negative", third(lambda chunk: b"-" + chunk), shown=HALF),
    broken("a chunk whose size is beyond 64 bits", third(lambda chunk: b"f" * 20 + chunk), shown=HALF),
    broken(
        "the last chunk, in the middle of the answer",
        third(lambda _: b"0\r\n\r\n"),
        at_third(Hang(), 1),
        shown=HALF,
        ending=error(ErrorKind.TRUNCATED),
        message="no end of the answer",
    ),
    whole("`Content-Length`, and it is right", *instead_of_chunked(b"Content-Length: %d" % BODY_BYTES)),
    whole("`Content-Length` beyond the answer", *instead_of_chunked(b"Content-Length: %d" % (BODY_BYTES + 99))),
    broken(
        "`Content-Length` short of the answer",
        *instead_of_chunked(b"Content-Length: %d" % BYTES_OF_HALF),
        shown=HALF,
        ending=error(ErrorKind.TRUNCATED),
        message="no end of the answer",
    ),
    broken(
        "`Content-Length` that is no number", *instead_of_chunked(b"Content-Length: many"), message="not valid HTTP"
    ),
    broken("two lengths that differ", with_header(b"Content-Length: 5\r\nContent-Length: 6"), message="not valid HTTP"),
    broken("`Content-Length` beside chunks", with_header(b"Content-Length: 5"), message="not valid HTTP"),
    broken("HTTP/0.9, without a head", head(lambda _: b""), message="not valid HTTP"),
]

CONTENT = [
    broken(
        "a body compressed with gzip, unasked",
        *another_answer("200 OK", gzip.compress(b"".join(EVENTS)), "Content-Encoding: gzip"),
        message="content encoding 'gzip', unasked",
    ),
    broken(
        "`Content-Encoding: gzip` on a body that is not",
        with_header(b"Content-Encoding: gzip"),
        message="content encoding 'gzip', unasked",
    ),
    broken(
        "a gzip bomb: 64 KiB that would be 64 MiB",
        *another_answer("200 OK", BOMB, "Content-Encoding: gzip", "Content-Type: text/event-stream"),
        message="content encoding 'gzip', unasked",
    ),
    broken(
        "a gzip bomb that is not declared",
        *another_answer("200 OK", BOMB, "Content-Type: text/event-stream"),
        ending=error(ErrorKind.TRUNCATED),
        message="no end of the answer",
    ),
    broken(
        "compression as a transfer encoding",
        head(lambda head: head.replace(b"chunked", b"gzip, chunked")),
        message="transfer encoding 'gzip, chunked', unasked",
    ),
    broken(
        "an HTML page with status 200",
        *another_answer("200 OK", PAGE, "Content-Type: text/html; charset=utf-8"),
        ending=error(ErrorKind.PROTOCOL),
        message="an HTML page",
    ),
    broken(
        "an HTML page that is called an event stream",
        *another_answer("200 OK", PAGE, "Content-Type: text/event-stream"),
        ending=error(ErrorKind.PROTOCOL),
        message="an HTML page",
    ),
    broken(
        "an HTML page without a content type",
        *another_answer("200 OK", PAGE),
        ending=error(ErrorKind.PROTOCOL),
        message="an HTML page",
    ),
    broken(
        "a whole JSON answer instead of events",
        *another_answer("200 OK", WHOLE, "Content-Type: application/json"),
        ending=error(ErrorKind.PROTOCOL),
        message="no event stream",
    ),
    broken(
        "an error as JSON with status 200",
        *another_answer(
            "200 OK", b'{"error": {"message": "no such model", "code": "model_not_found"}}', "Content-Type: text/plain"
        ),
        ending=error(ErrorKind.BAD_REQUEST, "model_not_found"),
        message="no such model",
    ),
    whole("events that are called plain text", head(lambda head: head.replace(b"text/event-stream", b"text/plain"))),
    broken(
        "204, no content",
        *another_answer("204 No Content", b""),
        ending=error(ErrorKind.TRUNCATED),
        message="no end of the answer",
    ),
]

NETWORK_TABLE = {
    "Resets and closed connections": RESETS,
    "Silence, stalls and crumbs": SILENCE,
    "HTTP that is broken, or odd": FRAMING,
    "Bodies that are something else": CONTENT,
}


def network_rows() -> list[tuple[str, NetworkRow]]:
    """Every row, named by its section and its fault."""
    return [(f"{section}: {row.fault}", row) for section, of_section in NETWORK_TABLE.items() for row in of_section]


def network_markdown() -> str:
    """The whole table, as the page on reliability shows it."""
    lines = ["| fault | shown | ending |", "| --- | --- | --- |"]
    for section, of_section in NETWORK_TABLE.items():
        lines.append(f"| **{section}** | | |")
        lines += [f"| {row.fault} | {row.shown or 'nothing'} | {_words(row.ending)} |" for row in of_section]
    return "\n".join(lines) + "\n"


def _words(ending: Ends) -> str:
    if ending.kind is None:
        return f"`{ending.chunk.__name__}`"
    code = f" ({ending.code})" if ending.code else ""
    return f"`{ending.chunk.__name__}` {ending.kind.value}{code}"


def matches(row: NetworkRow, message: str) -> bool:
    return re.search(row.message, message) is not None


if __name__ == "__main__":
    import sys

    sys.stdout.write(network_markdown())
