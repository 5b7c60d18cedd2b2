"""Server-sent events: the cases of the WHATWG standard that parsers get wrong, and the properties behind them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping, Sequence

import pytest
from event_streams import CASES, TRAPS, WEB_PLATFORM_TESTS
from fuzz.standard import as_the_standard_says
from hypothesis import example, given
from strategies import Wire, cuts, sse_garbage, sse_wires

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.providers._gemini_framing import GeminiFramer
from gestura.stages import Stage
from gestura.stages.deltas import Frame
from gestura.stages.sse import SseFramer
from gestura.testing import check_stage, run_inline, split


def framer() -> SseFramer:
    return SseFramer(Limits())


@pytest.mark.parametrize("make_framer", [SseFramer, GeminiFramer])
@pytest.mark.parametrize(("wire", "expected"), CASES.values(), ids=CASES)
def test_events_are_read_as_the_standard_says(
    wire: bytes, expected: list[Frame], make_framer: Callable[[Limits], Stage[bytes, Frame]]
) -> None:
    """Each case gives its frames whole, byte by byte, and cut in two at every position."""
    frames = check_stage(lambda: make_framer(Limits()), wire)

    assert expected == frames


@pytest.mark.parametrize("names", [WEB_PLATFORM_TESTS, TRAPS], ids=["web platform tests", "traps"])
def test_every_known_trap_has_a_case(names: Mapping[str, Sequence[str]]) -> None:
    """Each of the web platform's tests of the format, and each trap, is a case of the table."""
    assert set() == {case for cases in names.values() for case in cases} - set(CASES)
    assert all(names.values())


@pytest.mark.parametrize(("wire", "expected"), CASES.values(), ids=CASES)
def test_the_standards_own_steps_agree(wire: bytes, expected: list[Frame]) -> None:
    """The table says what the standard's steps say, which the other tests of garbage are held to."""
    assert expected == as_the_standard_says(wire)


@given(sse_wires(), cuts())
def test_what_was_written_is_what_is_read(written: Wire, where: tuple[int, ...]) -> None:
    """Events of any text, written in any of the ways the standard allows, come out as they were meant."""
    frames = check_stage(framer, written.wire, where)

    assert written.frames == frames


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
