"""Words that come in pieces are not torn by the edge of the terminal."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import get_character_cell_size

from gestura.cli.display.word_wrap import WordWrap, wrapped

PROSE = st.lists(st.sampled_from([*"ab .\t\n-世か。é", "e\u0301"]), max_size=60).map("".join)
COLUMNS = st.integers(2, 20)


class Screen:
    """What a terminal shows: as much of one as the wrapping uses, written from the manuals and not from the code."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.lines: list[list[str]] = [[]]
        self.column = 0

    def write(self, text: str) -> "Screen":
        for character in text:
            match character:
                case "\n":
                    self.lines.append([])
                    self.column = 0
                case "\b":
                    # In a full line the cursor stands on the last column, not behind it.
                    self.column = max(0, min(self.column, self.columns - 1) - 1)
                case _:
                    self._put(character)
        return self

    def _put(self, character: str) -> None:
        cells = get_character_cell_size(character)
        line = self.lines[-1]
        if not cells:
            line[self.column - 1 :] = [line[self.column - 1] + character] if self.column else [character]
            return
        if self.column + cells > self.columns:
            self.lines.append([])
            self.column, line = 0, self.lines[-1]
        line[self.column :] = [character, *[""] * (cells - 1)]
        self.column += cells

    @property
    def text(self) -> str:
        return "\n".join("".join(line).rstrip() for line in self.lines)


def shown(pieces: list[str], columns: int) -> str:
    wrap = WordWrap(columns)
    return Screen(columns).write("".join(map(wrap.feed, pieces))).text


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["Why is the sky blue?"], ["Why is", "the sky", "blue?"]),
        (["Why i", "s th", "e s", "ky blu", "e?"], ["Why is", "the sky", "blue?"]),
        (["a ", "b", "c", "d", "e", "f", "g", "h"], ["a", "bcdefgh"]),
        (["one\n\ntwo"], ["one", "", "two"]),
        (["  - an item"], ["  - an", "item"]),
        (["\tx"], ["", "x"]),
        (["see https://a.example/b for more"], ["see", "https://", "a.exampl", "e/b for", "more"]),
        (["世界世界。世"], ["世界世", "界。世"]),
        (["1234567", " ", "8"], ["1234567", "8"]),
        ([""], [""]),
    ],
)
def test_a_line_ends_between_words(pieces: list[str], lines: list[str]) -> None:
    """A word that would run over the edge stands on the next line, whole, also where a part of it was shown."""
    assert lines == shown(pieces, 8).split("\n")


@given(PROSE, st.lists(st.integers(0, 60), max_size=8), COLUMNS)
@example("a bcdefg h", [3, 5], 7)
def test_pieces_do_not_matter(text: str, where: list[int], columns: int) -> None:
    """In whatever pieces a text comes, the terminal shows the same in the end."""
    cuts = sorted({0, len(text), *where})
    pieces = [text[start:end] for start, end in pairwise(cuts)]

    assert shown([text], columns) == shown(pieces, columns)


@given(PROSE, COLUMNS)
def test_nothing_but_blanks_is_lost(text: str, columns: int) -> None:
    """The terminal shows every character of the text but blanks, in its order."""
    assert "".join(text.split()) == "".join(shown([text], columns).split())


@given(st.lists(st.text("abc", min_size=1, max_size=7), max_size=20), st.integers(8, 20))
def test_words_are_not_torn(words: list[str], columns: int) -> None:
    """No word that fits a line is broken, and no line could have held the next line's first word."""
    lines = [line.split() for line in shown([" ".join(words)], columns).split("\n")]

    assert words == [word for line in lines for word in line]
    for line, following in pairwise(lines):
        assert len(" ".join([*line, following[0]])) >= columns


def test_where_there_is_no_terminal_nothing_is_wrapped() -> None:
    """A pipe has no edge."""
    assert "a " * 100 == wrapped("a " * 100, None)
    assert "a \nb" == wrapped("a b", 3)
