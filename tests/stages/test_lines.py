"""Lines: what ends one, what does not, and what one may cost."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import example, given
from linear import assert_linear
from strategies import NEARLY_LINE_ENDS, cuts, sse_garbage

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.lines import LineSplitter
from gestura.testing import check_stage, run_inline, split


def sse_lines() -> LineSplitter:
    return LineSplitter(Limits(), cr_ends_lines=True)


def ndjson_lines() -> LineSplitter:
    return LineSplitter(Limits(), cr_ends_lines=False)


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a\nb\n", ["a", "b"]),
        (b"a\rb\r", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\n\rb\r\n\nc\r\rd\n", ["a", "", "b", "", "c", "", "d"]),
        (b"no end", ["no end"]),
        (b"a\r\nno end", ["a", "no end"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfa\n", ["\ufeffa"]),
        (b"\xef\xbb\xbf", []),
        (b"\xef\xbb", ["\ufffd"]),
        ("é€😀\n".encode(), ["é€😀"]),
        (b"\xf0\x9f\x98\nx\n", ["\ufffd", "x"]),
        (b"a\xffb\n\xed\xa0\x80\n", ["a\ufffdb", "\ufffd\ufffd\ufffd"]),
        (f"a{NEARLY_LINE_ENDS}b\n".encode(), [f"a{NEARLY_LINE_ENDS}b"]),
    ],
    ids=repr,
)
def test_lines_end_at_lf_cr_and_crlf_and_nowhere_else(wire: bytes, expected: list[str]) -> None:
    """For server-sent events LF, CR and CRLF end a line; one BOM is dropped; bad bytes are U+FFFD."""
    lines = check_stage(sse_lines, wire)

    assert expected == lines


def test_without_cr_only_lf_ends_a_line() -> None:
    """For NDJSON a CR is content."""
    expected = ["a\rb\r", "c", "\r"]

    assert expected == check_stage(ndjson_lines, b"a\rb\r\nc\n\r")


@given(sse_garbage(), cuts())
@example(b"a\r\nb", (2,))
@example(b"a\r\nb", (2, 2))
@example(b"\xef\xbb\xbfa\n", (1, 2))
def test_cuts_do_not_matter(wire: bytes, where: tuple[int, ...]) -> None:
    """The same bytes cut anywhere give the same lines."""
    expected = re.split("\r\n|\r|\n", wire.decode("utf-8", "replace").removeprefix("\ufeff"))

    lines = check_stage(sse_lines, wire, where)

    assert (expected if expected[-1] else expected[:-1]) == lines


def test_a_line_is_given_as_soon_as_it_ends() -> None:
    """A CR ends its line at once, without waiting to see whether an LF follows."""
    splitter = sse_lines()
    expected = [["a"], [], [""]]

    assert expected == [splitter.feed([read]) for read in (b"a\r", b"\n", b"\n")]


@pytest.mark.parametrize("too_long", ["123456", "123456\n", "123456\r\nef\n", "€€\n", "\ufeff123\n"])
def test_a_line_longer_than_the_limit_is_refused(too_long: str) -> None:
    """A line over `max_frame_bytes` raises, ended or not, and the lines before it are in `made`, wherever it is cut."""
    wire = f"ab\n12345\r\n€aa\r{too_long}".encode()
    expected = ["ab", "12345", "€aa"]

    def small() -> LineSplitter:
        return LineSplitter(Limits(max_frame_bytes=5), cr_ends_lines=True)

    assert expected == check_stage(small, wire)
    with pytest.raises(LimitExceeded, match=r"^a line exceeds 5 \(max_frame_bytes\)$"):
        run_inline(small(), [[wire]])


def test_a_long_burst_of_short_lines_is_within_the_limit() -> None:
    """The limit is on a line, not on what arrives at once."""
    splitter = LineSplitter(Limits(max_frame_bytes=3), cr_ends_lines=True)
    expected = ["abc"] * 1000

    assert expected == run_inline(splitter, [split(b"abc\r\n" * 1000, (7, 2001, 2002))])


def test_a_line_of_a_million_reads_takes_linear_time() -> None:
    """One-byte reads of one line: what is held is not copied for each."""

    def split_line(reads: int) -> None:
        splitter = sse_lines()
        for _ in range(reads):
            splitter.feed([b"x"])
        splitter.feed([b"\n"])

    assert_linear(split_line, 1_000_000)


def test_a_line_of_many_reads_is_held_compactly() -> None:
    """What waits for its end takes about its own size, even when it came one byte at a time."""
    splitter = sse_lines()
    tracemalloc.start()
    for byte in "😀".encode() * 25_000:
        splitter.feed([bytes([byte])])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 2 * 100_000
