"""Server-sent events: the cases of the WHATWG standard that parsers get wrong, and the properties behind them."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import example, given
from strategies import Wire, cuts, sse_garbage, sse_wires

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.sse import SseFramer
from gestura.testing import check_stage, run_inline, split


def framer() -> SseFramer:
    return SseFramer(Limits())


def unterminated(data: str, event: str = "") -> Frame:
    return Frame(data, event, terminated=False)


CASES: dict[str, tuple[bytes, list[Frame]]] = {
    # Line ends.
    "LF": (b"data: a\n\ndata: b\n\n", [Frame("a"), Frame("b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [Frame("a"), Frame("b")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [Frame("a"), Frame("b")]),
    "mixed line ends": (b"data: a\r\n\rdata: b\n\r\ndata: c\r\r\n", [Frame("a"), Frame("b"), Frame("c")]),
    "U+2028, U+2029, U+0085, VT, FF and FS end no line": (
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n\n".encode(),
        [Frame("a\u2028b\u2029c\x85d\x0be\x0cf\x1cg")],
    ),
    "many blank lines": (b"\n\ndata: a\n\n\n\ndata: b\n\n\n", [Frame("a"), Frame("b")]),
    # BOM and encoding.
    "a leading BOM is dropped": (b"\xef\xbb\xbfdata: a\n\n", [Frame("a")]),
    "of two leading BOMs, one": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [Frame("b")]),
    "a later BOM is a part of the field's name": (
        b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n",
        [Frame("a"), Frame("c")],
    ),
    "multi-byte characters": ("data: é€😀\n\n".encode(), [Frame("é€😀")]),
    "bytes that are not UTF-8": (
        b"data: a\xffb\xc3\n\ndata: \xed\xa0\x80\n\n",
        [Frame("a\ufffdb\ufffd"), Frame("\ufffd" * 3)],
    ),
    "NUL is content": (b"data: a\x00b\n\n", [Frame("a\x00b")]),
    # Comments.
    "comments": (b":\n: OPENROUTER PROCESSING\n:data: no\n\ndata: a\n:x\n\n", [Frame("a")]),
    "a comment splits no event": (b"data: a\n: ping\ndata: b\n\n", [Frame("a\nb")]),
    # Data.
    "several data lines are joined by LF": (b"data: a\ndata: b\ndata: c\n\n", [Frame("a\nb\nc")]),
    "data without a colon": (b"data\n\ndata\ndata\n\n", [Frame(""), Frame("\n")]),
    "empty data is dispatched": (b"data:\n\ndata: \n\n", [Frame(""), Frame("")]),
    "no space is needed": (b"data:a\n\n", [Frame("a")]),
    "one leading space is dropped, a tab is not": (b"data:  a \n\ndata:\ta\n\n", [Frame(" a "), Frame("\ta")]),
    "colons in the value": (b'data: {"a": "b:c"}\ndata::\n\n', [Frame('{"a": "b:c"}\n:')]),
    "a sentinel is data like any": (b"data: [DONE]\n\n", [Frame("[DONE]")]),
    # Event names.
    "event": (b"event: ping\ndata: {}\n\n", [Frame("{}", "ping")]),
    "event after data": (b"data: {}\nevent:ping\n\n", [Frame("{}", "ping")]),
    "the last event field counts": (b"event: a\nevent: b\ndata: c\n\n", [Frame("c", "b")]),
    "an empty event is the default": (b"event: a\nevent:\ndata: b\n\nevent\ndata: c\n\n", [Frame("b"), Frame("c")]),
    "event is reset after each block": (b"event: a\ndata: b\n\ndata: c\n\n", [Frame("b", "a"), Frame("c")]),
    "event is reset after a block without data": (b"event: a\n\ndata: b\n\n", [Frame("b")]),
    # Blocks without data.
    "a block without data is no event": (b"event: ping\n\nretry: 10\n\nid: 1\n\n: x\n\ndata: a\n\n", [Frame("a")]),
    # Fields of no meaning here.
    "id": (b"id: 1\ndata: a\n\nid\ndata: b\n\nid: 1\x002\ndata: c\n\n", [Frame("a"), Frame("b"), Frame("c")]),
    "retry": (b"retry: 10x\nretry: +10\nretry:\nretry: 10\ndata: a\n\n", [Frame("a")]),
    "unknown fields": (b"Data: a\n data: b\ndata : c\ndatas: d\nfoo\ndata: e\n\n", [Frame("e")]),
    # The end of the input.
    "nothing": (b"", []),
    "a BOM alone": (b"\xef\xbb\xbf", []),
    "a blank line is missing": (b"data: a\n\ndata: b\n", [Frame("a"), unterminated("b")]),
    "a blank line is missing after CR": (b"event: x\rdata: b\r", [unterminated("b", "x")]),
    "the end of the last line is missing": (b"data: a\n\ndata: [DONE]", [Frame("a"), unterminated("[DONE]")]),
    "the input ends inside a character": (b"data: a\xf0\x9f", [unterminated("a\ufffd")]),
    "the input ends inside a field's name": (b"data: a\ndat", [unterminated("a")]),
    "the input ends in a block without data": (b"data: a\n\nevent: b\n: c", [Frame("a")]),
    "the input ends after empty data": (b"data", [unterminated("")]),
}


@pytest.mark.parametrize(("wire", "expected"), CASES.values(), ids=CASES)
def test_events_are_read_as_the_standard_says(wire: bytes, expected: list[Frame]) -> None:
    """Each case gives its frames whole, byte by byte, and cut in two at every position."""
    frames = check_stage(framer, wire)

    assert expected == frames


@given(sse_wires(), cuts())
def test_what_was_written_is_what_is_read(written: Wire, where: tuple[int, ...]) -> None:
    """Events of any text, written in any of the ways the standard allows, come out as they were meant."""
    frames = check_stage(framer, written.wire, where)

    assert written.frames == frames


def as_the_standard_says(wire: bytes) -> list[Frame]:
    """The standard's own steps, on all the bytes at once."""
    lines = re.split("\r\n|\r|\n", wire.decode("utf-8", "replace").removeprefix("\ufeff"))
    frames, data, event = [], "", ""
    for number, line in enumerate(lines, start=1):
        at_end = number == len(lines)
        if line.startswith(":"):
            pass
        elif line:
            name, value = re.fullmatch("([^:]*)(?::[ ]?)?(.*)", line, re.DOTALL).groups()
            if name == "data":
                data += value + "\n"
            elif name == "event":
                event = value
        if at_end or not line:
            frames += [Frame(data[:-1], event, terminated=not at_end)] if data else []
            data, event = "", ""
    return frames


@given(sse_garbage(), cuts())
@example(b"data: a\r\n\r\n", (8, 8))
def test_garbage_is_read_as_the_standard_says(wire: bytes, where: tuple[int, ...]) -> None:
    """Any bytes, cut anywhere, give what the standard's own steps give, and what the end cut off, marked as such."""
    frames = check_stage(framer, wire, where)

    assert as_the_standard_says(wire) == frames


def test_an_event_is_given_as_soon_as_it_ends() -> None:
    """Nothing waits for the bytes after a blank line, not even after CR, which an LF may follow."""
    reading = framer()

    assert [Frame("a")] == reading.feed([b"data: a\r\r"])
    assert [Frame("b")] == reading.feed([b"\ndata: b\r\n\r"])
    assert [Frame("c")] == reading.feed([b"\ndata: c\n\n"])


@pytest.mark.parametrize(
    ("too_much", "what"),
    [
        ("data: 7890123456789\n\n", "a line"),
        (": 789012345678901234", "a line"),
        ("data: 789\n" * 5 + "\n", "an event"),
        ("data:\n" * 18 + "\n", "an event"),
        ("data: 789012345\ndata: 7890123", "an event"),
        ("data: €€€\ndata: €€€\n", "an event"),
        ("data: 789012345\ndata: 7890123\n: 7890123456789012\n", "an event"),
    ],
)
def test_what_is_longer_than_the_limit_is_refused(too_much: str, what: str) -> None:
    """A line or an event over `max_frame_bytes` raises, and the events before it are in `made`, wherever it is cut."""

    def small() -> SseFramer:
        return SseFramer(Limits(max_frame_bytes=16))

    wire = f"data: 789012345\ndata: 789012\n\nevent: b\ndata: c\n\n{too_much}".encode()

    assert [Frame("789012345\n789012"), Frame("c", "b")] == check_stage(small, wire)
    with pytest.raises(LimitExceeded, match=rf"^{what} exceeds 16 \(max_frame_bytes\)$"):
        run_inline(small(), [[wire]])


def test_a_long_burst_of_short_events_is_within_the_limit() -> None:
    """The limit is on an event, not on what arrives at once, nor on a stream."""
    wire = b": ping\ndata: 1\ndata: 2\n\n" * 1000

    assert [Frame("1\n2")] * 1000 == run_inline(
        SseFramer(Limits(max_frame_bytes=10)), [split(wire, (7, 1001)), [b"\n"]]
    )


def test_an_event_of_tiny_lines_is_held_compactly() -> None:
    """What waits for its blank line takes a few times its own size, not the price of a string for each line."""
    reading = framer()
    line = "data:é\n".encode()
    tracemalloc.start()
    for _ in range(200):
        reading.feed([line * 500])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 5 * 100_000


@pytest.mark.recordings("openai_chat", "openai_responses", "anthropic", "gemini")
def test_recorded_streams_are_read_wherever_they_are_cut(recording) -> None:
    """Real traffic gives one frame for each recorded event, in reads of any size."""
    wire = recording.read()

    frames = check_stage(framer, wire, where=range(0, len(wire), 61))

    assert recording.manifest["events"] == len(frames)
