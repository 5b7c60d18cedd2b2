"""The simulated models `tools` and `json` answer what they are asked, in every wire format, through a real client."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import attrs
import pytest

import gestura
from gestura.json_schema import schema_of
from gestura.simulator import VOICES, Scenario, Sending, Text, ToolCall, built_in_scenarios, open_simulator
from gestura.simulator.fitting import fitted, sample

UNHURRIED = [attrs.evolve(scenario, sending=Sending()) for scenario in built_in_scenarios()]
each_format = pytest.mark.parametrize("kind", VOICES)


@asynccontextmanager
async def asking(kind: str, model: str) -> AsyncIterator[gestura.Client]:
    async with open_simulator(UNHURRIED) as simulator:
        settings = gestura.ProviderSettings(kind=kind, model=model, base_url=simulator.url, api_key="any")
        config = gestura.StreamingConfig(primary="it", providers={"it": settings})
        async with gestura.open_client(config) as client:
            yield client


@gestura.tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"clear sky over {city}"


@gestura.tool
async def count(things: list[str], most: int) -> int:
    """How many there are."""
    return min(len(things), most)


@each_format
async def test_a_model_that_got_its_results_is_done(kind: str) -> None:
    """The tools run once, with arguments that they have; then there is text, and an end. The next turn is the same."""
    async with asking(kind, "tools") as client:
        history = [gestura.user("Shall I need an umbrella?")]
        for _ in range(2):
            async with client.run(history, tools=[get_weather]) as run:
                chunks = [chunk async for chunk in run]
            results = [chunk.output for chunk in chunks if isinstance(chunk, gestura.ToolCallResult)]
            assert 2 == len(results)
            assert {"clear sky over Oslo", "clear sky over Lima"} == set(results)
            assert isinstance(chunks[-1], gestura.Done)
            assert run.messages[-1].text.startswith("I have looked")
            history += [*run.messages, gestura.user("And tomorrow?")]


@each_format
async def test_a_model_calls_a_tool_that_there_is(kind: str) -> None:
    """With arguments that fit it, whatever its name."""
    async with asking(kind, "tools") as client, client.run("Count!", tools=[count]) as run:
        results = [chunk async for chunk in run if isinstance(chunk, gestura.ToolCallResult)]

    assert [("count", True, "0")] * 2 == [(result.name, result.success, result.output) for result in results]


@attrs.frozen
class Line:
    """Of an invoice."""

    what: str
    price: float = attrs.field(validator=attrs.validators.ge(0))


@attrs.frozen
class Invoice:
    """All kinds of fields."""

    sender: str
    lines: list[Line]
    first: Line
    currency: Literal["EUR", "NOK"]
    due: datetime.date | None
    sent: datetime.date
    paid: bool
    number: int


@each_format
async def test_a_value_of_a_class_can_be_asked_for(kind: str) -> None:
    """It fits, or `ask` would raise."""
    async with asking(kind, "json") as client:
        answer = await client.ask("An invoice, please.", response_format=Invoice)

    wanted = Invoice(
        "simulated", [], Line("simulated", 0), "EUR", None, datetime.date(2026, 1, 1), paid=False, number=0
    )
    assert wanted == answer.value


SAMPLES: dict[str, tuple[dict[str, Any], Any]] = {
    "no type": ({}, None),
    "several types": ({"type": ["string", "null"]}, None),
    "a constant": ({"const": 7}, 7),
    "a long string": ({"type": "string", "minLength": 11}, "simulated.."),
    "a short string": ({"type": "string", "maxLength": 3}, "sim"),
    "a number above": ({"type": "integer", "minimum": 3}, 3),
    "a number below": ({"type": "integer", "exclusiveMaximum": 0}, -1),
    "a number in a gap": ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    "some items": ({"type": "array", "minItems": 2, "items": {"type": "boolean"}}, [False, False]),
    "a pair": ({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]}, [1, 2]),
    "one of": ({"anyOf": [{"type": "boolean"}, {"type": "string"}]}, False),
    "what isn't required": ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
    "a definition": ({"$ref": "#/$defs/A", "$defs": {"A": {"enum": ["x", "y"]}}}, "x"),
}


@pytest.mark.parametrize(("schema", "value"), SAMPLES.values(), ids=SAMPLES)
def test_a_sample_is_small_and_fits(schema: dict[str, Any], value: Any) -> None:
    """As small as the schema lets it be."""
    assert value == sample(schema)


@attrs.frozen
class Tree:
    """It contains itself."""

    name: str
    left: Tree | None
    others: list[Tree]


def test_a_class_that_contains_itself_has_a_sample() -> None:
    """Where it may end, it does; and what has no end is no reason to go on for ever."""
    endless = {"type": "object", "properties": {"more": {"$ref": "#"}}, "required": ["more"]}

    assert {"name": "simulated", "left": None, "others": []} == sample(schema_of(Tree))
    assert sample(endless)["more"]["more"]


def test_a_scenario_that_was_not_told_to_fit_is_sent_as_it_is() -> None:
    """Tests that say what a model says get that, whatever is asked."""
    scenario = Scenario(model="m", steps=(Text("Hi"), ToolCall("1", "f", "not JSON")))
    body = {"format": {"type": "boolean"}, "tools": [{"name": "g"}], "messages": [{"role": "tool", "content": "x"}]}

    assert scenario == fitted(scenario, body)
