"""Hypothesis strategies: what servers may send, and where networks may cut it.

A strategy of wires gives bytes together with what they mean, so that a test can say what must come out. Garbage means
nothing: it is made of the pieces that parsers trip over, which random bytes would hardly ever hit.
"""

from __future__ import annotations

import attrs
from hypothesis import strategies as st

from gestura.stages.deltas import Frame

BOM = "\ufeff".encode()

# Where the network cuts.


def cuts(max_size: int = 12) -> st.SearchStrategy[tuple[int, ...]]:
    """Positions for `gestura.testing.split`: a few anywhere, possibly the same one twice (an empty read)."""
    return st.lists(st.integers(0, 2000), max_size=max_size).map(tuple)


# Text.

NEARLY_LINE_ENDS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
"""What `str.splitlines` takes for line ends, and SSE, NDJSON and JSON do not."""


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


def ndjson_garbage() -> st.SearchStrategy[bytes]:
    """Bytes that are nearly NDJSON."""
    return _joined(b"{}", b'{"a":"', b'"}', b" ", b"\t", b"\n", b"\r", b"\r\n", b"\x00", BOM, *_BROKEN_UTF8)


# Parts.

_BROKEN_UTF8 = ("é".encode(), "\u2028".encode(), "😀".encode(), b"\xf0\x9f", b"\x80", b"\xff", b"\xed\xa0\x80", b"\xc3")


def _joined(*parts: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(parts), max_size=40).map(b"".join)


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
