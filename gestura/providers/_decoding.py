"""Frames to typed events: what every decoder of JSON frames has in common.

msgspec decodes straight into the few fields a decoder reads, which is the fastest way there is. What does not fit the
declared types is rare, so it may be slow: the event is then decoded once more, untyped, and everything of it that does
fit is kept. A provider that changes the type of a field costs us that field, never the stream.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec

from gestura.errors import ProtocolError
from gestura.stages.deltas import Delta, Frame
from gestura.usage import MOST_TOKENS

__all__ = ["FrameDecoder", "TokenCount", "WireDecoder"]

Event = TypeVar("Event", bound=msgspec.Struct)

_UNFIT: Any = object()

TokenCount = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
"""A count of tokens, as the fields of events declare it: what can't be one is passed over like a value of a wrong type.
"""


class InputCutOff(Exception):
    """The last frame is incomplete because the input ended inside it. The missing end is reported elsewhere."""


class WireDecoder:
    """What every wire decoder does with a batch of frames; how one frame is read is its own.

    An input that ends inside a frame ends the answer there: no terminal event is read, which is how that is told.
    """

    _is_cut_off = False
    """The input has ended inside a frame."""

    def feed(self, batch: Sequence[Frame]) -> list[Delta]:
        out: list[Delta] = []
        try:
            for frame in batch:
                self._read(frame, out)
        except InputCutOff:
            self._is_cut_off = True
        except ProtocolError as error:
            error.made = out
            raise
        return out

    def close(self) -> list[Delta]:
        return []

    def _read(self, frame: Frame, out: list[Delta]) -> None:
        """Put what `frame` says into `out`."""
        raise NotImplementedError


class FrameDecoder(Generic[Event]):
    """Decodes the JSON of frames into events of one `msgspec.Struct` class, all of whose fields have defaults."""

    def __init__(self, event: type[Event]) -> None:
        self._event = event
        self._decode = _decode_for(event)
        self._frames = 0

    def decode(self, frame: Frame) -> tuple[Event, bool]:
        """The event in `frame`, and whether all of it had the expected shape.

        Raises:
            InputCutOff: the frame is unterminated and not complete by itself.
            ProtocolError: the frame is not a JSON object.
        """
        self._frames += 1
        try:
            return self._decode(frame.data), True
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
            return self._decode_leniently(frame), False

    def _decode_leniently(self, frame: Frame) -> Event:
        event: Event | None = None
        try:
            value = json.loads(frame.data)  # takes what msgspec refuses: lone surrogates, NaN
            if isinstance(value, dict):
                event = _salvage(_without_lone_surrogates(value), self._event)
        except RecursionError:
            raise ProtocolError(f"event {self._frames} is nested too deeply") from None
        except ValueError as error:
            if not frame.terminated:
                raise InputCutOff from None
            reason = "a number has too many digits"
            if isinstance(error, json.JSONDecodeError):
                reason = f"{error.msg} at character {error.pos}"
            raise ProtocolError(f"event {self._frames} is not valid JSON: {reason}") from None
        if event is None:
            raise ProtocolError(f"event {self._frames} is a JSON {type(value).__name__}, not an object")
        return event


@cache
def _decode_for(event: type[Event]) -> Callable[[str], Event]:
    """One for all streams: it keeps nothing of what it has decoded, and takes time and memory to make."""
    return msgspec.json.Decoder(event).decode


def _salvage(value: Any, wanted: Any) -> Any:
    """`value` as the type `wanted`, without the parts that do not fit; `_UNFIT` when nothing does."""
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError:
        pass
    is_union = get_origin(wanted) in (Union, types.UnionType)
    for option in get_args(wanted) if is_union else (wanted,):
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, msgspec.Struct):
            fields = _fields_of(option)
            kept = {name: _salvage(value[key], kind) for name, (key, kind) in fields.items() if key in value}
            return option(**{name: part for name, part in kept.items() if part is not _UNFIT})
        if isinstance(value, list) and get_origin(option) is list:
            (item_type,) = get_args(option)
            items = [_salvage(item, item_type) for item in value]
            return [item for item in items if item is not _UNFIT]
    return _UNFIT


@cache
def _fields_of(struct: type[msgspec.Struct]) -> Mapping[str, tuple[str, Any]]:
    """By name, the name in JSON and the type. Kept, for msgspec makes garbage in a circle each time it tells them."""
    return {field.name: (field.encode_name, field.type) for field in msgspec.structs.fields(struct)}


def _without_lone_surrogates(value: Any) -> Any:
    """`value` with each half of a surrogate pair that stands alone replaced by U+FFFD, so that it can be encoded."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
