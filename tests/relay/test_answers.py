"""Where an interrupted stream goes on from."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

import gestura
from gestura.chunks import (
    AgentLoopIteration,
    Cancelled,
    ContextCompacted,
    ContextOverflow,
    Done,
    Error,
    Paused,
    StepDone,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.parts import ToolCall
from gestura.relay.answers import PublishedAnswer, interrupted
from gestura.relay.entries import About
from gestura.relay.log import RelayError
from gestura.testing import ScriptedModel, reply, scripted_client

REQUEST = gestura.Request.of("Shall I need an umbrella in Oslo, or in Lima?")
ABOUT = About(request=REQUEST, provider="scripted", model="small")
CUT_OFF: list[StreamChunk] = [Text("It "), Text("rains"), ToolCallStart("c1", "look_up"), ToolCallArgs("c1", '{"ci')]
RESULT = gestura.ToolCallResult("look_up", True, "sunny", 3, id="c1")


@pytest.mark.parametrize("ending", [None, Cancelled(), Error("the network broke")])
def test_a_stream_goes_on_from_what_was_shown(ending: StreamChunk | None) -> None:
    """With its request, its provider and its model, however it broke off."""
    paused = Paused(partial=gestura.assistant("It rains"), request=REQUEST, provider="scripted", model="small")

    assert paused == interrupted(ABOUT, [*CUT_OFF, *([ending] if ending else [])])


def test_a_paused_stream_goes_on_from_its_own_ending() -> None:
    """It tells more than its chunks do."""
    paused = Paused(request=REQUEST, partial=gestura.assistant("Hi"), provider="b", model="large", tool_results=())

    assert paused is interrupted(ABOUT, [Text("Hi"), paused])


@pytest.mark.parametrize(
    ("about", "chunks", "words"),
    [
        (About(), CUT_OFF, "what was asked is not known"),
        (ABOUT, [Text("Hi"), Done()], "is complete"),
        (ABOUT, [ContextOverflow("4,097 tokens")], "too long for the model"),
        (ABOUT, [RESULT, AgentLoopIteration(0), Text("Hi")], "in the stream before this one"),
        (ABOUT, [RESULT], "in the stream before this one"),
        (ABOUT, [ContextCompacted(9, 2, 100, "shorter"), AgentLoopIteration(0), Text("Hi")], "was compacted"),
    ],
)
def test_some_streams_do_not_go_on(about: About, chunks: list[StreamChunk], words: str) -> None:
    """And the reason is told."""
    with pytest.raises(RelayError, match=words):
        interrupted(about, chunks)


def test_the_answer_of_a_turn_is_the_latest() -> None:
    """What was said before is whole, and no part of an answer that broke off."""
    answer = PublishedAnswer()
    for chunk in (AgentLoopIteration(0), Text("a"), StepDone(), AgentLoopIteration(1), Thinking("b"), Text("c")):
        answer.add(chunk)

    assert (
        gestura.Message(gestura.Role.ASSISTANT, (gestura.ThinkingPart("b"), gestura.TextPart("c"))) == answer.partial()
    )


def test_a_call_that_never_began_says_nothing() -> None:
    """In chunks of somebody's own there may be one."""
    answer = PublishedAnswer()
    for chunk in (ToolCallArgs("c1", "{}"), ToolCallEnd("c1"), Text("a")):
        answer.add(chunk)

    assert gestura.assistant("a") == answer.partial()


async def test_a_turn_goes_on_wherever_it_broke_off(autojump_clock: MockClock) -> None:
    """It ends as it would have; no answer is asked for again that was whole, and no call is made twice.

    That is, no call whose result was published.
    """
    called: list[str] = []

    @gestura.tool
    async def look_up(city: str) -> str:
        """The weather."""
        await trio.sleep(len(city))
        called.append(city)
        return f"sunny in {city}"

    calls = [
        ToolCall(f"c{number}", "look_up", json.dumps({"city": city})) for number, city in enumerate(["Oslo", "Po"])
    ]
    replies = [reply(Thinking("Where?"), "Let me see.", *calls), reply("You need none.")]
    async with scripted_client(replies) as client, client.run(REQUEST, tools=[look_up]) as run:
        chunks = [chunk async for chunk in run]
        history = run.messages
    assert ["Po", "Oslo"] == called
    results = [position for position, chunk in enumerate(chunks) if isinstance(chunk, gestura.ToolCallResult)]
    asked_twice = next(position for position, chunk in enumerate(chunks) if isinstance(chunk, StepDone))

    for cut in range(len(chunks)):
        called.clear()
        paused = interrupted(ABOUT, chunks[:cut])
        model = ScriptedModel(replies if cut <= asked_twice else replies[1:])
        async with scripted_client(model) as client, client.run(paused, tools=[look_up]) as run:
            await run.collect()

        assert isinstance(run.ending, Done)
        assert 2 - sum(position < cut for position in results) == len(called)
        if asked_twice < cut <= results[-1] + 1:
            assert history == tuple(run.messages)
