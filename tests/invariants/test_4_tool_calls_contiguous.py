"""Invariant 4: tool calls are contiguous, in index order, each with its own id, and never delivered twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plain_model
from hypothesis import example, given
from hypothesis import strategies as st
from misfortunes import Plan, configs, scripts, transport
from scripting import DONE, FINISH, chunks_of, delta, run_virtually, text
from strategies import CallPart, ChatStream, chat_garbage, chat_streams, cuts

import gestura
from gestura.chunks import (
    Done,
    RetryAttempt,
    StreamChunk,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.config import StreamingConfig
from gestura.testing import split
from gestura.transport.scripted import Break, Pause, ScriptedExchange

Calls = list[tuple[str, str, str, bool]]
"""Id, name, arguments, and whether the call has its end."""


def calls_in(chunks: Sequence[StreamChunk]) -> Calls:
    """The calls, each read as `ToolCallStart`, `ToolCallArgs`, …, `ToolCallEnd`; what does not fit that fails."""
    calls: Calls = []
    for chunk in chunks:
        match chunk:
            case ToolCallStart(id, name):
                assert all(is_whole for *_, is_whole in calls), "a call begins in another"
                calls.append((id, name, "", False))
            case ToolCallArgs(id, fragment):
                call, name, arguments, is_whole = calls.pop()
                assert (call, is_whole) == (id, False), "arguments of a call that is not open"
                calls.append((id, name, arguments + fragment, False))
            case ToolCallEnd(id):
                call, name, arguments, is_whole = calls.pop()
                assert (call, is_whole) == (id, False), "the end of a call that is not open"
                calls.append((id, name, arguments, True))
    names = [call for call, *_ in calls]
    assert len(set(names)) == len(names), "an id is used twice"
    assert all(call and arguments for call, _, arguments, is_whole in calls if is_whole)
    return calls


@given(chat_streams(), cuts(), st.sampled_from([(), (Break(),)]), st.floats(0, 1.2))
def test_mixed_calls_come_one_after_another(
    stream: ChatStream, where: Sequence[int], ending: Sequence[Pause], share: float
):
    """However their fragments are mixed: in index order, whole if the answer is, and only the last may lack its end."""
    length = min(len(stream.wire), round(len(stream.wire) * share))
    body = [*split(stream.wire[:length], where), *ending]
    chunks = run_virtually(chunks_of, ScriptedExchange(body=body))
    calls = calls_in(chunks)
    indexes = [int(name.removeprefix("tool_")) for _, name, _, _ in calls]

    assert sorted(indexes) == indexes
    if isinstance(chunks[-1], Done) and not plain_model.broken_off(stream.meant(length)):
        sent = plain_model.arguments(stream.meant(length))
        assert [(f"tool_{index}", sent[f"tool_{index}"] or "{}", True) for index in range(len(sent))] == [
            call[1:] for call in calls
        ]
        assert_ids_are_the_providers(stream.meant(length), calls)


def assert_ids_are_the_providers(meant: Sequence[Any], calls: Calls) -> None:
    """An id that the provider gave one call only is that call's; others are made up."""
    given = {part.index: part.id for part in meant if isinstance(part, CallPart) and part.id}
    for index, call_id in given.items():
        if list(given.values()).count(call_id) == 1:
            assert call_id == calls[index][0]


indexes = st.sampled_from([0, 0, 1, 2, 5, -1, None])
ids = st.sampled_from(["a", "b", "a_2", "call_0", "", " ", None])
names = st.sampled_from(["f", "g", "", None, "f"])
fragments = st.builds(
    lambda index, call_id, name, arguments: {
        **({} if index is None else {"index": index}),
        **({} if call_id is None else {"id": call_id}),
        "function": {"name": name, "arguments": arguments},
    },
    indexes,
    ids,
    names,
    st.sampled_from(["", "{}", '{"a":', "1}"]),
)
events = st.one_of(
    st.lists(fragments, min_size=1, max_size=3).map(lambda calls: delta(tool_calls=calls)),
    st.sampled_from([text("words"), FINISH, delta(reasoning_content="thought")]),
)


@given(st.lists(events, max_size=12), st.sampled_from([b"", DONE, FINISH, delta("length")]), cuts())
@example([delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}])] * 2, DONE, ())
def test_whatever_fragments_say_calls_are_contiguous(body: Sequence[bytes], end: bytes, where: Sequence[int]):
    """Indexes that lie, ids that repeat, names that come late: each call is delivered once, whole, under its own id."""
    calls_in(run_virtually(chunks_of, ScriptedExchange(body=split(b"".join(body) + end, where))))


@given(st.lists(chat_garbage() | events, max_size=6), cuts())
def test_garbage_makes_no_call_that_is_not_contiguous(body: Sequence[bytes], where: Sequence[int]):
    """Fields of the wrong type included."""
    calls_in(run_virtually(chunks_of, ScriptedExchange(body=split(b"".join(body), where))))


async def read(settings: StreamingConfig, script: Sequence[Plan]) -> list[StreamChunk]:
    async with (
        gestura.open_client(settings, transport=transport(script)) as client,
        client.stream("Hi") as stream,
    ):
        return [chunk async for chunk in stream]


@given(configs(), scripts())
def test_no_attempt_repeats_a_call(settings: StreamingConfig, script: Sequence[Plan]):
    """Over retries, fallbacks and hedged providers too: once a call was begun, all calls are of that attempt.

    Each attempt's call has an id that begins with the attempt's number.
    """
    chunks = run_virtually(read, settings, script)
    calls = calls_in(chunks)
    begun = next((place for place, chunk in enumerate(chunks) if isinstance(chunk, ToolCallStart)), len(chunks))

    assert len({call[0] for call, *_ in calls}) <= 1
    assert not any(isinstance(chunk, RetryAttempt) for chunk in chunks[begun:])
