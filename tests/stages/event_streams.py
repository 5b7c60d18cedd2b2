"""Event streams that parsers get wrong, and the frames that they are by the WHATWG standard (HTML, 9.2.6).

Written from the standard. `OF` says which case is which of the web platform's own tests of the format, by their names,
and which of the traps that stream readers in the wild fall into; a test holds that each has a case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gestura.stages.deltas import Frame

__all__ = ["CASES", "TRAPS", "WEB_PLATFORM_TESTS"]


def unterminated(data: str, event: str = "") -> Frame:
    """What the end of the input cut off: the standard throws it away, we mark it."""
    return Frame(data, event, terminated=False)


CASES: Final[Mapping[str, tuple[bytes, list[Frame]]]] = {
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
    "CRLF after a blank line of CR": (b"data: a\r\r\ndata: b\r\n\r\n", [Frame("a"), Frame("b")]),
    "LF CR are two line ends": (b"data: a\n\rdata: b\n\n", [Frame("a"), Frame("b")]),
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
    "half a BOM": (b"\xef\xbbdata: a\n\ndata: b\n\n", [Frame("b")]),
    "the BOM of UTF-16": (b"\xff\xfedata: a\n\ndata: b\n\n", [Frame("b")]),
    "an overlong slash and a truncated character": (b"data: \xc0\xaf\xe2\x82\n\n", [Frame("\ufffd\ufffd\ufffd")]),
    "NUL is content": (b"data: a\x00b\n\n", [Frame("a\x00b")]),
    # Comments.
    "comments": (b":\n: OPENROUTER PROCESSING\n:data: no\n\ndata: a\n:x\n\n", [Frame("a")]),
    "long comments": (b":" + b" x" * 2048 + b"\ndata: a\n:" + b"\x00" * 9 + b"\ndata: b\n\n", [Frame("a\nb")]),
    "a comment before any event": (b": hello\n\n\ndata: a\n\n", [Frame("a")]),
    "a comment splits no event": (b"data: a\n: ping\ndata: b\n\n", [Frame("a\nb")]),
    # Data.
    "several data lines are joined by LF": (b"data: a\ndata: b\ndata: c\n\n", [Frame("a\nb\nc")]),
    "data without a colon": (b"data\n\ndata\ndata\n\n", [Frame(""), Frame("\n")]),
    "empty data is dispatched": (b"data:\n\ndata: \n\n", [Frame(""), Frame("")]),
    "no space is needed": (b"data:a\n\n", [Frame("a")]),
    "one leading space is dropped, a tab is not": (b"data:  a \n\ndata:\ta\n\n", [Frame(" a "), Frame("\ta")]),
    "data may be blank lines": (b"data\ndata:\ndata: \n\n", [Frame("\n\n")]),
    "a space after the value stays": (b"data: a \ndata:b\t\n\n", [Frame("a \nb\t")]),
    "other kinds of space are no space": (
        "data:\u00a0a\n\ndata:\u2003b\n\n".encode(),
        [Frame("\u00a0a"), Frame("\u2003b")],
    ),
    "colons in the value": (b'data: {"a": "b:c"}\ndata::\n\n', [Frame('{"a": "b:c"}\n:')]),
    "a sentinel is data like any": (b"data: [DONE]\n\n", [Frame("[DONE]")]),
    # Event names.
    "event": (b"event: ping\ndata: {}\n\n", [Frame("{}", "ping")]),
    "event after data": (b"data: {}\nevent:ping\n\n", [Frame("{}", "ping")]),
    "event: one space is dropped": (b"event:  a\ndata\n\nevent:b \ndata\n\n", [Frame("", " a"), Frame("", "b ")]),
    "an event's name may be anything": ("event: a: é\x00\ndata: b\n\n".encode(), [Frame("b", "a: é\x00")]),
    "the last event field counts": (b"event: a\nevent: b\ndata: c\n\n", [Frame("c", "b")]),
    "an empty event is the default": (b"event: a\nevent:\ndata: b\n\nevent\ndata: c\n\n", [Frame("b"), Frame("c")]),
    "event is reset after each block": (b"event: a\ndata: b\n\ndata: c\n\n", [Frame("b", "a"), Frame("c")]),
    "event is reset after a block without data": (b"event: a\n\ndata: b\n\n", [Frame("b")]),
    # Blocks without data.
    "a ping without data": (b"event: ping\n\ndata: a\n\nevent: ping\r\n\r\n", [Frame("a")]),
    "a block without data is no event": (b"event: ping\n\nretry: 10\n\nid: 1\n\n: x\n\ndata: a\n\n", [Frame("a")]),
    # Fields of no meaning here.
    "id": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [Frame("a"), Frame("b")]),
    "id without data": (b"id: 1\n\nid:2\n\ndata: a\n\n", [Frame("a")]),
    "id with NUL": (b"id: 1\x002\ndata: c\n\n", [Frame("c")]),
    "id twice": (b"id: 1\nid: 2\ndata: a\n\ndata: b\n\n", [Frame("a"), Frame("b")]),
    "retry": (b"retry: 10\ndata: a\n\n", [Frame("a")]),
    "retry that is none": (b"retry: 10x\nretry: +10\nretry: 1_0\nretry: \xd9\xa1\ndata: a\n\n", [Frame("a")]),
    "retry without a value": (b"retry\nretry:\nretry: \ndata: a\n\n", [Frame("a")]),
    "unknown fields": (b"Data: a\n data: b\ndata : c\ndatas: d\nfoo\ndata: e\n\n", [Frame("e")]),
    "fields that are nearly data": (
        b"dat: a\ndata-: b\ndata_c\ndata\x00: d\n\x00data: e\nDATA: f\n\tdata: g\ndata: h\n\n",
        [Frame("h")],
    ),
    "a field without a name": (b" : a\n :b\ndata: c\n\n", [Frame("c")]),
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

WEB_PLATFORM_TESTS: Final[Mapping[str, Sequence[str]]] = {
    "format-bom": ["a leading BOM is dropped"],
    "format-bom-2": ["of two leading BOMs, one", "a later BOM is a part of the field's name"],
    "format-comments": ["comments", "long comments", "a comment splits no event"],
    "format-data-before-final-empty-line": ["a blank line is missing", "a blank line is missing after CR"],
    "format-field-data": ["data without a colon", "empty data is dispatched", "several data lines are joined by LF"],
    "format-field-event": ["event", "event is reset after each block"],
    "format-field-event-empty": ["an empty event is the default"],
    "format-field-id": ["id"],
    "format-field-id-2": ["id without data", "id twice"],
    "format-field-id-3": ["id"],
    "format-field-id-null": ["id with NUL"],
    "format-field-parsing": ["fields that are nearly data", "unknown fields", "a field without a name"],
    "format-field-retry": ["retry"],
    "format-field-retry-bogus": ["retry that is none"],
    "format-field-retry-empty": ["retry without a value"],
    "format-field-unknown": ["unknown fields"],
    "format-leading-space": ["one leading space is dropped, a tab is not", "other kinds of space are no space"],
    "format-newlines": ["LF", "CR", "CRLF", "mixed line ends", "LF CR are two line ends"],
    "format-null-character": ["NUL is content"],
    "format-utf-8": ["multi-byte characters", "bytes that are not UTF-8"],
    "event-data": ["several data lines are joined by LF", "data may be blank lines"],
}
"""Which of the web platform's tests of the format a case is. Those of media types are in `test_content_types.py`."""

TRAPS: Final[Mapping[str, Sequence[str]]] = {
    "any line end, and CRLF torn apart": ["LF", "CR", "CRLF", "mixed line ends", "CRLF after a blank line of CR"],
    "a BOM, two of them, one in the middle": [*WEB_PLATFORM_TESTS["format-bom"], *WEB_PLATFORM_TESTS["format-bom-2"]],
    "comments that keep the connection alive": ["comments", "a comment before any event"],
    "several, bare and empty data": ["several data lines are joined by LF", "data without a colon"],
    "one space and no more, colons": ["one leading space is dropped, a tab is not", "colons in the value"],
    "blocks of an event, an id or a retry alone": ["a block without data is no event", "a ping without data"],
    "a name that outlives its block": ["event is reset after a block without data", "event is reset after each block"],
    "ids": ["id", "id twice", "id with NUL"],
    "retries": ["retry that is none", "retry without a value"],
    "fields of other names": ["unknown fields", "fields that are nearly data"],
    "NUL": ["NUL is content"],
    "an end without its blank line, in a line, in a character": [
        "a blank line is missing",
        "the end of the last line is missing",
        "the input ends inside a character",
    ],
    "bytes that are not UTF-8": ["bytes that are not UTF-8", "an overlong slash and a truncated character"],
    "what str.splitlines takes for line ends": ["U+2028, U+2029, U+0085, VT, FF and FS end no line"],
}
"""Where readers in the wild go wrong. A million tiny reads of one line are in `test_lines.py`, endless lines and events
in `test_limits_hold.py` of tests/wire, other charsets in `test_content_types.py`."""
