r"""An answer in Markdown, laid out for a terminal while it is still being written.

Words are shown as they come. Where a piece of text may change how its block looks (a line ends, a `*` closes) the block
is laid out anew, and of its lines those that changed are drawn again; a block that is complete is never touched any
more. So nothing is held back, and what it costs does not grow with the length of the answer: long lists and long code
are cut into blocks of some lines.

Rich lays out. What it can't show it would leave out, so HTML is text here, and a line break in the source is one on
the screen: models write verse and addresses without the two blanks that Markdown asks for. What rich gives back is made
`visible` once more, for an entity such as `&#27;` becomes a character only there.
"""

from __future__ import annotations

import io
import itertools
import re
from functools import cache
from typing import ClassVar, Final

import attrs
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown
from rich.segment import Segment
from rich.syntax import Syntax
from rich.theme import Theme

from gestura.cli.terminal_text import visible, visible_line

__all__ = ["MarkdownFlow"]

LONGEST_BLOCK: Final = 30
"""Lines of source after which code, or a list, goes on in another block."""

LONGEST_SOURCE: Final = 2_000
"""Characters after which any block is cut, and goes on in a line of its own."""

WHOLE_LINE: Final = 6
"""Characters at the beginning of a line in which it shows what it is: each of them is laid out."""

_WORDS: Final = re.compile(r"[^\n\t*_`~\[\]()#<>\\]+")
"""Text that changes nothing of how what stands before it looks; the row of a table is laid out with its end."""

_FENCE: Final = re.compile(r"\s*(`{3,}|~{3,})\s*([\w+#.-]*)")
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)]) ")

THEME: Final = Theme(
    {
        "markdown.code": "cyan",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.h4": "bold",
        "markdown.h5": "bold",
        "markdown.h6": "bold",
        "markdown.link": "underline",
        "markdown.link_url": "blue",
        "markdown.block_quote": "italic",
        "markdown.item.bullet": "dim",
        "markdown.item.number": "dim",
        "markdown.hr": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


@attrs.define
class MarkdownFlow:
    r"""Begins at the start of a line. Text goes in as it comes; what comes out moves the cursor up, where it must.

    Args:
        columns: of the terminal; the last one stays free, as in it a cursor can't be told from one that has wrapped.
        rows: of the terminal. What has left it at the top can't be drawn again.

    >>> flow = MarkdownFlow(40, 24)
    >>> flow.feed("It *is")
    'It *is'
    >>> flow.feed("*.")
    '\r\x1b[JIt \x1b[3mis\x1b[0m.'
    """

    columns: int
    rows: int
    _source: str = attrs.field(default="", init=False)
    """Of the block that is still written."""
    _shown: list[str] = attrs.field(factory=lambda: [""], init=False)
    """Its lines, as they are on the screen; the cursor stands behind the last."""
    _column: int = attrs.field(default=0, init=False)
    _blanks: str = attrs.field(default="", init=False)
    """What the source ends with, and the last line does not: a layout has no blanks at the ends of lines."""
    _console: Console = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._console = Console(
            file=io.StringIO(),
            width=max(1, self.columns - 1),
            force_terminal=True,
            color_system="standard",
            legacy_windows=False,
            theme=THEME,
        )

    @property
    def column(self) -> int:
        """Where the cursor stands, from 0."""
        return self._column

    def feed(self, text: str) -> str:
        """What to write for `text`."""
        text = visible(text)
        self._source += text
        if (words := self._as_words(text)) is not None:
            return words
        out = ""
        while found := _first_block(self._source):
            block, gap, self._source = found
            out += self._draw(block) + ("\n" + "\n" * gap if block else "")
            self._shown, self._column = [""], 0
        return out + self._draw(self._source)

    def close(self) -> str:
        """What to write at the end of the text."""
        return self._draw(self._source)

    def _as_words(self, text: str) -> str | None:
        """What shows `text` behind what is shown, if that will do."""
        begun = self._source[: len(self._source) - len(text)].rpartition("\n")[2]
        words = self._blanks + text
        cells = cell_len(words)
        if len(begun) < WHOLE_LINE or not _WORDS.fullmatch(text) or self._column + cells >= self.columns:
            return None
        self._blanks = ""
        self._shown[-1] += words
        self._column += cells
        return words

    def _draw(self, source: str) -> str:
        """What makes the screen show `source` where the block's lines are."""
        lines = self._lines(source)
        self._blanks = source[len(source.rstrip(" ")) :]
        same = next((n for n, pair in enumerate(zip(lines, self._shown, strict=False)) if pair[0] != pair[1]), None)
        before, self._shown = self._shown, lines
        self._column = cell_len(_plain(lines[-1]))
        if same is None and len(lines) >= len(before):
            return "".join(f"\n{line}" for line in lines[len(before) :])
        first = min(same if same is not None else len(lines) - 1, len(lines) - 1)
        if first == len(before) - 1 and lines[first].startswith(before[first]):
            return lines[first][len(before[first]) :] + "".join(f"\n{line}" for line in lines[first + 1 :])
        up = min(len(before) - 1 - first, self.rows - 1)
        first = len(before) - 1 - up
        return (f"\x1b[{up}A" if up else "") + "\r\x1b[J" + "\n".join(lines[first:])

    def _lines(self, source: str) -> list[str]:
        """`source` as lines of the terminal, with styles."""
        if not source.strip():
            return [""]
        laid_out = self._console.render_lines(_Document(source), pad=False)
        lines = [self._line(segments) for segments in laid_out]
        blank = [not _plain(line) for line in lines]
        while len(lines) > 1 and blank.pop():
            lines.pop()
        return list(itertools.dropwhile(lambda line: not _plain(line), lines)) or [""]

    def _line(self, segments: list[Segment]) -> str:
        styled = [
            (visible_line(segment.text), segment.style) for segment in segments if segment.text and not segment.control
        ]
        while styled and not styled[-1][0].rstrip():
            styled.pop()
        if styled:
            styled[-1] = (styled[-1][0].rstrip(), styled[-1][1])
        return "".join(
            style.render(text, color_system=ColorSystem.STANDARD) if style else text for text, style in styled
        )


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", line)


def _first_block(source: str) -> tuple[str, int, str] | None:
    """The first block of `source` if it is complete, how many blank lines to show behind it, and the rest."""
    head = source[: 2 * LONGEST_SOURCE]
    found = _whole_block(head)
    if len(head if found is None else found[0]) > LONGEST_SOURCE:
        found = _cut(head)
    return found and (found[0], found[1], found[2] + source[len(head) :])


def _cut(source: str) -> tuple[str, int, str]:
    """A part of a block that is too long: up to the end of a line, or of a word. Code goes on as code, and a table
    below its head once more.
    """
    code = re.match(r"(`{3,}|~{3,})[^\n]*\n", source)
    table = re.match(r"[^\n]*\|[^\n]*\n[ :|-]*-[ :|-]*\n", source)
    begins = code or table
    least = begins.end() if begins else 0
    ends = [source.rfind(mark, least, LONGEST_SOURCE) + 1 for mark in "\n "]
    place = next((end for end in ends if end > least), LONGEST_SOURCE)
    before, after = source[:place].rstrip(), source[place:]
    if code:
        return f"{before}\n{code[1]}", 0, code[0] + after
    return before, 0, (table[0] if table else "") + after


def _whole_block(source: str) -> tuple[str, int, str] | None:
    """The same, by the marks of Markdown alone."""
    fence: str | None = None
    place, count = 0, 0
    for line in source.splitlines(keepends=True):
        if not line.endswith("\n"):
            return None if fence or not _blank_before(source, place, line) else _split(source, place)
        found = _FENCE.match(line)
        if fence is None:
            if count and _blank_before(source, place, line):
                return _split(source, place)
            if found and count and line == line.lstrip():
                return source[:place], 1, source[place:]
            fence = found[1] if found else None
            if not found and count >= LONGEST_BLOCK and _ITEM.match(line):
                return source[:place], 0, source[place:]
        elif found and found[1].startswith(fence) and not found[2]:
            fence = None
            if _FENCE.match(source) and source == source.lstrip():
                end = place + len(line)
                return source[:end], 1, source[end:].lstrip("\n")
        elif count >= LONGEST_BLOCK and (opened := re.match(r"(`{3,}|~{3,})[^\n]*\n", source)):
            return source[:place] + opened[1], 0, opened[0] + source[place:]
        place, count = place + len(line), count + 1
    return None


def _blank_before(source: str, place: int, line: str) -> bool:
    """Whether the line at `place` begins another block: after a blank line, and not indented."""
    return bool(line.strip()) and not line[0].isspace() and source[:place].endswith("\n\n")


def _split(source: str, place: int) -> tuple[str, int, str]:
    return source[:place].rstrip("\n"), 1, source[place:]


@cache
def _parser() -> MarkdownIt:
    """Markdown without HTML, without addresses of links apart from them, and without headings that are underlined by
    dashes: while a list is begun below a paragraph, it is none.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    return parser.disable(["lheading", "reference", "html_block", "html_inline"])


class _LeftHeading(Heading):
    """A heading at the left, whatever its level."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _BareCode(CodeBlock):
    """Code without a frame or a ground, so that it can be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Syntax(
            str(self.text).rstrip(), self.lexer_name, theme="ansi_dark", background_color="default", word_wrap=True
        )


class _Document(Markdown):
    """Markdown in which nothing is left out."""

    elements: ClassVar = {
        **Markdown.elements,
        "heading_open": _LeftHeading,
        "fence": _BareCode,
        "code_block": _BareCode,
    }

    def __init__(self, source: str) -> None:
        super().__init__("", hyperlinks=False)
        self.parsed = _parser().parse(source)
        for token in self.parsed:
            for child in token.children or ():
                if child.type == "softbreak":
                    child.type = "hardbreak"
