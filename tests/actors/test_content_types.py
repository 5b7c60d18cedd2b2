"""An event stream is one whatever its server calls it, and always UTF-8 (HTML, 9.2.6); a document is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scripting import FINISH, answers, chunks_of, run_virtually, text

from gestura.chunks import Done, Error, Text
from gestura.errors import ErrorKind
from gestura.testing import merged


@pytest.mark.parametrize(
    "content_type",
    [
        "text/event-stream",
        "text/event-stream;",
        "TEXT/Event-Stream; charset=UTF-8",
        "text/event-stream; charset=windows-1252",
        "text/event-stream; charset=utf-16",
        "text/event-stream; x bogus",
        "text/event-stream-x",
        "text/plain; charset=iso-8859-1",
        "application/octet-stream",
        "application/json",
        "text/html",
        "x bogus",
        "",
        None,
    ],
)
def test_a_stream_of_events_is_read_as_utf_8_under_any_name(content_type: str | None) -> None:
    """Its first bytes tell it from a document, and no parameter changes its encoding."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    chunks = run_virtually(chunks_of, answers(text("é€😀"), FINISH, headers=headers))

    assert [Text("é€😀"), Done] == [merged(chunks)[0], type(chunks[-1])]


@pytest.mark.parametrize("pieces", [lambda body: [body], lambda body: [body[:1], body[1:]]], ids=["whole", "in two"])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/html; charset=utf-8", b" <!doctype html>"), ("application/json", b'\n{"ok": true}'), ("text/html", b"<p>")],
)
def test_a_document_is_no_stream(content_type: str, body: bytes, pieces: Callable[[bytes], list[bytes]]) -> None:
    """A page or a JSON document under 200 is an error that says so, at once."""
    [ending] = run_virtually(chunks_of, answers(*pieces(body), headers={"Content-Type": content_type}))

    assert isinstance(ending, Error)
    assert ending.kind is ErrorKind.PROTOCOL
