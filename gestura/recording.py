"""Recordings: what passed over the wire in one stream, with its timing, as a file of JSON lines. A bug report.

The first line names the format; each other one is an event with `at`, seconds from the beginning, and `exchange`, which
request it belongs to (retries, fallbacks and hedges make several):

    {"recording": 1, "gestura": "0.1.0"}
    {"at": 0.0, "event": "stream", "config": {"primary": "openai", "providers": {…}, …}}
    {"at": 0.0, "exchange": 0, "event": "request", "method": "POST", "url": "…", "headers": {…}, "body": "…"}
    {"at": 0.031, "exchange": 0, "event": "connected"}
    {"at": 0.402, "exchange": 0, "event": "response", "status": 200, "headers": {…}}
    {"at": 0.403, "exchange": 0, "event": "read", "asked": 0.402, "text": "data: …"}
    {"at": 1.2, "exchange": 0, "event": "end"}
    {"at": 1.201, "event": "ending", "type": "done"}
    {"at": 1.201, "event": "statistics", "attempts": 1, "dropped": {}, …}

A stream begins with `stream`, which has all of the configuration that it went by, and ends with `ending` (of no type,
where the user left before) and `statistics`; an agent's turn is several of them. `asked` is when the engine wanted the
bytes: what passed since the read before is time in which it wanted none. Bytes that are no UTF-8 stand as `base64`. An
exchange ends with `end`, `error` (with its words) or `closed` (gestura left).

No secret is in it: `gestura.recorder` keeps them out.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import cattrs

from gestura.chunk_json import converter
from gestura.config import StreamingConfig
from gestura.errors import ConfigError

__all__ = ["Event", "RecordedStream", "Recording", "is_recording", "parse_recording", "read_recording"]

FORMAT: Final = 1


@attrs.frozen
class Event:
    """One line of a recording.

    Args:
        at: seconds from the beginning of the stream.
        exchange: which request, from 0; `None` for what belongs to the stream.
        name: `request`, `connected`, `response`, `read`, `end`, `error` or `closed` of a request; `stream`, `ending` or
            `statistics` of a stream.
        fields: what else the line says; `data`, bytes, for a `read`.
    """

    at: float
    exchange: int | None
    name: str
    fields: Mapping[str, Any]


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
        exchanges: dict[int, list[Event]] = {}
        for event in self.events:
            if event.exchange is not None:
                exchanges.setdefault(event.exchange, []).append(event)
        return [exchanges[number] for number in sorted(exchanges)]

    def streams(self) -> list[RecordedStream]:
        """The streams, one after the other: one, or those of an agent's turn.

        Raises:
            ConfigError: the configuration of one is none.
        """
        return [_stream(part) for part in self.parts()]

    def parts(self) -> list[Recording]:
        """The recordings of the single streams."""
        starts = [place for place, event in enumerate(self.events) if event.name == "stream"]
        return [
            Recording(self.events[start:end], self.version)
            for start, end in itertools.pairwise([*starts, len(self.events)])
        ]


@attrs.frozen
class RecordedStream:
    """One stream of a recording.

    Args:
        config: what it went by, without keys and headers.
        recording: its events.
        ending: the tag of its ending, such as `done`; `None` where the user left before.
        seconds: how long it took.
    """

    config: StreamingConfig
    recording: Recording
    ending: str | None
    seconds: float


def _stream(recording: Recording) -> RecordedStream:
    first = recording.events[0]
    try:
        config = converter().structure(first.fields["config"], StreamingConfig)
    except (KeyError, ConfigError, cattrs.BaseValidationError) as error:
        raise ConfigError(f"the recording's configuration can't be read: {error}") from error
    ended = next((event for event in recording.events if event.name == "ending"), recording.events[-1])
    return RecordedStream(config, recording, ended.fields.get("type"), ended.at - first.at)


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
        return parse_recording(file, str(path))


def parse_recording(lines: Iterable[bytes], name: str) -> Recording:
    """The recording in the lines of a file.

    Args:
        lines: all of them.
        name: of the file, for errors.

    Raises:
        ConfigError: it is none; the message says the line.
    """
    number = 1
    numbered = enumerate(lines, 1)
    try:
        first = next(numbered, (1, b""))[1]
        if not is_recording(first):
            raise ConfigError(f"{name}: no recording: `gestura ask --record FILE` makes one, or `record=` of a stream")
        head = json.loads(first)
        if head["recording"] != FORMAT:
            raise ConfigError(f"{name}: a recording of format {head['recording']!r}; this gestura reads {FORMAT}")
        events = []
        for number, line in numbered:  # noqa: B007  # the error tells it
            events.append(_event(json.loads(line)))
        return Recording(events, str(head["gestura"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{name}:{number}: not a line of a recording: {error}") from error


def _event(line: dict[str, Any]) -> Event:
    at, exchange, name = line.pop("at"), line.pop("exchange", None), line.pop("event")
    if not isinstance(at, int | float) or not isinstance(name, str):
        raise TypeError("`at` is a number, and `event` a name")
    if name == "read":
        text, encoded = line.pop("text", None), line.pop("base64", None)
        line["data"] = base64.b64decode(encoded, validate=True) if text is None else text.encode()
    return Event(float(at), exchange, name, line)
