"""Invariant 2: nothing is lost. What is held back is told at the end; what may be dropped is counted when it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import plain_model
import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from scripting import ANSWER, DONE, chunks_of, delta, event, open_scripted, run_virtually, text
from strategies import ChatStream, Failed, Finished, Over, Said, chat_streams, cuts

import gestura
from gestura.chunks import (
    Done,
    Error,
    Narration,
    NarrationStage,
    PublicNarration,
    RuntimeSnapshot,
    Status,
    StreamChunk,
    TaskRuntimeSnapshot,
    Text,
    Thinking,
    TokenUsageUpdate,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
)
from gestura.delivery import Delivery
from gestura.errors import ErrorKind
from gestura.stages.deltas import Oddity
from gestura.testing import merged, split
from gestura.transport.scripted import Break, Hang, Pause, ScriptedExchange, Wait
from gestura.usage import TokenUsageStatus

KINDS: dict[Pause | None, ErrorKind] = {
    None: ErrorKind.TRUNCATED,
    Break(): ErrorKind.CONNECTION,
    Hang(): ErrorKind.TIMEOUT,
}
"""What an answer that is not complete ends with, by how its body ends."""


WORDS = [text("<"), event(error={"message": "the model fell over", "type": "server_error"}), text("think>a")]
HALF_A_TAG = ChatStream(
    b"".join(WORDS),
    (
        (len(WORDS[0]), Said("<")),
        (len(WORDS[0] + WORDS[1]), Failed("the model fell over")),
        (len(b"".join(WORDS)), Said("think>a")),
    ),
)
"""A failure between the halves of what would be a tag."""


async def read(exchange: ScriptedExchange) -> tuple[list[StreamChunk], gestura.StreamStatistics]:
    async with open_scripted(exchange) as client, client.stream("Hi") as stream:
        return [chunk async for chunk in stream], stream.statistics()


@given(chat_streams(), cuts(), st.sampled_from(list(KINDS)), st.floats(0, 1.2))
@example(HALF_A_TAG, (), None, 1.0)
def test_all_that_was_read_is_told(stream: ChatStream, where: Sequence[int], last: Pause | None, share: float):
    """Wherever the body stops and however: text, thinking, calls, counts and the failure are all there in the end."""
    length = min(len(stream.wire), round(len(stream.wire) * share))
    meant = stream.meant(length)
    body = [*split(stream.wire[:length], where), *([last] if last else [])]
    chunks, statistics = run_virtually(read, ScriptedExchange(body=body))
    *said, ending = chunks

    assert plain_model.shown(meant) == merged(each for each in said if isinstance(each, Text | Thinking))
    assert_calls_are_told(meant, said, statistics)
    assert isinstance(ending, Done | Error)
    assert plain_model.token_counts(meant) == (ending.usage and (ending.usage.input_tokens, ending.usage.output_tokens))
    if any(isinstance(each, Failed) for each in meant):
        assert isinstance(ending, Error)
        assert ending.kind is ErrorKind.SERVER
        assert "the model fell over" in ending.message
    elif any(isinstance(each, Finished | Over) for each in meant):
        assert isinstance(ending, Done)
    else:
        assert isinstance(ending, Error)
        assert ending.kind is KINDS[last]
    if isinstance(ending, Error):
        assert_partial_is_what_was_shown(ending, said)


def assert_calls_are_told(
    meant: Sequence[Any], said: Sequence[StreamChunk], statistics: gestura.StreamStatistics
) -> None:
    """Each call is delivered whole or reported; what was begun has all that came of it."""
    sent = plain_model.arguments(meant)
    names = {each.id: each.name for each in said if isinstance(each, ToolCallStart)}
    given = dict.fromkeys(names.values(), "")
    for each in said:
        if isinstance(each, ToolCallArgs):
            given[names[each.id]] += each.fragment
    ended = [names[each.id] for each in said if isinstance(each, ToolCallEnd)]
    reported = statistics.oddities.get(Oddity.UNFINISHED_TOOL_CALL, 0)

    assert {name: sent[name] or "{}" for name in ended} == {name: given[name] for name in ended}
    assert {name: sent[name] for name in names.values() if name not in ended} == {
        name: arguments for name, arguments in given.items() if name not in ended
    }
    assert len(sent) == len(ended) + reported
    assert bool(reported) == (plain_model.broken_off(meant) and bool(sent))


def assert_partial_is_what_was_shown(ending: Error, said: Sequence[StreamChunk]) -> None:
    content = [each for each in said if not isinstance(each, TokenUsageUpdate)]
    if not content:
        assert ending.partial is None
        return
    shown = gestura.answer.collect([*content, Done()])
    assert ending.partial is not None
    assert (shown.text, shown.thinking, shown.tool_calls) == (
        ending.partial.text,
        ending.partial.thinking,
        ending.partial.tool_calls,
    )


@pytest.mark.parametrize("held", ["<", "<thi", "</", "<think", "a <think>b</thin"])
@pytest.mark.parametrize("last", KINDS)
def test_half_a_tag_at_the_end_is_given_back(held: str, last: Pause | None):
    """What might have become a tag is text, or thinking, when nothing more comes."""
    wire = delta(content=held)
    chunks = run_virtually(chunks_of, ScriptedExchange(body=[wire, *([last] if last else [])]))
    said = "".join(each.text for each in chunks if isinstance(each, Text | Thinking))

    assert held.replace("<think>", "") == said


@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n", b"\r"])
def test_an_end_of_the_answer_without_its_blank_line_counts(end: bytes):
    """Servers that stop right after the last event's data lose nothing by it."""
    assert isinstance(run_virtually(chunks_of, ScriptedExchange(body=[text("Hi") + DONE.rstrip() + end]))[-1], Done)


# What an agent puts beside the answer.

ROOM = 256
"""Chunks that the user's channel holds."""


def own_chunk(kind: str, number: int) -> StreamChunk:
    """A chunk of an agent's own."""
    match kind:
        case "Status":
            return Status(str(number))
        case "TokenUsageUpdate":
            return TokenUsageUpdate(number, 1, 1, TokenUsageStatus.GREEN, 0.0)
        case "Narration":
            return Narration(PublicNarration(str(number), ""), NarrationStage.CONTEXT)
        case "TaskRuntimeSnapshot":
            return TaskRuntimeSnapshot(RuntimeSnapshot(str(number)))
        case _:
            return ToolCallResult("tool", True, str(number), 0)


KINDS_OF_OWN = ["Status", "TokenUsageUpdate", "Narration", "TaskRuntimeSnapshot", "ToolCallResult"]


class Agents:
    """Tasks that emit chunks of their own, and remember which were taken."""

    def __init__(self) -> None:
        self.taken: list[list[StreamChunk]] = []
        self._numbers = iter(range(1_000_000))

    async def emit(self, stream: gestura.ChunkStream, plan: Sequence[tuple[float, str]]) -> None:
        mine: list[StreamChunk] = []
        self.taken.append(mine)
        for seconds, kind in plan:
            await trio.sleep(seconds)
            chunk = own_chunk(kind, next(self._numbers))
            try:
                await stream.emit(chunk)
            except trio.ClosedResourceError:
                return
            mine.append(chunk)


async def read_beside_agents(
    plans: Sequence[Sequence[tuple[float, str]]], first: float, pauses: Sequence[float], waiting: int
) -> tuple[Agents, list[StreamChunk], Counter[str]]:
    """Read slowly while agents emit into a channel in which so many chunks wait already."""
    agents, received = Agents(), []
    body = [text("one"), Wait(0.05), text("two"), Wait(0.3), text("three"), ANSWER]
    async with (
        open_scripted(ScriptedExchange(body=body)) as client,
        client.stream("Hi") as stream,
        trio.open_nursery() as nursery,
    ):
        agents.taken.append([own_chunk("ToolCallResult", number) for number in range(waiting)])
        for chunk in agents.taken[0]:
            await stream.emit(chunk)
        for plan in plans:
            nursery.start_soon(agents.emit, stream, plan)
        await trio.sleep(first)
        pace = cycle(pauses)
        async for chunk in stream:
            received.append(chunk)
            if len(received) % 64 == 0:
                await trio.sleep(next(pace))
        return agents, received, Counter(stream.statistics().dropped)


seconds = st.sampled_from([0, 0.01, 0.05, 0.1, 0.2, 1])
plans = st.lists(st.tuples(seconds, st.sampled_from(KINDS_OF_OWN)), max_size=8)


@given(
    st.lists(plans, min_size=1, max_size=3),
    st.sampled_from([0, 0.04, 0.5, 2]),
    st.lists(seconds, min_size=1, max_size=4),
    st.integers(ROOM - 4, ROOM),
)
def test_only_what_may_be_dropped_is_and_every_drop_is_counted(
    emissions: Sequence[Sequence[tuple[float, str]]], first: float, pauses: Sequence[float], waiting: int
):
    """Beside a slow reader: what was emitted came out or was counted, the lossless all came out, and all in order."""
    agents, received, dropped = run_virtually(read_beside_agents, emissions, first, pauses, waiting)
    came = {id(chunk): place for place, chunk in enumerate(received)}
    taken = [chunk for mine in agents.taken for chunk in mine]
    lost = [chunk for chunk in taken if id(chunk) not in came]

    assert Counter(type(chunk).__name__ for chunk in lost) == dropped
    assert all(chunk.delivery is not Delivery.LOSSLESS for chunk in lost)
    for mine in agents.taken:
        places = [came[id(chunk)] for chunk in mine if id(chunk) in came]
        assert sorted(places) == places
    assert "onetwothreeHello" == "".join(chunk.text for chunk in received if isinstance(chunk, Text))
    assert isinstance(received[-1], Done)


def test_no_drop_happens_while_there_is_room():
    """A reader who keeps up receives everything, whatever its class."""
    plan = [(0.01, kind) for kind in KINDS_OF_OWN] * 3
    agents, received, dropped = run_virtually(read_beside_agents, [plan], 0, [0], 0)

    assert not dropped
    assert agents.taken[1] == [chunk for chunk in received if chunk in agents.taken[1]]
    assert len(plan) == len(agents.taken[1])
