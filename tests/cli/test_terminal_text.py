"""What a model writes never commands the terminal."""
# ruff: noqa: RUF001  # letters of other scripts are the point

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.cli.terminal_text import visible, visible_line

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


def is_safe(character: str) -> bool:
    """Independent of the implementation: by Unicode category and bidirectional class."""
    return unicodedata.category(character) not in ("Cc", "Cs") and unicodedata.bidirectional(character) not in BIDI


@given(ANY_TEXT)
def test_nothing_unsafe_is_left(text: str) -> None:
    """Newlines and tabs apart, no control character, surrogate or bidirectional override comes through."""
    assert all(is_safe(character) for character in visible(text).replace("\n", "").replace("\t", ""))


@given(ANY_TEXT)
def test_a_name_or_message_stays_on_its_line(text: str) -> None:
    """In one-line text even newlines are shown."""
    assert len(visible_line(text).splitlines()) <= 1
    assert all(is_safe(character) for character in visible_line(text).replace("\t", ""))


@given(st.lists(ANY_TEXT))
def test_pieces_are_shown_as_the_whole_would_be(pieces: list[str]) -> None:
    """However the stream cuts a text, the same is shown."""
    assert visible("".join(pieces)) == "".join(map(visible, pieces))


@pytest.mark.parametrize("text", ["Grüße, 世界! 👩\u200d👩\u200d👧\n\tשלום\u200f مرحبا", "␛ is a picture already", ""])
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Other scripts, joined emoji and their invisible helpers are text, not commands."""
    assert text == visible(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "␛]0;owned␇"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("real\rfake", "real␍fake"),
        ("\x9b2J", "\\x9b2J"),
        ("ab\x08\x7f", "ab␈␡"),
        ("\u202eevil\u202c", "\\u202eevil\\u202c"),
        ("\u2067x\u2069", "\\u2067x\\u2069"),
        ("half \ud83d", "half \\ud83d"),
        ("\x00", "␀"),
    ],
)
def test_what_is_unsafe_is_shown(text: str, shown: str) -> None:
    """Escape sequences, overprinting and reordering become visible, and are not dropped in silence."""
    assert shown == visible(text)
