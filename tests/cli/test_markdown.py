"""An answer in Markdown, on the screen of a terminal: whole, or in whatever pieces it comes."""

from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.chunks import Done, Text, Thinking
from gestura.cli.display.markdown import LONGEST_BLOCK, LONGEST_SOURCE, MarkdownFlow
from gestura.cli.display.views import Transcript
from gestura.testing import split

ANSWER = """\
# Streams

The **three** most *important* things, as `code` and as a [link](https://example.org):
roses are red
violets are <b>blue</b>

1. One
2. Two, of which there is so much to say that it takes more than one line

   - nested

3. Three

| city | sky |
|------|-----|
| Oslo | **clear** |
| Lima | grey |

```python
def answer(question):
    return 42
```
And after that.

> quoted
> words

---

    indented

The end[1].

[1]: https://example.org/notes
"""


def screen(written: str, columns: int, rows: int = 24) -> list[str]:
    """What a terminal shows, with what has scrolled out of it at the top."""
    terminal = pyte.HistoryScreen(columns, rows, history=100_000)
    terminal.set_mode(pyte.modes.LNM)
    pyte.Stream(terminal).feed(written)
    above = ["".join(line[place].data for place in range(columns)) for line in terminal.history.top]
    lines = [line.rstrip() for line in [*above, *terminal.display]]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def shown(pieces: list[str], columns: int = 60, rows: int = 24) -> list[str]:
    flow = MarkdownFlow(columns, rows)
    return screen("".join(map(flow.feed, pieces)) + flow.close(), columns, rows)


def test_each_kind_of_block_is_laid_out() -> None:
    """Without its marks, and with nothing left out: neither HTML, nor line breaks, nor addresses."""
    lines = [" ".join(line.split()) for line in shown([ANSWER])]

    assert [
        "Streams",
        "The three most important things, as code and as a link",
        "(https://example.org):",
        "roses are red",
        "violets are <b>blue</b>",
        "1 One",
        "2 Two, of which there is so much to say that it takes more",
        "than one line",
        "• nested",
        "3 Three",
        "city sky",
        "Oslo clear",
        "Lima grey",
        "def answer(question):",
        "return 42",
        "And after that.",
        "▌ quoted",
        "▌ words",
        "indented",
        "The end[1].",
        "[1]: https://example.org/notes",
    ] == [line for line in lines if line.strip("─━- ")]


def test_blocks_stand_apart_and_code_is_as_it_was() -> None:
    """One blank line between two blocks; code can be copied."""
    source = "# Title\n\nText:\n```python\nif x:\n    y()\n```\n- a\n- b\n\n- c\n"

    assert ["Title", "", "Text:", "", "if x:", "    y()", "", " • a", " • b", "", " • c"] == shown([source])


@given(st.lists(st.integers(0, len(ANSWER)), max_size=60), st.sampled_from([12, 30, 60, 200]))
def test_the_pieces_do_not_matter(where: list[int], columns: int) -> None:
    """However the answer is torn, the screen is the same in the end."""
    pieces = [piece.decode() for piece in split(ANSWER.encode(), where)]

    assert shown([ANSWER], columns) == shown(pieces, columns)


MARKDOWN = st.text(st.sampled_from("a b *_`~#>-|1.[]()<&;!\n\\+=:"), max_size=80)


@given(MARKDOWN, st.integers(1, 7), st.integers(8, 40))
def test_no_source_is_too_strange(source: str, size: int, columns: int) -> None:
    """Marks in any order and number: the pieces do not matter, and all letters are there."""
    pieces = [source[start : start + size] for start in range(0, len(source), size)]
    lines = shown(pieces, columns)

    assert shown([source], columns) == lines
    if not re.search(r"[\\&\[]|```|~~~", source):  # which may take letters as a name, an escape or an address
        assert source.count("a") == "".join(lines).count("a")


def test_words_are_shown_as_soon_as_they_come() -> None:
    """Nothing waits for the end of a word, a line or a block."""
    flow = MarkdownFlow(40, 24)
    written = ""
    for word in ["Why", " is", " the", " sky", " blue", "?"]:
        written += flow.feed(word)

        assert word.strip() in screen(written, 40)[-1]


def test_a_complete_block_is_never_touched_again() -> None:
    """What is written after it moves the cursor no higher than its own block."""
    flow = MarkdownFlow(40, 24)
    flow.feed("First.\n\nSecond.\n\n")
    written = "".join(map(flow.feed, ["- a\n", "- *b", "*\n", "- c"]))
    ups = [int(up) for up in re.findall(r"\x1b\[(\d+)A", written)]

    assert all(up <= 2 for up in ups)
    assert "Second." not in written


@pytest.mark.parametrize("line", ["- item {}\n", "x = {}\n"])
def test_a_long_block_is_cut(line: str) -> None:
    """So that what a piece costs does not grow with the answer; the screen does not show it."""
    count = 4 * LONGEST_BLOCK
    source = "".join(line.format(number) for number in range(count))
    source = source if line.startswith("-") else f"```python\n{source}```\n"
    flow = MarkdownFlow(40, 24)
    lines = screen("".join(map(flow.feed, source.splitlines(keepends=True))) + flow.close(), 40)

    assert count == len(lines)
    assert len(flow._source) < 2 * LONGEST_BLOCK * len(line)


@pytest.mark.parametrize(
    ("begin", "piece", "end"),
    [
        ("", "word ", ""),
        ("", "unbroken", ""),
        ("```python\n", "x = 1; ", "\n```\n"),
        ("| n |\n|---|\n", "| a row of one cell |\n", ""),
        ("> ", "*some words* ", ""),
    ],
)
def test_what_a_piece_costs_does_not_grow(begin: str, piece: str, end: str) -> None:
    """Nor with a block that has no end: it is cut, and no word of it is lost."""
    flow = MarkdownFlow(60, 24)
    count = 2 * LONGEST_SOURCE // len(piece)
    written = ""
    for part in [begin, *[piece] * count, end]:
        written += flow.feed(part)
        assert len(flow._source) < LONGEST_SOURCE + 100  # up to a line of words is shown without a look at the whole
    lines = screen(written + flow.close(), 60)
    words = re.sub(r"[^a-z1=;]", "", piece)

    assert count == re.sub(r"[^a-z1=;]", "", "".join(lines)).count(words)
    assert lines == shown([begin + piece * count + end])


def test_an_answer_higher_than_the_screen_keeps_its_lines() -> None:
    """Each is written once, though the beginning of its block has left the screen."""
    source = "| n | m |\n|---|---|\n" + "".join(f"| {number} | x |\n" for number in range(50))
    lines = shown(source.splitlines(keepends=True), 40, 10)

    assert ["49", "x"] == lines[-1].split()
    assert 1 == sum("49" in line for line in lines)


@given(st.text(st.characters(exclude_categories=())), st.integers(8, 60))
def test_it_obeys_nothing(text: str, columns: int) -> None:
    """Of what is written only our own styles and movements are no plain text, entities included."""
    flow = MarkdownFlow(columns, 24)
    written = flow.feed(text + "&#27;[2J&#8238;") + flow.close()
    rest = re.sub(r"\x1b\[(?:[\d;]*m|\d+A|J)|\r(?=\x1b)", "", written)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", rest)


def test_a_transcript_shows_only_the_answer_as_markdown() -> None:
    """Thinking is as it was written; the part after the answer begins on a line of its own."""
    view = Transcript(styled=True, columns=40, rows=24)
    chunks = [Thinking("*Hm.*"), Text("It is **"), Text("so**"), Thinking("Or not."), Text("- Yes"), Done()]
    written = "".join(map(view.feed, chunks)) + view.end(Done())

    assert ["*Hm.*", "", "It is so", "", "Or not.", "", " • Yes", "-- done: unknown"] == screen(written, 40)
