"""How chunks are shown."""

import io
import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura import (
    ContextOverflow,
    Done,
    Ending,
    Error,
    ErrorKind,
    FinishReason,
    Refusal,
    RetryAttempt,
    Status,
    StreamChunk,
    Text,
    Thinking,
    TokenUsage,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.chunk_json import from_json
from gestura.cli.terminal_text import visible
from gestura.cli.views import AnswerOnly, JsonLines, Transcript, View, describe

CALL = (ToolCallStart("a", "add"), ToolCallArgs("a", '{"x"'), ToolCallArgs("a", ": 1}"), ToolCallEnd("a"))

PIECES = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Thinking, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCallStart, st.text(), st.text()),
    st.builds(ToolCallArgs, st.text(), st.text()),
    st.builds(ToolCallEnd, st.text()),
    st.builds(Status, st.text()),
    st.builds(RetryAttempt, st.just(1), st.just(3), st.just(1000), st.text()),
)


def show(view: View, *chunks: StreamChunk) -> str:
    return "".join(view.feed(chunk) for chunk in chunks)


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([Text("Hi"), Text(" there")], "Hi there\n"),
        ([Text("Hi\n")], "Hi\n"),
        ([], ""),
        ([Text("")], ""),
        ([Thinking("Hm"), Thinking("..."), Text("Yes.")], "[thinking] Hm...\n\nYes.\n"),
        ([Text("Yes."), Refusal("Or no.")], "Yes.\n\n[refusal] Or no.\n"),
        ([Text("See:"), *CALL, *CALL], 'See:\n-> add {"x": 1}\n-> add {"x": 1}\n'),
        ([*CALL, Text("So.")], '-> add {"x": 1}\nSo.\n'),
        ([*CALL[:2], Text("Hm"), *CALL[2:]], '-> add {"x"\nHm\n... : 1}\n'),
        ([*CALL[:2]], '-> add {"x"\n'),
        ([Status("loading\n"), Text("Hi")], "* loading␊\nHi\n"),
        ([RetryAttempt(1, 3, 1500, "busy")], "* attempt 1 of 3 failed, another in 1.5 s: busy\n"),
    ],
)
def test_a_transcript_shows_each_kind_of_chunk_in_its_place(chunks: list[StreamChunk], shown: str) -> None:
    """Each kind begins on a line of its own, prose apart from other prose, and the ending closes the last line."""
    assert shown == show(Transcript(styled=False), *chunks, Done())


@given(st.lists(PIECES))
def test_a_styled_transcript_is_the_same_but_for_marks(chunks: list[StreamChunk]) -> None:
    """The only escape sequences in a transcript are its own styles, and they change no character of it."""
    plain = show(Transcript(styled=False), *chunks, Done()).replace("[thinking] ", "").replace("[refusal] ", "")
    styled = show(Transcript(styled=True), *chunks, Done())

    assert plain == click.unstyle(styled).replace("[thinking] ", "").replace("[refusal] ", "")
    assert plain.replace("\n", "") == visible(plain).replace("\n", "")


def test_thinking_is_dimmed() -> None:
    """Where styles are welcome, thinking is dim and unmarked, and the answer has no style."""
    assert "\x1b[2mHm\x1b[0m\n\nYes." == show(Transcript(styled=True), Thinking("Hm"), Text("Yes."))


@given(st.lists(PIECES))
def test_a_pipe_gets_the_answer_as_it_is(chunks: list[StreamChunk]) -> None:
    """The text, unchanged, with a newline at its end; nothing of thinking, tools or news."""
    text = "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))

    assert text + "\n" * (bool(text) and not text.endswith("\n")) == show(AnswerOnly(), *chunks, Done())


@given(st.lists(PIECES))
def test_json_lines_are_the_chunks(chunks: list[StreamChunk]) -> None:
    """Each line is one chunk, and ASCII, so that it is safe on any terminal."""
    lines = show(JsonLines({"file": "a"}), *chunks, Done())

    assert all(character.isprintable() for character in lines.replace("\n", ""))
    assert lines.isascii()
    assert [*chunks, Done()] == [from_json(json.loads(line)) for line in io.StringIO(lines)]
    assert all(json.loads(line)["file"] == "a" for line in io.StringIO(lines))


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Done(finish_reason=FinishReason.LENGTH, model="m"), "done: length, m"),
        (
            Done(usage=TokenUsage(input_tokens=2048, cached_input_tokens=1024, output_tokens=7, reasoning_tokens=5)),
            "done: unknown, 2,048 tokens in, 1,024 of them cached, 7 out, 5 of them reasoning",
        ),
        (Error("bad\x1b[2J\nluck", kind=ErrorKind.SERVER), "error (server): bad␛[2J␊luck"),
        (ContextOverflow("too long"), "error (context_overflow): too long"),
    ],
)
def test_an_ending_is_told_on_one_line(ending: Ending, words: str) -> None:
    """An ending in words, with what a provider wrote into it made safe."""
    assert words == describe(ending)
    assert f"-- {words}\n" == Transcript(styled=False).end(ending)
