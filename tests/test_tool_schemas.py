"""A tool goes to the provider it was written for as it came, and to every other one in that one's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast, get_args

import pytest

import gestura
from gestura.config import ProviderSettings
from gestura.errors import ConfigError
from gestura.providers import BUILTIN_PROVIDERS
from gestura.request_options import Tool, ToolShape
from gestura.tool_schemas import ProviderToolSchemas, read_tool
from gestura.tools import ToolSource

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WRITTEN: dict[ToolShape, dict[str, Any]] = {
    "openai": {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA}},
    "openai_responses": {"type": "function", "name": "look", "description": "Look.", "parameters": SCHEMA},
    "anthropic": {"name": "look", "description": "Look.", "input_schema": SCHEMA},
    "gemini": {"name": "look", "description": "Look.", "parametersJsonSchema": SCHEMA},
}
SHAPES = get_args(ToolShape)


PROVIDERS = ["openai_chat", "ollama", "openai_responses", "anthropic", "gemini"]


def body_tools(kind: str, tools: ToolSource) -> Any:
    """The tools in the body of a request to a provider of that kind."""
    settings = ProviderSettings(kind=kind, model="m", api_key="any", base_url="http://localhost")
    request = gestura.Request(messages=[gestura.user("Hi")], tools=tools)
    return json.loads(BUILTIN_PROVIDERS[kind](settings).ask(request).body)["tools"]


def expected(kind: str, written: Mapping[str, Any]) -> list[Any]:
    return [{"functionDeclarations": [written]}] if kind == "gemini" else [written]


def shape_of(kind: str) -> ToolShape:
    return "openai" if kind in ("openai_chat", "ollama") else cast("ToolShape", kind)


@pytest.mark.parametrize("given", SHAPES)
@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_shape_is_every_other(given: ToolShape, kind: str) -> None:
    """What was written for one provider is the same for another; the shape is recognised."""
    (made,) = body_tools(kind, [WRITTEN[given]])
    made.pop("strict", None)  # whose default is not the same everywhere

    assert expected(kind, WRITTEN[shape_of(kind)]) == [made]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_plain_tool_has_every_shape(kind: str) -> None:
    """One schema does for all providers."""
    (made,) = body_tools(kind, [Tool(name="look", description="Look.", parameters=SCHEMA)])
    made.pop("strict", None)  # whose default is not the same everywhere

    assert expected(kind, WRITTEN[shape_of(kind)]) == [made]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_what_was_written_goes_back_as_it_is(kind: str) -> None:
    """Fields that gestura knows nothing of, too."""
    written = {**WRITTEN[shape_of(kind)], "new": {"field": [1]}}

    assert expected(kind, written) == body_tools(kind, [written])


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
    own = ProviderToolSchemas(anthropic=[OWN])

    assert [OWN] == body_tools("anthropic", own)
    for kind in PROVIDERS:
        if kind != "anthropic":
            with pytest.raises(ConfigError, match="'web_search' is a tool of anthropic's own"):
                body_tools(kind, own)


def test_gemini_lists_its_own_tools_beside_functions() -> None:
    """Each has an entry."""
    schemas = ProviderToolSchemas(gemini=[{"googleSearch": {}}, WRITTEN["gemini"]])

    assert [{"functionDeclarations": [WRITTEN["gemini"]]}, {"googleSearch": {}}] == body_tools("gemini", schemas)


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
    schemas = ProviderToolSchemas(openai=[WRITTEN["openai"]], anthropic=[{**WRITTEN["anthropic"], "eager": True}])

    assert [WRITTEN["openai"]] == body_tools("ollama", schemas)
    assert [{**WRITTEN["anthropic"], "eager": True}] == body_tools("anthropic", schemas)
    assert 1 == len(body_tools("gemini", schemas))


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
