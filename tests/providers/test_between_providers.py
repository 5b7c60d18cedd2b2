"""A conversation that goes on with another provider: one asks for tools, the next reads what came of it, and so on.

For every two wire formats: the answers are the simulator's, read by the wire's own decoder, with a seal of the wire's
put in where it has some. None of their calls came with an id, so that the made-up ones of both answers are the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from official_requests import (
    check_anthropic,
    check_gemini,
    check_ollama,
    check_openai_chat,
    check_openai_responses,
)

from gestura.answer import Answer, collect
from gestura.chunks import FinishReason, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import tool_result, user
from gestura.parts import ThinkingPart
from gestura.providers import BUILTIN_PROVIDERS
from gestura.simulator import Scenario, ToolCall
from gestura.simulator.voices import VOICES
from gestura.testing.replay import replay

MODELS = {"gemini": "gemini-3.5-flash", "anthropic": "claude-opus-5"}
SEALS = {
    "anthropic": "c2VhbCBvZiBhbnRocm9waWM=",
    "gemini": "c2VhbCBvZiBnZW1pbmk=",
    "openai_chat": '{"type":"reasoning.encrypted","data":"c2VhbCBvZiBjaGF0","index":0}',
    "openai_responses": '{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"c2VhbCBvZiByZXNwb25zZXM="}',
}
"""Those that have one. Chat Completions' goes to the servers only whose dialect wants it back."""

SCENARIO = Scenario(
    model="m",
    steps=(
        Thinking("Where?"),
        Text("Let me look."),
        ToolCall("", "look_up", '{"city": "Oslo"}'),
        ToolCall("", "look_up", '{"city": "Lima"}'),
    ),
    finish=FinishReason.TOOL_CALLS,
)


def provider(wire: str) -> Any:
    return BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model=MODELS.get(wire, "m")))


def answer_of(wire: str) -> Answer:
    """What a model behind this wire format answers."""
    answer = collect(replay(VOICES[wire].render(SCENARIO, {}), provider(wire)))
    if wire not in SEALS:
        return answer
    sealed = ThinkingPart("", signature=SEALS[wire], sealed_by=wire)
    return attrs.evolve(answer, parts=[sealed, *(part for part in answer.parts if not isinstance(part, ThinkingPart))])


def conversation(first: str, second: str) -> Request:
    """Two rounds of tools with the first provider, one with the second, which is then asked again."""
    messages = [user("Is it warmer in Oslo or in Lima?")]
    for wire in (first, first, second):
        answer = answer_of(wire)
        messages += [answer, *(tool_result(call, call.arguments) for call in answer.tool_calls)]
    return Request(messages=[*messages, user("So?")])


Step = tuple[str, str]


def openai_chat(body: Any) -> Iterator[Step]:
    for message in body["messages"]:
        yield from (("call", call["id"]) for call in message.get("tool_calls", ()))
        if message["role"] == "tool":
            yield "result", message["tool_call_id"]


def ollama(body: Any) -> Iterator[Step]:
    return openai_chat(body)


def openai_responses(body: Any) -> Iterator[Step]:
    kinds = {"function_call": "call", "function_call_output": "result"}
    return ((kinds[item["type"]], item["call_id"]) for item in body["input"] if item.get("type") in kinds)


def anthropic(body: Any) -> Iterator[Step]:
    for block in (block for message in body["messages"] for block in message["content"] if isinstance(block, dict)):
        if block["type"] == "tool_use":
            yield "call", block["id"]
        elif block["type"] == "tool_result":
            yield "result", block["tool_use_id"]


def gemini(body: Any) -> Iterator[Step]:
    for part in (part for content in body["contents"] for part in content["parts"]):
        if "functionCall" in part:
            yield "call", part["functionCall"]["id"]
        elif "functionResponse" in part:
            yield "result", part["functionResponse"]["id"]


WIRES: dict[str, tuple[Callable[[Any], Iterator[Step]], Callable[[Any], None], bool]] = {
    "openai_chat": (openai_chat, check_openai_chat, True),
    "openai_responses": (openai_responses, check_openai_responses, True),
    "anthropic": (anthropic, check_anthropic, True),
    "gemini": (gemini, check_gemini, False),
    "ollama": (ollama, check_ollama, False),
}
"""How to read the calls and results of a body, what the official package says to it, and whether an id comes once."""


def test_every_wire_format_is_tried():
    """The table has all those of the registry, which the simulator speaks as well."""
    assert set(VOICES) == set(WIRES)


@pytest.mark.parametrize("second", WIRES)
@pytest.mark.parametrize("first", WIRES)
def test_a_conversation_goes_on_with_another_provider(first, second):
    """The body is one the other provider takes; each result has the id of its call, and a call its own if it has to."""
    read, check, each_id_once = WIRES[second]
    body = json.loads(provider(second).ask(conversation(first, second)).body)
    steps = list(read(body))

    check(body)
    assert ["call", "call", "result", "result"] * 3 == [kind for kind, _ in steps]
    assert all(steps[place][1] == steps[place + 2][1] for place in range(0, 12, 4) for place in (place, place + 1))
    assert (6 if each_id_once else 2) <= len({call for kind, call in steps if kind == "call"})


@pytest.mark.parametrize("second", WIRES)
@pytest.mark.parametrize("first", SEALS)
def test_a_seal_goes_to_its_own_wire_format_and_to_no_other(first, second):
    """What one provider has sealed is for it alone, as often as it did; another may not even be shown it."""
    body = provider(second).ask(conversation(first, second)).body.decode()
    seal = (
        json.loads(SEALS[first]).get("encrypted_content", "c2VhbCBvZiBjaGF0") if "{" in SEALS[first] else SEALS[first]
    )
    its_own = 3 if first == second else 0

    assert (0 if first == "openai_chat" else its_own) == body.count(seal)
