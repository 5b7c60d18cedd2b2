"""What comes next in an agent's turn, as tables."""

from __future__ import annotations

import pytest

import gestura
from gestura import Answer, ContextCompacted, Done, FinishReason, Message, Role, RunLimits, TextPart, TokenUsage
from gestura._agent.decisions import (
    Next,
    answered,
    compacted,
    kept_of,
    limit_reached,
    next_after,
    with_free_choice,
)
from gestura._agent.unique_ids import UniqueIds
from gestura.chunks import Error, Signature, StreamChunk, Text, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.errors import ErrorKind
from gestura.parts import Part, ToolCall, ToolResult
from gestura.request_options import NamedTool, Tool, ToolChoice

TEXT = TextPart("Hm")
CALL = ToolCall("c1", "look", "{}")
OTHER = ToolCall("c2", "look", "{}")


def answer(*parts: Part, finish: FinishReason = FinishReason.STOP) -> Answer:
    return Answer(Role.ASSISTANT, parts, done=Done(finish_reason=finish))


@pytest.mark.parametrize(
    ("finish", "with_calls", "with_text", "with_nothing"),
    [
        (FinishReason.STOP, Next.CALL_TOOLS, Next.END, Next.END),
        (FinishReason.TOOL_CALLS, Next.CALL_TOOLS, Next.END, Next.END),
        (FinishReason.LENGTH, Next.CALL_TOOLS, Next.END, Next.END),
        (FinishReason.OTHER, Next.CALL_TOOLS, Next.END, Next.END),
        (FinishReason.UNKNOWN, Next.CALL_TOOLS, Next.END, Next.END),
        (FinishReason.PAUSE, Next.CALL_TOOLS, Next.ASK_AGAIN, Next.END),
        (FinishReason.REFUSAL, Next.END, Next.END, Next.END),
        (FinishReason.CONTENT_FILTER, Next.END, Next.END, Next.END),
    ],
)
def test_what_comes_after_an_answer(
    finish: FinishReason, with_calls: Next, with_text: Next, with_nothing: Next
) -> None:
    """Whole calls are run, whatever word the provider has for the end, unless what was said is withdrawn."""
    assert with_calls is next_after(answer(TEXT, CALL, finish=finish))
    assert with_text is next_after(answer(TEXT, finish=finish))
    assert with_nothing is next_after(answer(finish=finish))


def test_calls_that_nobody_ran_do_not_stay() -> None:
    """No provider takes them without results."""
    assert Message(Role.ASSISTANT, [TEXT]) == kept_of(answer(TEXT, CALL))
    assert kept_of(answer(CALL)) is None


def test_results_stand_in_the_order_of_the_calls() -> None:
    """However they came in."""
    results = {name: ToolResult(name, (TEXT,)) for name in ("c2", "c1")}
    said, results_of = answered(answer(TEXT, CALL, OTHER), results)

    assert Message(Role.ASSISTANT, [TEXT, CALL, OTHER]) == said
    assert Message(Role.USER, [results["c1"], results["c2"]]) == results_of


@pytest.mark.parametrize(
    ("called", "kept"),
    [("look", "look"), ("functions.look", "functions_look"), ("l ö k", "l___k"), ("x" * 65, "x" * 64)],
)
def test_what_is_no_name_is_made_one(called: str, kept: str) -> None:
    """A model may call anything, but it can't be told of it as it stood."""
    said, *_ = answered(answer(ToolCall("c", called, "{}")), {"c": ToolResult("c", (TEXT,))})

    assert [kept] == [call.name for call in said.tool_calls]


USED = TokenUsage(input_tokens=60, output_tokens=40)


@pytest.mark.parametrize(
    ("limits", "iterations", "usage", "code"),
    [
        (RunLimits(max_iterations=2), 0, None, None),
        (RunLimits(max_iterations=2), 1, USED, None),
        (RunLimits(max_iterations=2), 2, None, "max_iterations"),
        (RunLimits(max_total_tokens=101), 1, USED, None),
        (RunLimits(max_total_tokens=100), 1, USED, "max_total_tokens"),
        (RunLimits(max_total_tokens=100), 9, None, None),
        (RunLimits(max_iterations=2, max_total_tokens=100), 2, USED, "max_iterations"),
    ],
)
def test_a_turn_has_limits(limits: RunLimits, iterations: int, usage: TokenUsage | None, code: str | None) -> None:
    """The ending names the one that was reached."""
    ending = limit_reached(limits, iterations, usage)

    assert code == (ending.code if ending else None)
    assert ending is None or (isinstance(ending, Error) and ending.kind is ErrorKind.LIMIT and code in ending.message)


@pytest.mark.parametrize(
    ("choice", "then"),
    [(None, None), ("none", "none"), ("auto", "auto"), ("required", "auto"), (NamedTool("look"), "auto")],
)
def test_a_model_has_to_call_a_tool_only_once(choice: ToolChoice | None, then: ToolChoice | None) -> None:
    """Else it would go on for ever."""
    request = gestura.Request(messages=(gestura.user("Hi"),), tools=[Tool(name="look")], tool_choice=choice)

    assert then == with_free_choice(request).tool_choice


def test_a_compaction_is_told() -> None:
    """Of all that is text: four characters are taken for a token."""
    call = ToolCall("c", "look", "x" * 40)
    long = gestura.Request(
        messages=[
            gestura.user("x" * 80),
            gestura.assistant(call),
            gestura.tool_result(call, "x" * 40, gestura.image(b"GIF8")),
            gestura.user("x" * 4),
        ]
    )
    short = gestura.Request(messages=long.messages[-1:])

    assert ContextCompacted(4, 1, 40, "4 messages became 1") == compacted(long, short)
    assert 0 == compacted(short, long).tokens_saved


def test_ids_that_were_used_before_are_replaced() -> None:
    """In the conversation, or in an answer of the same turn; a provider may count anew in each."""
    history = [gestura.assistant(ToolCall("a", "look", "{}"))]
    ids = UniqueIds(history)
    chunks: list[StreamChunk] = [
        Text("a"),
        ToolCallStart("a", "look"),
        ToolCallArgs("a", "{}"),
        ToolCallEnd("a"),
        Signature("seal", "a"),
        Signature("seal"),
        ToolCallStart("b", "look"),
    ]
    renamed = [
        Text("a"),
        ToolCallStart("a_2", "look"),
        ToolCallArgs("a_2", "{}"),
        ToolCallEnd("a_2"),
        Signature("seal", "a_2"),
        Signature("seal"),
        ToolCallStart("b", "look"),
    ]
    first = [ids.rename(chunk) for chunk in chunks]
    ids.next_answer()
    second = [ids.rename(chunk) for chunk in chunks if isinstance(chunk, ToolCallStart)]

    assert renamed == first
    assert ["a_3", "b_2"] == [chunk.id for chunk in second if isinstance(chunk, ToolCallStart)]
