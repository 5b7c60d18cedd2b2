"""The assertions pass what a stream may be, and name what it must not be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gestura.chunks import (
    Cancelled,
    Done,
    Error,
    FinishReason,
    Status,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.testing import assert_calls_contiguous, assert_ends_once

START, ARGS, END = ToolCallStart("a", "f"), ToolCallArgs("a", "{}"), ToolCallEnd("a")
OTHER = ToolCallStart("b", "f"), ToolCallEnd("b")


@pytest.mark.parametrize("ending", [Done(), Error("no"), Cancelled()])
def test_an_ending_is_returned(ending: StreamChunk) -> None:
    """A stream with one ending, and last, is right, and the ending is given back."""
    assert ending is assert_ends_once([Text("a"), ending])


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([], "no ending"),
        ([Text("a")], "no ending; its last chunks are .*Text"),
        ([Done(), Done()], "2 endings"),
        ([Error("no"), Text("late")], "after the ending Error.* came .*late"),
    ],
)
def test_an_ending_is_missed(chunks: Sequence[StreamChunk], problem: str) -> None:
    """No ending, several, or something behind it is told in words."""
    with pytest.raises(AssertionError, match=problem):
        assert_ends_once(chunks)


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [START, ARGS, ARGS, END, Done(finish_reason=FinishReason.TOOL_CALLS)],
        [START, Status("…"), ARGS, Thinking("hm"), END, *OTHER, Done(finish_reason=FinishReason.STOP)],
        [START, ARGS, Error("broke")],
        [START, ARGS, Done(finish_reason=FinishReason.LENGTH)],
    ],
)
def test_calls_are_contiguous(chunks: Sequence[StreamChunk]) -> None:
    """News may come between the pieces of a call, and what is broken off may lack its end."""
    assert_calls_contiguous(chunks)


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([ARGS], "arguments of 'a' while None is open: chunk 0"),
        ([END], "call 'a' ends while None"),
        ([START, OTHER[0]], "call 'b' starts while 'a' is open: chunk 1"),
        ([START, OTHER[1]], "call 'b' ends while 'a'"),
        ([START, END, START], "call 'a' starts twice"),
        ([START, END, ARGS], "arguments of 'a' while None"),
        ([ToolCallStart("", "f")], "no id"),
        ([START, ARGS, Done(finish_reason=FinishReason.STOP)], "done while call 'a' is open"),
    ],
)
def test_calls_are_not_contiguous(chunks: Sequence[StreamChunk], problem: str) -> None:
    """Any other order of a call's pieces is told with its place."""
    with pytest.raises(AssertionError, match=problem):
        assert_calls_contiguous(chunks)
