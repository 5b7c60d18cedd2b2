"""Recordings: what passed over the wire in one stream, with its timing, as a file of JSON lines. A bug report.

The first line names the format; each other one is an event with `at`, seconds from the beginning of the stream, and
`exchange`, which request it belongs to (retries, fallbacks and hedges make several):

    {"recording": 1, "gestura": "0.1.0"}
    {"at": 0.0, "exchange": 0, "event": "request", "method": "POST", "url": "…", "headers": {…}, "body": "…"}
    {"at": 0.031, "exchange": 0, "event": "connected"}
    {"at": 0.402, "exchange": 0, "event": "response", "status": 200, "headers": {…}}
    {"at": 0.403, "exchange": 0, "event": "read", "asked": 0.402, "text": "data: …"}
    {"at": 1.2, "exchange": 0, "event": "end"}
    {"at": 1.201, "event": "statistics", "attempts": 1, "dropped": {}, …}

`asked` is when the engine wanted the bytes: what passed since the read before is time in which it wanted none. Bytes
that are no UTF-8 stand as `base64`. An exchange ends with `end`, `error` (with its words) or `closed` (gestura left).

Secrets stay out: of headers only those known to hold none are kept with their values, and the keys and headers of the
configuration are replaced wherever they turn up, in what a server repeats, too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

import attrs

from gestura.errors import ConfigError
from gestura.secrecy import HIDDEN, SHORTEST_SECRET
from gestura.transport import HttpRequest

__all__ = ["Event", "Recorder", "Recording", "read_recording"]

FORMAT: Final = 1

OPEN_HEADERS: Final = frozenset(
    {
        *("accept", "anthropic-version", "cache-control", "content-encoding", "content-length", "content-type", "date"),
        *("retry-after", "retry-after-ms", "server", "transfer-encoding", "x-request-id", "request-id"),
    }
)
"""Headers that hold no secret; of others the name is kept."""


@attrs.frozen
class Event:
    """One line of a recording.

    Args:
        at: seconds from the beginning of the stream.
        exchange: which request, from 0; `None` for what belongs to the stream.
        name: `request`, `connected`, `response`, `read`, `end`, `error`, `closed` or `statistics`.
        fields: what else the line says; `data`, bytes, for a `read`.
    """

    at: float
    exchange: int | None
    name: str
    fields: Mapping[str, Any]


class SecretHider:
    """Replaces secrets in bytes that come in pieces, and holds back what may be the beginning of one.

    >>> hider = SecretHider([b"sk-123456"])
    >>> hider.feed(b"your key sk-12"), hider.feed(b"3456 is wrong"), hider.close()
    (b'your key ', b'[hidden] is wrong', b'')
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        for secret in self._secrets:
            data = data.replace(secret, HIDDEN.encode())
        keep = max((_overlap(data, secret) for secret in self._secrets), default=0)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def close(self) -> bytes:
        held, self._held = self._held, b""
        return held


def _overlap(data: bytes, secret: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `secret`."""
    longest = min(len(data), len(secret) - 1)
    return next((size for size in range(longest, 0, -1) if data.endswith(secret[:size])), 0)


class Recorder:
    """Writes one recording. Closed with its `with` block.

    Args:
        path: the file; one that is there is written over.
        secrets: what must not be in it.
        clock: seconds, from anywhere.
        version: gestura's.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        secrets: Iterable[str],
        clock: Callable[[], float],
        version: str,
    ) -> None:
        self._secrets = [secret.encode() for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._clock = clock
        self._began = clock()
        self._exchanges = 0
        self._file: TextIO = path.open("w", encoding="utf-8")
        path.chmod(0o600)  # prompts and answers are nobody else's
        self._put({"recording": FORMAT, "gestura": version})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def begin(self, request: HttpRequest) -> ExchangeRecorder:
        """A request is made."""
        exchange = ExchangeRecorder(self, self._exchanges, SecretHider(self._secrets))
        self._exchanges += 1
        exchange.note(
            "request",
            method=request.method,
            url=request.url,
            headers=_open_headers(request.headers),
            body=request.body.decode("utf-8", "replace"),
        )
        return exchange

    def note(self, event: str, exchange: int | None = None, **fields: Any) -> None:
        """Write an event of now."""
        place = {} if exchange is None else {"exchange": exchange}
        self._put({"at": self.now(), **place, "event": event, **self._hidden(fields)})

    def now(self) -> float:
        """Seconds from the beginning of the recording."""
        return round(self._clock() - self._began, 6)

    def _put(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")

    def _hidden(self, value: Any) -> Any:
        """`value` without secrets in its strings."""
        if isinstance(value, dict):
            return {key: self._hidden(inner) for key, inner in value.items()}
        if not isinstance(value, str):
            return value
        hider = SecretHider(self._secrets)
        return (hider.feed(value.encode("utf-8", "replace")) + hider.close()).decode()


@attrs.define
class ExchangeRecorder:
    """Writes what becomes of one request."""

    _recorder: Recorder
    _number: int
    _hider: SecretHider
    _ended: bool = attrs.field(default=False, init=False)

    def note(self, event: str, **fields: Any) -> None:
        """Write an event of now."""
        self._recorder.note(event, self._number, **fields)

    def respond(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of the response is there."""
        self.note("response", status=status, headers=_open_headers(headers))

    def asked(self) -> float:
        """The engine wants bytes: when."""
        return self._recorder.now()

    def read(self, data: bytes, asked: float) -> None:
        """Bytes of the body came, which were wanted at `asked`."""
        if data := self._hider.feed(data):
            self.note("read", asked=asked, **_as_json(data))

    def end(self, event: str, **fields: Any) -> None:
        """Nothing more comes: `end`, `error` or `closed`. Of several the first counts."""
        if self._ended:
            return
        self._ended = True
        if data := self._hider.close():
            self.note("read", asked=self._recorder.now(), **_as_json(data))
        self.note(event, **fields)


def _as_json(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _open_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value if name.lower() in OPEN_HEADERS else HIDDEN for name, value in headers.items()}


@attrs.frozen
class Recording:
    """One recording that was read.

    Args:
        events: in their order.
        version: of the gestura that wrote it.
    """

    events: Sequence[Event]
    version: str

    def exchanges(self) -> list[list[Event]]:
        """The events of each request."""
        numbers = sorted({event.exchange for event in self.events if event.exchange is not None})
        return [[event for event in self.events if event.exchange == number] for number in numbers]


def is_recording(head: bytes) -> bool:
    """Whether a file that begins so is a recording, and not the body of a response.

    >>> is_recording(b'{"recording": 1, "gestura": "0.1.0"}')
    True
    """
    return head.startswith(b'{"recording": ')


def read_recording(path: Path) -> Recording:
    """The recording in a file.

    Raises:
        ConfigError: it is none; the message says the line.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return _parsed(path, enumerate(file, 1))


def _parsed(path: Path, lines: Iterator[tuple[int, bytes]]) -> Recording:
    number = 1
    try:
        head = json.loads(next(lines, (1, b"null"))[1])
        if head["recording"] != FORMAT:
            raise ConfigError(f"{path}: a recording of format {head['recording']!r}; this gestura reads {FORMAT}")
        events = []
        for number, line in lines:  # noqa: B007  # the error tells it
            events.append(_event(json.loads(line)))
        return Recording(events, str(head["gestura"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}:{number}: not a line of a recording: {error}") from error


def _event(line: dict[str, Any]) -> Event:
    at, exchange, name = line.pop("at"), line.pop("exchange", None), line.pop("event")
    if not isinstance(at, int | float) or not isinstance(name, str):
        raise TypeError("`at` is a number, and `event` a name")
    if name == "read":
        text, encoded = line.pop("text", None), line.pop("base64", None)
        line["data"] = base64.b64decode(encoded, validate=True) if text is None else text.encode()
    return Event(float(at), exchange, name, line)
