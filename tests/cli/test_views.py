"""How chunks are shown."""

import io
import json

import attrs
import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    ErrorKind,
    FinishReason,
    Paused,
    Refusal,
    RetryAttempt,
    Status,
    StreamChunk,
    Text,
    Thinking,
    TokenUsage,
    TokenUsageStatus,
    TokenUsageUpdate,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
    assistant,
)
from gestura.chunk_json import from_json
from gestura.cli.display.views import AnswerOnly, JsonLines, Transcript, View
from gestura.cli.display.wording import describe
from gestura.cli.terminal_text import visible

USAGE = TokenUsageUpdate(90_000, 128_000, 70, TokenUsageStatus.YELLOW, 0.0125)
CALL = (ToolCallStart("a", "add"), ToolCallArgs("a", '{"x"'), ToolCallArgs("a", ": 1}"), ToolCallEnd("a"))

PIECES = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Thinking, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCallStart, st.text(), st.text()),
    st.builds(ToolCallArgs, st.text(), st.text()),
    st.builds(ToolCallEnd, st.text()),
    st.builds(Status, st.text()),
    st.builds(RetryAttempt, st.just(1), st.just(3), st.just(1000), st.text(), discard=st.booleans()),
    st.just(USAGE),
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
        ([RetryAttempt(3, 3, 0, "busy\n")], "* attempt 3 of 3 failed, another at once: busy␊\n"),
        (
            [Text("On"), RetryAttempt(1, 3, 900, "cut", discard=True), Text("One.")],
            "On\n* attempt 1 of 3 failed, another in 0.9 s (the answer begins anew: what came so far does not count): "
            "cut\nOne.\n",
        ),
        ([Text("A"), USAGE, Text("B")], "AB\n"),
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


def test_words_are_not_torn_by_the_edge_of_a_terminal() -> None:
    """Prose, news and endings end their lines between words; a part begins at the start of its line."""
    view = Transcript(styled=False, columns=12)
    said = show(view, Thinking("a bc d"), Thinking("e fgh"), Text("ij klm nopq rst"), Status("not there yet"), Done())

    assert "[thinking] \na bc de fgh\n\nij klm nopq\nrst\n* not there\nyet\n" == said
    assert "-- done: \nunknown, a \nlong name\n" == view.end(Done(model="a long name"))


def test_a_style_ends_before_its_line_does() -> None:
    """A newline is never inside a style: some terminals would colour the whole next line."""
    view = Transcript(styled=True)

    assert "\x1b[2m* soon\x1b[0m\n" == show(view, Status("soon"))
    assert "\x1b[2mHm.\x1b[0m\n\n" == show(view, Thinking("Hm.\n\n"))
    assert "\n" == show(view, Thinking("\n"))


@pytest.mark.parametrize(
    ("status", "ending", "shown"),
    [
        (TokenUsageStatus.GREEN, Done(), "\x1b[2m-- done: unknown, 70 % of the context window, $0.012500\x1b[0m\n"),
        (TokenUsageStatus.RED, Done(), "\x1b[31m-- done: unknown, 70 % of the context window, $0.012500\x1b[0m\n"),
        (
            TokenUsageStatus.RED,
            Paused(),
            "\x1b[33m-- paused: nothing was shown, 70 % of the context window, $0.012500\x1b[0m\n",
        ),
        (TokenUsageStatus.RED, Error("No."), "\x1b[31m-- error (internal): No.\x1b[0m\n"),
    ],
)
def test_the_ending_tells_how_full_the_window_is(status: TokenUsageStatus, ending: Ending, shown: str) -> None:
    """With the last that was told, and in its colour; what an answer cost is told beside it."""
    view = Transcript(styled=True)
    show(view, TokenUsageUpdate(1, 2, 50, TokenUsageStatus.GREEN, 0.0), attrs.evolve(USAGE, status=status))

    assert shown == view.end(ending)


def test_what_costs_nothing_says_so() -> None:
    """A local model's answers are free."""
    view = Transcript(styled=False)
    show(view, attrs.evolve(USAGE, estimated_cost=0.0))

    assert "-- done: unknown, 70 % of the context window, no cost\n" == view.end(Done())


def test_a_guessed_cost_says_so() -> None:
    """Of a model whose price nobody knows."""
    view = Transcript(styled=False)
    show(view, attrs.evolve(USAGE, is_cost_guessed=True))

    assert view.end(Done()).endswith(", $0.012500 (a guess: nobody knows its price)\n")


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
        (
            Done(usage=TokenUsage(input_tokens=10, cached_input_tokens=90, output_tokens=7, provider="anthropic")),
            "done: unknown, 100 tokens in, 90 of them cached, 7 out",
        ),
        (Cancelled(), "cancelled: nothing was shown"),
        (Paused(partial=assistant("Half")), "paused: 4 characters of text kept"),
        (
            Cancelled(partial=assistant("Half"), usage=TokenUsage(input_tokens=3)),
            "cancelled: 4 characters of text kept, 3 tokens in",
        ),
        (Error("bad\x1b[2J\nluck", kind=ErrorKind.SERVER), "error (server): bad␛[2J␊luck"),
        (ContextOverflow("too long"), "error (context_overflow): too long"),
    ],
)
def test_an_ending_is_told_on_one_line(ending: Ending, words: str) -> None:
    """An ending in words, with what a provider wrote into it made safe."""
    assert words == describe(ending)
    assert f"-- {words}\n" == Transcript(styled=False).end(ending)
