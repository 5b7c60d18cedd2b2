"""The actors of an attempt: a stage each, or all stages in one, and the same chunks either way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripting import DONE, FINISH, answers, chunks_of, delta, open_scripted, provider, run_virtually, text

from gestura._actors.topology import stage_actors
from gestura.limits import Limits
from gestura.providers.openai_chat import OpenAIChat
from gestura.stages import fuse

BODY = (
    text("<think>Let me")
    + text(" see</think>It is")
    + delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}])
    + delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}])
    + text(" 4.") * 40
    + FINISH
    + DONE
)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % len(body) for place in places} - {0})
    return [body[begin:end] for begin, end in zip([0, *ends], [*ends, len(body)], strict=True)]


@given(st.lists(st.integers(min_value=1), max_size=8), st.sampled_from([b"", BODY[: len(BODY) // 2], b"data: [\n\n"]))
def test_one_actor_for_all_stages_gives_the_same_chunks(places: list[int], rest: bytes):
    """Wherever the reads were cut, and however the answer ends."""
    reads = cut(BODY[: len(BODY) // 2] + (rest or BODY[len(BODY) // 2 :]), places)

    def told(*, fused: bool) -> list[Any]:
        return run_virtually(lambda: chunks_of(answers(*reads), fused=fused))

    assert told(fused=False) == told(fused=True)


async def test_the_actor_of_all_stages_goes_by_a_name_of_its_own():
    """Statistics tell of it as of any actor."""
    async with open_scripted(answers(BODY), fused=True) as client, client.stream("Hi") as stream:
        await stream.collect()
        actors = [actor.name for actor in stream.statistics().actors]

    assert ["HTTP reader", "pipeline", "forwarder"] == actors


@pytest.mark.parametrize("fused", [False, True])
def test_deltas_are_overheard_before_the_assembler_holds_them_back(fused: bool):
    """A call that waits for an earlier one is content; a read that made nothing is none."""
    overheard: list[int] = []
    waiting = delta(tool_calls=[{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}])
    actors = stage_actors(
        OpenAIChat(provider()), Limits(), fused=fused, on_deltas=lambda deltas: overheard.append(len(deltas))
    )
    stages = fuse(*(actor.stage for actor in actors))

    assert [] == list(stages.feed([b": a comment\n\n"]))
    assert [] == overheard
    assert [] == list(stages.feed([waiting]))
    assert [1] == overheard
