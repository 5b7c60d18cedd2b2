r"""Breaks lines between words, for a terminal, while the words are still coming.

A terminal breaks a line wherever its edge happens to be. To break before a word one has to know where it ends, and a
model writes words in pieces. So that nothing is held back, a piece is shown at once; where the word then runs over the
edge, what was shown of it is wiped out with backspaces and blanks and written again on the next line. The last column
stays free: in it a cursor can't be told from one that has wrapped, and a backspace would go too far.

A word that is longer than a line is left to the terminal, which knows that its pieces are one link. Chinese and
Japanese are written without blanks; there a line may end before any ideograph and any kana.
"""

from __future__ import annotations

import re
from typing import Final

import attrs
from rich.cells import get_character_cell_size

__all__ = ["WordWrap", "wrapped"]

_IDEOGRAPHS: Final = "\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKENS: Final = re.compile(rf"[\n \t]|[{_IDEOGRAPHS}]?[^\n \t{_IDEOGRAPHS}]+|[{_IDEOGRAPHS}]")
_STARTS_WITH_IDEOGRAPH: Final = re.compile(f"[{_IDEOGRAPHS}]")

TAB_STOP: Final = 8


@attrs.define
class WordWrap:
    r"""Begins at the start of a line. Text goes in as it comes, made `visible` before.

    Args:
        columns: of the terminal.

    >>> wrap = WordWrap(10)
    >>> wrap.feed("Why is t") + wrap.feed("he sky")
    'Why is t\x08 \nthe sky'
    """

    columns: int
    _column: int = attrs.field(default=0, init=False)
    _word: str = attrs.field(default="", init=False)
    """What is shown of a word that can move to the next line."""

    _alone: bool = attrs.field(default=True, init=False)
    """The word began its line: it can't move."""

    @property
    def column(self) -> int:
        """Where the cursor stands, from 0."""
        return self._column

    def feed(self, text: str) -> str:
        """What to write for `text`."""
        return "".join(map(self._show, _TOKENS.findall(text)))

    def _show(self, token: str) -> str:
        match token:
            case "\n":
                self._start_line()
                return token
            case " " | "\t":
                return self._blank(1 if token == " " else TAB_STOP - self._column % TAB_STOP)
            case _:
                return self._piece(token)

    def _blank(self, cells: int) -> str:
        """As much of a blank as the line has room for: beyond that, it is the place where the line ends."""
        cells = max(0, min(cells, self.columns - 1 - self._column))
        self._column += cells
        self._begin_word()
        return " " * cells

    def _piece(self, piece: str) -> str:
        if _STARTS_WITH_IDEOGRAPH.match(piece):
            self._begin_word()
        cells = _cells(piece)
        if self._alone or self._column + cells < self.columns:
            if not self._alone:
                self._word += piece
            self._advance(cells)
            return piece
        shown, word = _cells(self._word), self._word + piece
        self._start_line()
        self._advance(_cells(word))
        return "\b" * shown + " " * shown + "\n" + word

    def _start_line(self) -> None:
        self._column = 0
        self._begin_word()

    def _begin_word(self) -> None:
        self._word = ""
        self._alone = self._column == 0

    def _advance(self, cells: int) -> None:
        self._column += cells
        if self._column > self.columns:  # the terminal has wrapped a word that is longer than a line
            self._column = (self._column - 1) % self.columns + 1


def wrapped(text: str, columns: int | None) -> str:
    """A whole text with its lines broken between words; as it is where there is no terminal to fit it to."""
    return text if columns is None else WordWrap(columns).feed(text)


def _cells(text: str) -> int:
    return sum(map(get_character_cell_size, text))
