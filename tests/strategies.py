"""Hypothesis strategies: what servers may send, and where networks may cut it.

A strategy of wires gives bytes together with what they mean, so that a test can say what must come out. Garbage means
nothing: it is made of the pieces that parsers trip over, which random bytes would hardly ever hit.

What is drawn again and again is made once: hypothesis takes longer to look through a new strategy than to draw from it.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any

import attrs
from hypothesis import strategies as st

from gestura import parts
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.request_options import NamedTool, ResponseFormat, Sampling, Tool
from gestura.stages.deltas import Frame

BOM = "\ufeff".encode()

# Where the network cuts.


@cache
def cuts(max_size: int = 12) -> st.SearchStrategy[tuple[int, ...]]:
    """Positions for `gestura.testing.split`: a few anywhere, possibly the same one twice (an empty read)."""
    return st.lists(st.integers(0, 2000), max_size=max_size).map(tuple)


# Text.

NEARLY_LINE_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
"""What `str.splitlines` takes for line ends, and SSE, NDJSON and JSON do not."""


@cache
def line_text(max_size: int = 20) -> st.SearchStrategy[str]:
    """One line of text without LF or CR: multi-byte characters, colons, spaces, NUL and the like of line ends."""
    hard = st.sampled_from('aé€😀: \t\x00{}"\ufeff\ufffd' + NEARLY_LINE_ENDS)
    plain = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")
    return st.text(hard | plain, max_size=max_size)


# Server-sent events.


@attrs.frozen
class Wire:
    """What a server sends, and the frames it means."""

    wire: bytes
    frames: list[Frame]


SSE_NOISE = [
    ":",
    ": keep-alive",
    "id: 7",
    "retry: 3000",
    "Data: no",
    " data: no",
    "data : no",
    "dat",
    "\u00a0",
    "unknown",
]
"""Lines that change nothing."""


@cache
@st.composite
def sse_wires(draw: st.DrawFn) -> Wire:
    """Events with any text, written in every way the standard allows: line ends, comments, fields of no meaning."""
    frames = draw(st.lists(st.builds(Frame, _data(), line_text(8)), max_size=5))
    lines = []
    for frame in frames:
        block = [_field(draw, "data", value) for value in frame.data.split("\n")]
        if frame.event or draw(st.booleans()):
            block.insert(draw(st.integers(0, len(block))), _field(draw, "event", frame.event))
        for noise in draw(st.lists(st.sampled_from(SSE_NOISE), max_size=2)):
            block.insert(draw(st.integers(0, len(block))), noise)
        if draw(st.booleans()):
            lines += ["event: of a block without data", ""]
        lines += [*block, *[""] * draw(st.integers(1, 3))]
    return Wire(draw(st.sampled_from([b"", BOM])) + _with_line_ends(draw, lines), frames)


@cache
def sse_garbage() -> st.SearchStrategy[bytes]:
    """Bytes that are nearly server-sent events."""
    return _joined(
        *(
            b"data",
            b"event",
            b"id",
            b"data: ",
            b"event: ",
            b"data:",
            b":",
            b": ",
            b" ",
            b"\t",
            b"\x00",
            b"{}",
            b"[DONE]",
        ),
        *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", BOM, *_BROKEN_UTF8),
    )


# NDJSON.


@cache
@st.composite
def ndjson_wires(draw: st.DrawFn) -> Wire:
    """Records of any text, some ended by CR LF, with blank lines between."""
    texts = draw(st.lists(line_text().filter(lambda text: text.strip(" \t")), max_size=6))
    blank = st.sampled_from(["", " ", "\t", "\r", " \r"])
    lines = []
    for text in texts:
        lines += [*draw(st.lists(blank, max_size=2)), text + draw(st.sampled_from(["", "\r"]))]
    wire = "".join(f"{line}\n" for line in lines).encode()
    return Wire(draw(st.sampled_from([b"", BOM])) + wire, [Frame(text) for text in texts])


@cache
def ndjson_garbage() -> st.SearchStrategy[bytes]:
    """Bytes that are nearly NDJSON."""
    return _joined(b"{}", b'{"a":"', b'"}', b" ", b"\t", b"\n", b"\r", b"\r\n", b"\x00", BOM, *_BROKEN_UTF8)


# Parts.

_BROKEN_UTF8 = ("é".encode(), "\u2028".encode(), "😀".encode(), b"\xf0\x9f", b"\x80", b"\xff", b"\xed\xa0\x80", b"\xc3")


def _joined(*parts: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(parts), max_size=40).map(b"".join)


@cache
def _data() -> st.SearchStrategy[str]:
    return st.lists(line_text(), min_size=1, max_size=3).map("\n".join)


def _field(draw: st.DrawFn, name: str, value: str) -> str:
    """A line that gives `name` this value, in one of the ways there are."""
    ways = [f"{name}: {value}"]
    if not value.startswith(" "):
        ways.append(f"{name}:{value}")
    if not value:
        ways.append(name)
    return draw(st.sampled_from(ways))


def _with_line_ends(draw: st.DrawFn, lines: list[str]) -> bytes:
    text = ""
    for line in lines:
        end = draw(st.sampled_from(["\n", "\r", "\r\n"]))
        if not line and end == "\n" and text.endswith("\r"):
            end = "\r"  # with LF here, the two would be one line end
        text += line + end
    return text.encode()


# Chat Completions.

TEXT = ["a", "b c", " ", "\n", "é", "😀", "\u2028", "\r\n", '"', "\\", "{", "<", "<thi", "</", "<b>", "data: "]
"""Of which text is made: hard to split and to quote, and never a tag, whatever stands beside it."""


@attrs.frozen
class Said:
    """A piece of text as it stands in the wire, tags and all."""

    text: str


@attrs.frozen
class Reasoned:
    """A piece of reasoning that has a field of its own."""

    text: str


@attrs.frozen
class CallPart:
    """A fragment of the tool call of this index."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@attrs.frozen
class Finished:
    """The finish reason."""

    word: str


@attrs.frozen
class Told:
    """Token counts."""

    input_tokens: int
    output_tokens: int


@attrs.frozen
class Failed:
    """An error object."""

    message: str


@attrs.frozen
class Over:
    """`[DONE]`."""


Meaning = Said | Reasoned | CallPart | Finished | Told | Failed | Over


@attrs.frozen
class ChatStream:
    """What a server sends, and what its events mean, each with the length of the wire from which on it can be read."""

    wire: bytes
    meanings: tuple[tuple[int, Meaning], ...]

    def meant(self, length: int) -> list[Meaning]:
        """What so much of the wire means."""
        return [meaning for end, meaning in self.meanings if end <= length]


@cache
@st.composite
def chat_streams(draw: st.DrawFn, *, errors: bool = True) -> ChatStream:
    """An answer: text with tags, reasoning, tool calls whose fragments mix, counts, and what ends it, or does not."""
    runs: list[list[Meaning]] = draw(st.lists(_tagged_text() | _reasoning(), max_size=4))
    parts = draw(_mixed_calls())
    for place, part in reversed(list(zip(_places(draw, len(parts), len(runs)), parts, strict=True))):
        runs.insert(place, [part])
    meanings = [meaning for run in runs for meaning in run]
    if word := draw(st.sampled_from([None, "stop", "tool_calls", "length", "content_filter"])):
        meanings.append(Finished(word))
    if draw(st.booleans()):
        meanings.append(Told(draw(st.integers(0, 99)), draw(st.integers(1, 99))))
    if errors and draw(st.integers(0, 9)) == 0:
        meanings.insert(draw(st.integers(0, len(meanings))), Failed("the model fell over"))
    if draw(st.booleans()):
        meanings.append(Over())
    return _in_events(draw, meanings)


@cache
def chat_garbage() -> st.SearchStrategy[bytes]:
    """Events that are nearly Chat Completions: any value in any field, in any order, with lines of garbage between."""
    value = st.sampled_from(
        [None, 0, -1, 7, "", "a", "<think>", "</think>", [], {}, ["a"], {"a": 1}, 1e9, True, "stop"]
    )
    fragment = st.fixed_dictionaries(
        {}, optional={"index": value, "id": value, "function": value | _fields("name", "arguments", of=value)}
    )
    inner = _fields("content", "reasoning_content", "reasoning", "refusal", "role", of=value)
    calls = st.fixed_dictionaries({"tool_calls": st.lists(fragment | value, max_size=3)})
    choice = st.fixed_dictionaries(
        {}, optional={"index": value, "delta": inner | calls | value, "finish_reason": value}
    )
    body = st.fixed_dictionaries(
        {"choices": st.lists(choice | value, max_size=2) | value},
        optional={"usage": value, "model": value, "error": value},
    )
    event = body.map(lambda fields: b"data: " + json.dumps(fields).encode() + b"\n\n")
    return st.lists(event | event | sse_garbage() | st.just(b"data: [DONE]\n\n"), max_size=6).map(b"".join)


def _fields(*names: str, of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, of))


@cache
def _plain_text() -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(TEXT), min_size=1, max_size=5).map("".join)


@cache
@st.composite
def _tagged_text(draw: st.DrawFn) -> list[Meaning]:
    """Text that may hold blocks of thinking, the last of which may stay open; in pieces cut anywhere."""
    text = ""
    for _ in range(draw(st.integers(0, 2))):
        text += draw(st.just("") | _plain_text()) + "<think>" + draw(st.just("") | _plain_text()) + "</think>"
    text += draw(_plain_text())
    if draw(st.integers(0, 5)) == 0:
        text += "<think>" + draw(_plain_text())
    return [Said(piece) for piece in _pieces(draw, text)]


@cache
@st.composite
def _reasoning(draw: st.DrawFn) -> list[Meaning]:
    return [Reasoned(piece) for piece in _pieces(draw, draw(_plain_text()))]


@cache
@st.composite
def _mixed_calls(draw: st.DrawFn) -> list[CallPart]:
    """Up to three calls, some without an id of their own; the fragments of each in order, mixed with the others'."""
    calls = []
    for index in range(draw(st.integers(0, 3))):
        arguments = draw(st.just("{}") | st.dictionaries(_plain_text(), _plain_text(), max_size=2).map(json.dumps))
        first, *others = _pieces(draw, arguments)
        call_id = draw(st.sampled_from([f"call-{index}", "same", "", None]))
        opening = CallPart(index, call_id, f"tool_{index}", draw(st.just("") | st.just(first)))
        rest = [piece for piece in (first, *others) if piece != first or opening.arguments == ""]
        if opening.arguments:
            rest = others
        calls.append([opening, *(CallPart(index, None, None, piece) for piece in rest)])
    order = draw(st.permutations([index for index, call in enumerate(calls) for _ in call]))
    return [calls[index].pop(0) for index in order]


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted({0, len(text), *draw(st.lists(st.integers(0, len(text)), max_size=5))})
    return [text[start:end] for start, end in pairwise(cuts)]


def _places(draw: st.DrawFn, count: int, size: int) -> list[int]:
    """Where to put so many things into a list of this size, in order."""
    return sorted(draw(st.lists(st.integers(0, size), min_size=count, max_size=count)))


CHAT_NOISE = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {}}]},
    {"choices": [{"index": 1, "delta": {"content": "<think>another choice</think>"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": []}}], "usage": None, "system_fingerprint": "fp"},
]
"""Events that say nothing of the first choice."""


def _in_events(draw: st.DrawFn, meanings: list[Meaning]) -> ChatStream:
    """The events that say it, with noise between, under one of the line ends."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"])).encode()
    colon = draw(st.sampled_from([b"data: ", b"data:"]))
    ascii_only = draw(st.booleans())
    wire = draw(st.sampled_from([b"", BOM]))
    placed = []
    for meaning in meanings:
        match draw(st.integers(0, 9)):
            case 0:
                wire += b": keep-alive" + end * draw(st.integers(1, 2))
            case 1:
                wire += colon + json.dumps(draw(st.sampled_from(CHAT_NOISE))).encode() + end + end
        data = "[DONE]" if meaning == Over() else json.dumps(_event_of(meaning), ensure_ascii=ascii_only)
        wire += colon + data.encode()
        placed.append((len(wire), meaning))
        wire += end + end
    return ChatStream(wire, tuple(placed))


def _event_of(meaning: Meaning) -> dict[str, Any]:
    match meaning:
        case Told(given, made):
            return {"choices": [], "usage": {"prompt_tokens": given, "completion_tokens": made}}
        case Failed(message):
            return {"error": {"message": message, "type": "server_error"}}
        case Finished(word):
            return {"choices": [{"index": 0, "delta": {}, "finish_reason": word}]}
        case Said(text):
            inner: dict[str, Any] = {"content": text}
        case Reasoned(text):
            inner = {"reasoning_content": text, "content": None}
        case CallPart(index, call_id, name, arguments):
            function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
            given_id = {} if call_id is None else {"id": call_id, "type": "function"}
            inner = {"tool_calls": [{"index": index, **given_id, "function": function}]}
        case _:
            raise AssertionError(meaning)
    return {"choices": [{"index": 0, "delta": inner, "finish_reason": None}]}


# Conversations.

NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,12}", fullmatch=True)
CACHE = st.sampled_from([None, "5m", "1h"])


@cache
def plain_text(min_size: int = 0) -> st.SearchStrategy[str]:
    """Any text that can be sent: all but halves of surrogate pairs."""
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=20)


@cache
def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """Objects as a model gives for the arguments of a call."""
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | plain_text()
    return st.dictionaries(plain_text(), st.recursive(leaves, lambda inner: st.lists(inner, max_size=3)), max_size=3)


@cache
def text_parts() -> st.SearchStrategy[parts.TextPart]:
    return st.builds(parts.TextPart, plain_text(min_size=1), cache=CACHE)


@cache
def image_parts() -> st.SearchStrategy[parts.ImagePart]:
    types = st.sampled_from(["image/png", "image/jpeg", "image/gif", "image/webp"])
    held = st.builds(parts.ImagePart, data=st.binary(min_size=1, max_size=9), media_type=types, cache=CACHE)
    return held | st.builds(parts.ImagePart, url=st.just("https://example.com/a.png"), cache=CACHE)


@cache
def document_parts() -> st.SearchStrategy[parts.DocumentPart]:
    types = st.sampled_from(["application/pdf", "text/plain"])
    name = st.none() | NAMES
    held = st.builds(
        parts.DocumentPart, data=st.binary(min_size=1, max_size=9), media_type=types, name=name, cache=CACHE
    )
    return held | st.builds(parts.DocumentPart, url=st.just("https://example.com/a.pdf"), name=name, cache=CACHE)


def thinking_parts(seals: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[parts.ThinkingPart]:
    """Reasoning without a seal, and with those of each wire format in `seals`."""
    sealed = [
        st.builds(parts.ThinkingPart, plain_text(), signature=seal, sealed_by=st.just(wire))
        for wire, seal in seals.items()
    ]
    return st.one_of(st.builds(parts.ThinkingPart, plain_text(min_size=1)), *sealed)


SEALS = {
    "anthropic": st.just("c2VhbA=="),
    "gemini": st.just("c2VhbA=="),
    "openai_chat": st.sampled_from(
        [
            '{"type":"reasoning.text","format":"unknown","index":0}',
            '{"type":"reasoning.encrypted","data":"c2VhbA==","index":0}',
        ]
    ),
    "openai_responses": st.just('{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"c2VhbA=="}'),
}


SAID = st.lists(text_parts() | image_parts() | document_parts(), min_size=1, max_size=3)
TOLD = text_parts() | thinking_parts(SEALS) | st.builds(parts.RefusalPart, plain_text(min_size=1))
SOMETHING_TOLD, ANYTHING_TOLD = (st.lists(TOLD, min_size=least, max_size=3) for least in (1, 0))
RESULT = st.lists(text_parts() | image_parts(), max_size=2).map(tuple)
A_TEXT, ANY_TEXTS = (st.lists(text_parts(), min_size=least) for least in (1, 0))


@cache
@st.composite
def conversations(draw: st.DrawFn, max_turns: int = 3) -> tuple[Message, ...]:
    """Turns of a user and a model, beginning and ending with the user's; every call has its result."""
    turns = [Message(Role.USER, draw(SAID))]
    for turn in range(draw(st.integers(0, max_turns))):
        calls = [
            parts.ToolCall(f"call_{turn}_{number}", draw(NAMES), json.dumps(draw(json_objects())))
            for number in range(draw(st.integers(0, 2)))
        ]
        answer = [*draw(ANYTHING_TOLD if calls else SOMETHING_TOLD), *calls]
        turns.append(Message(Role.ASSISTANT, answer))
        results = [
            parts.ToolResult(call.id, draw(RESULT), is_error=draw(st.booleans()), cache=draw(CACHE)) for call in calls
        ]
        turns.append(Message(Role.USER, [*results, *draw(ANY_TEXTS if calls else A_TEXT)]))
    return tuple(turns)


CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = st.lists(
    st.builds(
        Tool,
        name=NAMES,
        description=plain_text(),
        parameters=st.just(CITY),
        cache=CACHE,
        strict=st.sampled_from([None, True, False]),
    ),
    max_size=2,
    unique_by=lambda tool: tool.name,
)
SYSTEM = st.lists(text_parts(), max_size=2)
SAMPLING = st.builds(
    Sampling,
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    max_output_tokens=st.none() | st.integers(1, 100_000),
    seed=st.none() | st.integers(0, 2**31 - 1),
    stop=st.lists(plain_text(min_size=1), max_size=2),
)
REASONING = st.sampled_from([None, "off", "low", "medium", "high", 1, 1024, 20_000])
RESPONSE_FORMAT = st.none() | st.builds(
    ResponseFormat,
    name=NAMES,
    schema=st.just({**CITY, "required": ["city"]}),
    description=plain_text(),
    strict=st.booleans(),
)


@cache
@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Any valid request, without a field of any provider's own."""
    tools = draw(TOOLS)
    choices: list[Any] = [None, "none"]
    if tools:
        choices += ["auto", "required", NamedTool(tools[0].name)]
    return Request(
        messages=draw(conversations()),
        system=draw(SYSTEM),
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        sampling=draw(SAMPLING),
        reasoning=draw(REASONING),
        response_format=draw(RESPONSE_FORMAT),
    )
