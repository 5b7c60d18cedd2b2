"""The simulator's OpenAI Responses: what its voice says is what the decoder hears."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from responses_events import received

from gestura.chunks import FinishReason, Refusal, Signature, Text, Thinking, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.errors import Fault
from gestura.limits import Limits
from gestura.simulator.scenario import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.simulator.voices.openai_responses import OpenAIResponsesVoice
from gestura.stages.deltas import Finish, ModelName, Terminal, Usage
from gestura.stages.sse import SseFramer
from gestura.usage import TokenUsage

counts = st.none() | st.integers(0, 10**9)
steps = st.one_of(
    st.builds(Thinking, st.text()),
    st.builds(Text, st.text()),
    st.builds(Refusal, st.text()),
    st.builds(ToolCall, st.uuids().map(str), st.text(min_size=1).filter(str.strip), st.text(min_size=1)),
    st.builds(Comment, st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"))),
)
scenarios = st.builds(
    Scenario,
    model=st.text(min_size=1),
    steps=st.lists(steps).map(tuple),
    finish=st.sampled_from([FinishReason.STOP, FinishReason.TOOL_CALLS, FinishReason.CONTENT_FILTER]),
    usage=st.builds(
        TokenUsage,
        input_tokens=counts,
        output_tokens=counts,
        total_tokens=st.integers(0, 10**9),
        cached_input_tokens=counts,
        cache_write_tokens=counts,
        reasoning_tokens=counts,
    ),
    sending=st.builds(Sending, characters_per_event=st.none() | st.integers(1, 9)),
)


def heard(scenario: Scenario) -> list[Any]:
    wire = OpenAIResponsesVoice().render(scenario, {})
    return received(*SseFramer(Limits()).feed(wire))


@given(scenarios)
def test_what_the_voice_says_is_what_the_decoder_hears(scenario):
    """Text, thinking, refusal, tool calls, finish reason, usage, model and the end are decoded as they were meant."""
    deltas = heard(scenario)
    runs = [list(run) for _, run in itertools.groupby(scenario.steps, key=type)]

    def said(kind: type) -> str:
        return "".join(delta.text for delta in deltas if isinstance(delta, kind))

    def meant(kind: type, between: str = "") -> str:
        texts = ["".join(step.text for step in run) for run in runs if isinstance(run[0], kind)]
        return between.join(filter(None, texts))

    assert (meant(Thinking, "\n\n"), meant(Text), meant(Refusal)) == (said(Thinking), said(Text), said(Refusal))
    calls = [step for step in scenario.steps if isinstance(step, ToolCall)]
    cut_off = scenario.finish is FinishReason.CONTENT_FILTER
    last_is_half = cut_off and calls and scenario.steps[-1] is calls[-1]
    starts = [delta for delta in deltas if isinstance(delta, ToolCallStart)]
    ends = [delta.id for delta in deltas if isinstance(delta, ToolCallEnd)]
    assert [(each.id, each.name) for each in calls] == [(start.id, start.name) for start in starts]
    assert [each.id for each in calls[: -1 if last_is_half else None]] == ends
    assert {each.id: each.arguments for each in calls} == {
        each.id: each.fragment for each in deltas if isinstance(each, ToolCallArgs)
    }
    reason = FinishReason.TOOL_CALLS if calls else FinishReason.REFUSAL if meant(Refusal) else FinishReason.STOP
    assert [FinishReason.CONTENT_FILTER if cut_off else reason] == [d.reason for d in deltas if isinstance(d, Finish)]
    assert [scenario.usage] == [delta.usage for delta in deltas if isinstance(delta, Usage)]
    assert [ModelName(scenario.model)] == [delta for delta in deltas if isinstance(delta, ModelName)]
    assert isinstance(deltas[-1], Terminal)
    sealed_thoughts = [delta for delta in deltas if isinstance(delta, Signature)]
    assert len(sealed_thoughts) == sum(isinstance(run[0], Thinking) for run in runs)


def test_the_voice_can_leave_the_end_away():
    """Without the end marker the stream breaks off, which nobody takes for an answer."""
    assert [ModelName("m"), Text("Hi")] == heard(Scenario(model="m", steps=(Text("Hi"),), end_marker=False))


def test_the_voice_fails_as_the_provider_does():
    """An error in the stream is an event of its own and a failed response, with the same words."""
    scenario = Scenario(model="m", steps=(Text("one"), StreamError("Lost.", code="lost")), usage=TokenUsage())
    faults = [delta for delta in heard(scenario) if isinstance(delta, Fault)]

    assert [("Lost.", "lost")] * 2 == [(fault.message, fault.code) for fault in faults]


def test_the_voice_marks_a_call_that_was_cut_off():
    """With finish reason `LENGTH`, the last call is half a call."""
    scenario = Scenario(model="m", steps=(ToolCall("c", "f", '{"a'),), finish=FinishReason.LENGTH)

    assert [] == [delta for delta in heard(scenario) if isinstance(delta, ToolCallEnd)]
