"""Nothing that a provider sends commands the terminal, reorders its lines or draws over them, wherever it stands."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import in_thread, started

from gestura.chunks import (
    ContextOverflow,
    Done,
    Ending,
    Error,
    ProviderEvent,
    Refusal,
    RetryAttempt,
    Signature,
    Status,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.cli.display.views import JsonLines, Transcript
from gestura.simulator import HttpError, Scenario, StreamError, ToolCall, open_simulator

TRICKS = {
    "clears the screen": "\x1b[2J\x1b[H",
    "hides what follows": "\x1b[8m",
    "sets the title": "\x1b]0;owned\x07",
    "writes the clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "links elsewhere": "\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\",
    "asks the terminal to answer": "\x1b[6n\x1bP$q q\x1b\\",
    "loads a function key": "\x1b[0;59;13p",
    "C1 instead of ESC": "\x9b31m\x9d0;owned\x9c\x90x\x9c",
    "draws over its line": "safe\rrm -rf",
    "takes characters back": "safe\x08\x08\x08\x08evil\x7f",
    "climbs up": "\x0b\x0c\x1bM\x1b[9A",
    "changes the alphabet": "\x0e\x1b(0lqk\x0f",
    "runs backwards": "\u202eetad\u202c \u2066x\u2069 \u202a\u202d",
    "breaks lines": "one\u2028two\u2029three\x85four",
    "is half a character": "\ud83d and \udc00",
    "is nothing": "\x00\x16\x1a",
    "rich markup": "[bold red]x[/] [link=https://evil.example]y[/link] [/nonsense]",
    "rings": "\x07" * 9,
}
BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
OURS = re.compile(r"\x1b\[(?:0|2|31|32|33|36)m|\x08+ +\n")
"""Our own styles, and how a word is wiped out that goes to the next line."""

DRAWN = re.compile(r"\r?\x1b\[K|\x1b7(?=\x1b\[K)|(?<=m)\x1b8|(?:\x1b\[\d+A)?\r\x1b\[J")
"""What the command draws where a machine is slow: its waiting line, taken away again, and a block of Markdown anew."""


def unsafe_characters(written: str) -> list[str]:
    """What is left that could command a terminal, once what is ours, newlines and tabs are taken out."""
    rest = OURS.sub("", written).replace("\n", "").replace("\t", "")
    return [
        character
        for character in rest
        if unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in BIDI
    ]


def everywhere(words: str) -> list[StreamChunk]:
    """A stream in which a provider says this wherever it can say anything."""
    return [
        Status(words),
        ProviderEvent(words, words),
        Thinking(words),
        Text(words),
        Signature(words),
        Refusal(words),
        ToolCallStart(words, words),
        ToolCallArgs(words, words),
        Text(words),
        ToolCallArgs(words, words),
        ToolCallEnd(words),
        RetryAttempt(1, 3, 10, words),
    ]


ENDINGS: list[Any] = [
    lambda words: Done(model=words, provider_finish_reason=words, provider=words),
    lambda words: Error(words, code=words, provider=words, request_id=words),
    lambda words: ContextOverflow(words),
]


@pytest.mark.parametrize("words", TRICKS.values(), ids=TRICKS)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("styled", "columns"), [(True, 80), (True, 7), (False, None)])
def test_a_transcript_obeys_nothing(words: str, ending: Any, styled: bool, columns: int | None) -> None:
    """In every field of every chunk, tricks are shown as signs."""
    view = Transcript(styled=styled, columns=columns)
    last: Ending = ending(words)
    written = "".join([*map(view.feed, everywhere(words)), view.feed(last), view.end(last)])

    assert [] == unsafe_characters(written)


@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=5), st.booleans(), st.integers(5, 40))
def test_a_trick_in_pieces_is_none(pieces: list[str], styled: bool, columns: int) -> None:
    """However the stream tears it, nothing comes through."""
    view = Transcript(styled=styled, columns=columns)
    written = "".join(view.feed(Text(piece)) for piece in pieces)

    assert [] == unsafe_characters(written)


@pytest.mark.parametrize("words", TRICKS.values(), ids=TRICKS)
def test_json_lines_are_printable_ascii(words: str) -> None:
    """So they are safe on a terminal, too, and a line each."""
    lines = [JsonLines().feed(chunk) for chunk in [*everywhere(words), ENDINGS[0](words)]]

    assert all(line.removesuffix("\n").isascii() and line.removesuffix("\n").isprintable() for line in lines)


ALL_TRICKS = " ".join(words for words in TRICKS.values() if words.isprintable() or "\ud83d" not in words)
SAID = Scenario(model="tricks", steps=(Text(ALL_TRICKS), ToolCall("c", ALL_TRICKS, '{"a": "\x1b[2J"}')))
FAILS = Scenario(model="fails", steps=(Text(ALL_TRICKS), StreamError(ALL_TRICKS, "server_error", ALL_TRICKS)))
REFUSES = Scenario(model="refuses", faults=(HttpError(status=503, body=ALL_TRICKS, times=1), HttpError(status=400)))


@pytest.mark.parametrize("model", ["tricks", "fails", "refuses"])
async def test_a_terminal_gets_no_tricks(model: str) -> None:
    """The whole command at a terminal: the answer, a tool's name, a retry and an error have been made harmless."""
    async with open_simulator([SAID, FAILS, REFUSES]) as simulator:
        with started("ask", "Hi", "--model", model, simulator=simulator, terminal=True) as command:
            written = (await in_thread(command.read_until, None)).decode()
    ours = DRAWN.sub("", written.replace("\r\n", "\n"))

    assert [] == unsafe_characters(ours)
    assert "owned" in ours
