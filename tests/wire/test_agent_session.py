"""One agent's session, told by every wire format over real sockets: the same conversation on each.

Five answers: two calls side by side; one that fails and one that is refused; one with wrong arguments; one after an
overflow that a hook mends; and the last words. The simulator keeps what it was sent, and that is looked at, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest
import trio

import gestura
from gestura import Denied, Message, ProviderSettings, Role, StreamingConfig
from gestura.chunks import AgentLoopIteration, ContextCompacted, Done, StepDone, ToolBlocked, ToolCallResult
from gestura.simulator import HttpError, Scenario, Text, ToolCall, open_simulator
from gestura.testing import assert_calls_contiguous, assert_ends_once
from gestura.usage import TokenUsage

PATIENCE = 30.0


@gestura.tool
async def get_weather(city: str) -> dict[str, str]:
    """The weather in a city."""
    await together.arrive_and_wait()
    return {"city": city, "sky": "clear"}


class Meeting:
    """Where two calls wait for each other."""

    def __init__(self) -> None:
        self._arrived = 0
        self._both = trio.Event()

    async def arrive_and_wait(self) -> None:
        self._arrived += 1
        if self._arrived >= 2:
            self._both.set()
        await self._both.wait()


together = Meeting()


@gestura.tool
def book_flight(to: str) -> str:
    """Book a flight."""
    raise RuntimeError(f"no flight to {to}")


@gestura.tool(confirm=True)
async def pay(euros: int) -> str:
    """Pay."""
    raise AssertionError("nobody allowed it")


async def confirm(question: gestura.ToolConfirmationRequired) -> bool | Denied:
    return Denied("too much money")


FIRST = gestura.user("Where shall I go, Oslo or Lima?")


async def compact(request: gestura.Request) -> gestura.Request:
    """Keeps the question and the last exchange."""
    return attrs.evolve(request, messages=(FIRST, *request.messages[-2:]))


def answer(*steps: Text | ToolCall, **more: Any) -> Scenario:
    finish = gestura.FinishReason.TOOL_CALLS if isinstance(steps[-1], ToolCall) else gestura.FinishReason.STOP
    return Scenario(model="", steps=steps, finish=finish, usage=TokenUsage(input_tokens=100, output_tokens=10), **more)


def calling(call_id: str, name: str, **arguments: Any) -> ToolCall:
    return ToolCall(call_id, name, json.dumps(arguments))


OVERFLOW = HttpError(status=400, message="prompt is too long: 210000 tokens > 200000 maximum")
SESSION = attrs.evolve(
    answer(
        Text("I look."), calling("call_a", "get_weather", city="Oslo"), calling("call_b", "get_weather", city="Lima")
    ),
    model="agent",
    then=(
        answer(Text("I book."), calling("call_c", "book_flight", to="Oslo"), calling("call_d", "pay", euros=900)),
        answer(Text("Again."), calling("call_e", "get_weather", town="Rome")),
        Scenario(model="", faults=(OVERFLOW,)),
        answer(Text("Once more."), calling("call_f", "get_weather", city="Rome")),
        answer(Text("Stay at home.")),
    ),
)


def said(text: str, *calls: ToolCall) -> tuple[Any, ...]:
    return (Role.ASSISTANT, text, *((call.name, json.loads(call.arguments)) for call in calls))


def results(*results: tuple[str, bool]) -> tuple[Any, ...]:
    return (Role.USER, "", *results)


CONVERSATION = [
    said("I look.", calling("", "get_weather", city="Oslo"), calling("", "get_weather", city="Lima")),
    results(('{"city":"Oslo","sky":"clear"}', False), ('{"city":"Lima","sky":"clear"}', False)),
    said("I book.", calling("", "book_flight", to="Oslo"), calling("", "pay", euros=900)),
    results(
        ("RuntimeError: no flight to Oslo", True),
        ("The call was not allowed: too much money", True),
    ),
    said("Again.", calling("", "get_weather", town="Rome")),
    results(("Invalid arguments: city: missing; unknown: town", True)),
    said("Once more.", calling("", "get_weather", city="Rome")),
    results(('{"city":"Rome","sky":"clear"}', False)),
    said("Stay at home."),
]


def in_short(messages: tuple[Message, ...]) -> Iterator[tuple[Any, ...]]:
    """What a conversation says, without ids."""
    for message in messages:
        calls = ((call.name, json.loads(call.arguments)) for call in message.tool_calls)
        given = ((result.text, result.is_error) for result in message.tool_results)
        yield (message.role, message.text, *calls, *given)


# What a request tells of results, by wire: their texts, in order.

Body = Mapping[str, Any]


def chat_results(body: Body) -> Iterator[Any]:
    for message in body["messages"]:
        if message["role"] == "tool":
            yield message["content"]


def responses_results(body: Body) -> Iterator[Any]:
    for item in body["input"]:
        if item.get("type") == "function_call_output":
            yield item["output"]


def anthropic_results(body: Body) -> Iterator[Any]:
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "tool_result":
                yield block["content"]


def gemini_results(body: Body) -> Iterator[Any]:
    for content in body["contents"]:
        for part in content["parts"]:
            if "functionResponse" in part:
                yield part["functionResponse"]["response"]


WIRES: dict[str, Callable[[Body], Iterator[Any]]] = {
    "openai_chat": chat_results,
    "openai_responses": responses_results,
    "anthropic": anthropic_results,
    "gemini": gemini_results,
    "ollama": chat_results,
}


@pytest.mark.parametrize("wire", WIRES)
async def test_a_session_is_the_same_on_every_wire(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same conversation, the same chunks of the agent's, and each request with the results it is due."""
    monkeypatch.setattr(f"{__name__}.together", Meeting())
    async with open_simulator([SESSION]) as simulator:
        base = simulator.url + ("" if wire in ("gemini", "ollama", "anthropic") else "/v1")
        settings = ProviderSettings(kind=wire, model="agent", api_key="any", base_url=base)
        with trio.fail_after(PATIENCE):
            async with gestura.open_client(StreamingConfig(primary="it", providers={"it": settings})) as client:
                tools = [get_weather, book_flight, pay]
                async with client.run([FIRST], tools=tools, confirm=confirm, compact=compact) as run:
                    chunks = [chunk async for chunk in run]

    done = assert_ends_once(chunks)
    assert_calls_contiguous(chunks)
    assert CONVERSATION == list(in_short(run.messages))
    assert isinstance(done, Done)
    assert done.usage is not None
    assert (500, 50) == (done.usage.input_tokens, done.usage.output_tokens)
    assert [0, 1, 2, 3, 4] == [chunk.iteration for chunk in chunks if isinstance(chunk, AgentLoopIteration)]
    assert 5 == sum(isinstance(chunk, StepDone) for chunk in chunks)
    assert [(7, 3)] == [
        (chunk.messages_before, chunk.messages_after) for chunk in chunks if isinstance(chunk, ContextCompacted)
    ]
    blocked = [chunk.tool_name for chunk in chunks if isinstance(chunk, ToolBlocked)]
    assert (["pay"], 5) == (blocked, sum(isinstance(chunk, ToolCallResult) for chunk in chunks))
    told = [list(map(json.dumps, WIRES[wire](request.body))) for request in simulator.requests]
    assert [0, 2, 4, 5, 1, 2] == [len(results) for results in told]
    assert all("Oslo" in first and "Lima" in second for first, second, *_ in told[1:4])
    assert all("too much money" in results[3] for results in told[2:4])
    assert "unknown: town" in told[4][0]
