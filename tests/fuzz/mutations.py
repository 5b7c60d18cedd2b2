"""Damage that knows what it damages: events torn out, repeated and swapped, JSON of another shape in any field.

Random bytes hardly ever get past a framer. These begin with a sound answer and change it where decoders decide: the
order of events, their names, the type, presence and size of each value. All of it is drawn from one `random.Random`,
so hypothesis can shrink it and a coverage-guided fuzzer can repeat it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["HOSTILE", "mutate", "replaced_everywhere"]

Json = Any

HOSTILE: Final[tuple[Json, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**63,
    10**400,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a",
    "1",
    "²",
    "0",
    "\x00",
    "\ud800",
    "\udc00x",
    "😀",
    "<think>",
    "</think>",
    "<thi",
    "[DONE]",
    "stop",
    "tool_use",
    "error",
    "x" * 3000,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": None},
    {"a": 1},
    ["a", 1, {}],
    {"type": "text", "text": "t"},
    {"message": {"message": {"message": "deep"}}},
    {"error": "e"},
)
"""Values that no field, or hardly any, is meant to have."""

TOKENS: Final = (
    *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b" ", b"\t", b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80"),
    *(b"\xef\xbb\xbf", "\u2028".encode(), b":", b": ping\n\n", b"data:", b"data: ", b"event: ", b"event: error\n"),
    *(b"id: 1\n", b"retry: 1\n", b"{", b"}", b"[", b"]", b'"', b",", b"\\", b"\\u", b"\\ud800", b"{}", b"null"),
    *(b"[DONE]", b"data: [DONE]\n\n", b"data: {}\n\n", b"<think>", b"</think>", b"1e999", b"-", b"NaN"),
)
"""Bytes that framers and decoders look for."""

DEPTH: Final = 600
"""How deep a nest is: deeper than any limit on it, and no deeper than Python's `json` can write one."""


def mutate(wire: bytes, rng: random.Random) -> bytes:
    """`wire` with one to four things done to it."""
    for _ in range(rng.randint(1, 4)):
        wire = rng.choice(_WAYS)(wire, rng)
    return wire


def replaced_everywhere(wire: bytes) -> Iterator[bytes]:
    """`wire` with each value in each of its events replaced by each hostile one, and once left out."""
    events = _events(wire)
    for place, event in enumerate(events):
        prefix, value = _parsed(event)
        if prefix is None:
            continue
        for path in _paths(value):
            for hostile in HOSTILE:
                yield b"".join([*events[:place], _written(prefix, _with(value, path, hostile)), *events[place + 1 :]])
            if path:
                yield b"".join([*events[:place], _written(prefix, _without(value, path)), *events[place + 1 :]])


# Events.


def _events(wire: bytes) -> list[bytes]:
    """The events of a stream with their ends, or its lines, where it is no event stream."""
    if re.match(rb"(?:\xef\xbb\xbf)?\s*\{", wire):
        return wire.splitlines(keepends=True)
    return [event for event in re.split(rb"(?<=\n\n)|(?<=\r\r)|(?<=\r\n\r\n)", wire) if event]


def _drop_event(wire: bytes, rng: random.Random) -> bytes:
    events = _events(wire)
    if events:
        del events[rng.randrange(len(events))]
    return b"".join(events)


def _repeat_event(wire: bytes, rng: random.Random) -> bytes:
    events = _events(wire)
    if events:
        events.insert(rng.randint(0, len(events)), rng.choice(events))
    return b"".join(events)


def _swap_events(wire: bytes, rng: random.Random) -> bytes:
    events = _events(wire)
    if events:
        one, other = rng.randrange(len(events)), rng.randrange(len(events))
        events[one], events[other] = events[other], events[one]
    return b"".join(events)


def _rename_event(wire: bytes, rng: random.Random) -> bytes:
    names = re.findall(rb"event: ?([^\r\n]*)", wire) or [b""]
    name = rng.choice([*names, b"error", b"ping", b""])
    found = list(re.finditer(rb"(?<=event:)[^\r\n]*", wire))
    if not found:
        return wire
    match = rng.choice(found)
    return wire[: match.start()] + b" " + name + wire[match.end() :]


def _cut_off(wire: bytes, rng: random.Random) -> bytes:
    return wire[: rng.randint(0, len(wire))]


def _other_line_ends(wire: bytes, rng: random.Random) -> bytes:
    return wire.replace(b"\r\n", b"\n").replace(b"\n", rng.choice([b"\r", b"\r\n", b"\n"]))


# JSON.


def _change_json(change: Callable[[Json, random.Random], Json]) -> Callable[[bytes, random.Random], bytes]:
    def changed(wire: bytes, rng: random.Random) -> bytes:
        events = _events(wire)
        parsed = [(place, *found) for place, event in enumerate(events) if (found := _parsed(event))[0] is not None]
        if not parsed:
            return wire
        place, prefix, value = rng.choice(parsed)
        assert prefix is not None
        events[place] = _written(prefix, change(value, rng))
        return b"".join(events)

    return changed


def _replace_value(value: Json, rng: random.Random) -> Json:
    return _with(value, rng.choice(list(_paths(value))), rng.choice(HOSTILE))


def _drop_value(value: Json, rng: random.Random) -> Json:
    paths = [path for path in _paths(value) if path]
    return _without(value, rng.choice(paths)) if paths else value


def _move_value(value: Json, rng: random.Random) -> Json:
    paths = list(_paths(value))
    return _with(value, rng.choice(paths), _at(value, rng.choice(paths)))


def _wrap_value(value: Json, rng: random.Random) -> Json:
    path = rng.choice(list(_paths(value)))
    inner = _at(value, path)
    return _with(value, path, rng.choice([[inner], [inner, inner], {"a": inner}, json.dumps(inner)]))


def _nest_value(value: Json, rng: random.Random) -> Json:
    path = rng.choice(list(_paths(value)))
    inner = _at(value, path)
    for _ in range(rng.choice([3, 30, DEPTH])):
        inner = [inner] if rng.random() < 0.5 else {"a": inner}
    return _with(value, path, inner)


Path = tuple[str | int, ...]


def _paths(value: Json, above: Path = ()) -> Iterator[Path]:
    yield above
    match value:
        case dict():
            for key, inner in value.items():
                yield from _paths(inner, (*above, key))
        case list():
            for place, inner in enumerate(value):
                yield from _paths(inner, (*above, place))


def _at(value: Json, path: Path) -> Json:
    for step in path:
        value = value[step]
    return value


def _with(value: Json, path: Path, new: Json) -> Json:
    if not path:
        return new
    copy: Json = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def _without(value: Json, path: Path) -> Json:
    copy: Json = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = _without(value[path[0]], path[1:])
    return copy


def _parsed(event: bytes) -> tuple[tuple[bytes, bytes] | None, Json]:
    """What stands before and behind the JSON of an event, and the JSON; no frame where it has none."""
    begin = event.find(b"{")
    end = event.rfind(b"}") + 1
    try:
        value = json.loads(event[begin:end].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None, None
    # What was nested before, and is not short of Python's own limit any more, is damaged enough.
    return (None, None) if _depth(value) > DEPTH else ((event[:begin], event[end:]), value)


def _depth(value: Json) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _written(frame: tuple[bytes, bytes], value: Json) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate can be written as an escape alone
        text = json.dumps(value).encode()
    except RecursionError:
        text = b"[" * 3000
    return frame[0] + text + frame[1]


# Bytes.


def _flip_byte(wire: bytes, rng: random.Random) -> bytes:
    if not wire:
        return wire
    place = rng.randrange(len(wire))
    return wire[:place] + bytes([rng.randrange(256)]) + wire[place + 1 :]


def _insert_token(wire: bytes, rng: random.Random) -> bytes:
    place = rng.randint(0, len(wire))
    return wire[:place] + rng.choice(TOKENS) + wire[place:]


def _drop_slice(wire: bytes, rng: random.Random) -> bytes:
    begin, end = sorted((rng.randint(0, len(wire)), rng.randint(0, len(wire))))
    return wire[:begin] + wire[min(end, begin + 40) :]


def _repeat_slice(wire: bytes, rng: random.Random) -> bytes:
    begin, end = sorted((rng.randint(0, len(wire)), rng.randint(0, len(wire))))
    return wire[:end] + wire[begin : min(end, begin + 200)] + wire[end:]


_WAYS: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    *map(_change_json, (_replace_value, _replace_value, _replace_value, _drop_value, _move_value)),
    *map(_change_json, (_wrap_value, _nest_value)),
    _drop_event,
    _repeat_event,
    _swap_events,
    _rename_event,
    _cut_off,
    _other_line_ends,
    _flip_byte,
    _insert_token,
    _drop_slice,
    _repeat_slice,
)
