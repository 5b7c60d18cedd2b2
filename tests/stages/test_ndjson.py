"""NDJSON: one frame for each line that says something."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from strategies import NEARLY_LINE_ENDS, Wire, cuts, ndjson_garbage, ndjson_wires

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.ndjson import NdjsonFramer
from gestura.testing import check_stage, run_inline


def framer() -> NdjsonFramer:
    return NdjsonFramer(Limits())


def unterminated(data: str) -> Frame:
    return Frame(data, terminated=False)


CASES: dict[str, tuple[bytes, list[Frame]]] = {
    "nothing": (b"", []),
    "LF": (b'{"a":1}\n{"b":2}\n', [Frame('{"a":1}'), Frame('{"b":2}')]),
    "CRLF": (b"{}\r\n[]\r\n", [Frame("{}"), Frame("[]")]),
    "CR alone ends no line": (b"1\r2\n", [Frame("1\r2")]),
    "one trailing CR is dropped": (b"1\r\r\n", [Frame("1\r")]),
    "blank lines are skipped": (b"\n\r\n1\n \t\n \r\n2\n\n", [Frame("1"), Frame("2")]),
    "other spaces are kept": (b" 1 \n", [Frame(" 1 ")]),
    "U+2028, U+0085 and their like end no line": (f"{NEARLY_LINE_ENDS}\n".encode(), [Frame(NEARLY_LINE_ENDS)]),
    "a leading BOM is dropped": (b"\xef\xbb\xbf1\n\xef\xbb\xbf2\n", [Frame("1"), Frame("\ufeff2")]),
    "multi-byte characters": ('"é€😀"\n'.encode(), [Frame('"é€😀"')]),
    "bytes that are not UTF-8": (b'"\xff"\n', [Frame('"\ufffd"')]),
    "the last LF is missing": (b"1\n2", [Frame("1"), unterminated("2")]),
    "the input ends inside a CRLF": (b"1\n2\r", [Frame("1"), unterminated("2")]),
    "the input ends inside a character": (b'"\xf0\x9f', [unterminated('"\ufffd')]),
    "the input ends with spaces": (b"1\n \r", [Frame("1")]),
}


@pytest.mark.parametrize(("wire", "expected"), CASES.values(), ids=CASES)
def test_each_line_is_a_frame(wire: bytes, expected: list[Frame]) -> None:
    """Each case gives its frames whole, byte by byte, and cut in two at every position."""
    frames = check_stage(framer, wire)

    assert expected == frames


@given(ndjson_wires(), cuts())
def test_what_was_written_is_what_is_read(written: Wire, where: tuple[int, ...]) -> None:
    """Records of any text come out as they went in, whatever blank lines stand between."""
    frames = check_stage(framer, written.wire, where)

    assert written.frames == frames


@given(ndjson_garbage(), cuts())
@example(b"{}\r\n", (3,))
def test_cuts_do_not_matter(wire: bytes, where: tuple[int, ...]) -> None:
    """Any bytes, cut anywhere, give their lines at LF, without the blank ones; the last may lack its end."""
    *ended, rest = wire.decode("utf-8", "replace").removeprefix("\ufeff").split("\n")
    expected = [Frame(line.removesuffix("\r")) for line in ended] + [unterminated(rest.removesuffix("\r"))]

    frames = check_stage(framer, wire, where)

    assert [frame for frame in expected if frame.data.strip(" \t")] == frames


@pytest.mark.parametrize("too_long", ["123456", "123456\n7\n", "€€\n", "12345\r\n"])
def test_a_record_longer_than_the_limit_is_refused(too_long: str) -> None:
    """A line over `max_frame_bytes` raises, and the records before it are in `made`, wherever it is cut."""

    def small() -> NdjsonFramer:
        return NdjsonFramer(Limits(max_frame_bytes=5))

    wire = f"12345\n\n€\r\n{too_long}".encode()

    assert [Frame("12345"), Frame("€")] == check_stage(small, wire)
    with pytest.raises(LimitExceeded, match=r"^a line exceeds 5 \(max_frame_bytes\)$"):
        run_inline(small(), [[wire]])


@pytest.mark.recordings("ollama")
def test_recorded_streams_are_read_wherever_they_are_cut(recording) -> None:
    """Real traffic gives one frame for each recorded record, in reads of any size."""
    wire = recording.read()

    frames = check_stage(framer, wire, where=range(0, len(wire), 61))

    assert recording.manifest["events"] == len(frames)
