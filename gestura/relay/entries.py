"""Chunks as the entries of a log, and back; and what is told of a stream beside them.

An entry is one chunk as JSON (`gestura.to_json`), in UTF-8. Chunks that wait together are joined where their texts are
one anyway, so a log that is slower than the model has fewer and longer entries. Pure: no clock and no log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import attrs
import cattrs
import msgspec

from gestura.chunk_json import converter, from_json, to_json
from gestura.chunks import StreamChunk, Text, Thinking, ToolCallArgs
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.relay.log import RelayError

__all__ = ["About", "from_entry", "join", "to_entry"]

LONGEST_JOINED: Final = 16 * 1024
"""Characters of one entry that was joined: a follower shows it as one, and may be far away."""


@attrs.frozen(kw_only=True)
class About:
    """What is known of a published stream beside its chunks; what a worker is told to do is the same.

    Args:
        request: what was asked; `None` where it was not told: such a stream can't be resumed.
        provider: who was asked; `None` is the primary one.
        model: which model; `None` is the provider's configured one.
        takeover_seconds: how long followers leave a dead publisher's stream to whoever may go on with it.
    """

    request: Request | None = None
    provider: str | None = None
    model: str | None = None
    takeover_seconds: float = 0.0

    def to_json(self) -> bytes:
        """As it is kept."""
        return _to_bytes(converter().unstructure(self))

    @classmethod
    def from_json(cls, data: bytes) -> About:
        """What `to_json` made it of.

        Raises:
            RelayError: it is none, or of a version that this one can't read.
        """
        try:
            return converter().structure(msgspec.convert(_from_bytes(data), dict[str, Any]), cls)
        except (ValueError, TypeError, ConfigError, cattrs.BaseValidationError) as error:
            raise RelayError(f"what the log tells of the stream can't be read: {error}") from None


def to_entry(chunk: StreamChunk) -> bytes:
    """The chunk as an entry.

    >>> to_entry(Text("hi"))
    b'{"type":"text","text":"hi"}'
    """
    return _to_bytes(to_json(chunk))


def from_entry(payload: bytes) -> StreamChunk:
    """The chunk that `to_entry` made the entry of.

    Raises:
        RelayError: it is no chunk, or one of a newer version that this one does not know.

    >>> from_entry(b'{"type":"text","text":"hi"}')
    Text(text='hi')
    """
    try:
        return from_json(_from_bytes(payload))
    except ValueError as error:
        raise RelayError(f"an entry of the log can't be read: {error}") from None


def join(chunks: Iterable[StreamChunk]) -> list[StreamChunk]:
    """The same, neighbours made one: text and text, thinking and thinking, arguments of the same call.

    >>> join([Text("Hel"), Text("lo"), Thinking("…")])
    [Text(text='Hello'), Thinking(text='…')]
    """
    joined: list[StreamChunk] = []
    alike: list[str] = []
    size = 0
    for chunk in chunks:
        text = _text_of(chunk)
        if text is not None and alike and _are_one(joined[-1], chunk) and size + len(text) <= LONGEST_JOINED:
            alike.append(text)
            size += len(text)
            continue
        _flush(joined, alike)
        joined.append(chunk)
        alike, size = ([], 0) if text is None else ([text], len(text))
    _flush(joined, alike)
    return joined


def _text_of(chunk: StreamChunk) -> str | None:
    """The text of a chunk that can be joined."""
    match chunk:
        case Text(text) | Thinking(text) | ToolCallArgs(fragment=text):
            return text
        case _:
            return None


def _are_one(last: StreamChunk, chunk: StreamChunk) -> bool:
    if isinstance(last, ToolCallArgs):
        return isinstance(chunk, ToolCallArgs) and last.id == chunk.id
    return type(last) is type(chunk)


def _flush(joined: list[StreamChunk], alike: list[str]) -> None:
    """Give the last one all the text."""
    if len(alike) < 2:
        return
    text = "".join(alike)
    match joined[-1]:
        case ToolCallArgs(id=call):
            joined[-1] = ToolCallArgs(call, text)
        case Thinking():
            joined[-1] = Thinking(text)
        case _:
            joined[-1] = Text(text)


def _to_bytes(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # half a surrogate pair, which a server cut: only escaped can it be written
        return json.dumps(value, separators=(",", ":")).encode()


def _from_bytes(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        return json.loads(data)
