"""A tool goes to the provider it was written for as it came, and to every other one in that one's shape."""

from __future__ import annotations

from typing import Any, get_args

import pytest

import gestura
from gestura.errors import ConfigError
from gestura.request_options import Tool, ToolShape
from gestura.tool_schemas import ProviderToolSchemas, read_tool, tool_schema

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WRITTEN: dict[ToolShape, dict[str, Any]] = {
    "openai": {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}},
    "openai_responses": {
        "type": "function",
        "name": "look",
        "description": "Look.",
        "parameters": SCHEMA,
        "strict": False,
    },
    "anthropic": {"name": "look", "description": "Look.", "input_schema": SCHEMA},
    "gemini": {"name": "look", "description": "Look.", "parametersJsonSchema": SCHEMA},
}
SHAPES = get_args(ToolShape)


@pytest.mark.parametrize("given", SHAPES)
@pytest.mark.parametrize("wanted", SHAPES)
def test_every_shape_is_every_other(given: ToolShape, wanted: ToolShape) -> None:
    """What was written in one is the same in another; the shape is recognised."""
    assert WRITTEN[wanted] == tool_schema(read_tool(WRITTEN[given]), wanted)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plain_tool_has_every_shape(shape: ToolShape) -> None:
    """One schema does for all providers."""
    assert WRITTEN[shape] == tool_schema(Tool(name="look", description="Look.", parameters=SCHEMA), shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_written_goes_back_as_it_is(shape: ToolShape) -> None:
    """Fields that gestura knows nothing of, too."""
    written = {**WRITTEN[shape], "strict": True, "cache_control": {"type": "ephemeral"}}

    assert written == tool_schema(read_tool(written), shape)


def test_gemini_types_become_those_of_json_schema() -> None:
    """Its own `Schema` writes types in capitals, and `null` as a field."""
    written = {
        "name": "look",
        "parameters": {
            "type": "OBJECT",
            "properties": {
                "nullable": {"type": "STRING", "nullable": True},
                "type": {"type": "ARRAY", "items": {"type": "INTEGER", "nullable": False}},
            },
        },
    }

    assert {
        "type": "object",
        "properties": {
            "nullable": {"type": ["string", "null"]},
            "type": {"type": "array", "items": {"type": "integer"}},
        },
    } == read_tool(written).parameters


@pytest.mark.parametrize(
    ("shape", "written"),
    [
        ("openai", {"type": "function", "function": {"name": "look"}}),
        ("openai_responses", {"type": "function", "name": "look"}),
        ("gemini", {"name": "look"}),
    ],
)
def test_a_tool_may_take_nothing(shape: ToolShape, written: dict[str, Any]) -> None:
    """Where parameters may be left out, there are none."""
    assert {"type": "object", "properties": {}} == read_tool(written, shape).parameters


OWN = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}


def test_a_provider_has_tools_of_its_own() -> None:
    """They go to that provider as they are, and to no other."""
    (own,) = ProviderToolSchemas(anthropic=[OWN])
    request = gestura.Request(messages=(gestura.user("Hi"),), tools=[own])

    assert OWN == tool_schema(request.tools[0], "anthropic")
    with pytest.raises(ConfigError, match="'web_search' is a tool of anthropic's own"):
        tool_schema(own, "openai")


@pytest.mark.parametrize(
    ("shape", "written", "name"),
    [
        ("openai_responses", {"type": "web_search"}, "web_search"),
        ("gemini", {"googleSearch": {}}, "googleSearch"),
        ("anthropic", OWN, "web_search"),
    ],
)
def test_a_tool_without_a_name_is_called_by_what_it_is(shape: ToolShape, written: dict[str, Any], name: str) -> None:
    """So that each has a place in a request."""
    own = read_tool(written, shape)

    assert (name, None) == (own.name, own.parameters)


def test_what_has_no_shape_is_refused() -> None:
    """With what to do."""
    with pytest.raises(ConfigError, match="shape of OpenAI, Anthropic or Gemini"):
        read_tool({"type": "web_search"})


def test_one_tool_may_be_written_for_several() -> None:
    """Under one name it is one tool; a provider that it was not written for gets a translation."""
    schemas = ProviderToolSchemas(openai=[WRITTEN["openai"]], anthropic=[{**WRITTEN["anthropic"], "strict": True}])
    (look,) = gestura.Request(messages=(gestura.user("Hi"),), tools=schemas).tools

    assert WRITTEN["openai"] == tool_schema(look, "openai")
    assert {**WRITTEN["anthropic"], "strict": True} == tool_schema(look, "anthropic")
    assert WRITTEN["gemini"] == tool_schema(look, "gemini")


def test_registries_are_joined() -> None:
    """List by list."""
    both = ProviderToolSchemas(anthropic=[WRITTEN["anthropic"]]).merge(
        ProviderToolSchemas(anthropic=[OWN], gemini=[WRITTEN["gemini"]])
    )

    assert (WRITTEN["anthropic"], OWN) == both.anthropic
    assert ["look", "web_search"] == [each.name for each in both]


def test_one_name_means_one_tool() -> None:
    """Two of one provider's under one name are a mistake."""
    with pytest.raises(ConfigError, match="gemini has two called 'look'"):
        tuple(ProviderToolSchemas(gemini=[WRITTEN["gemini"], WRITTEN["gemini"]]))
