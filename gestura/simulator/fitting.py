"""What a request makes of a scenario: an answer after tools have run, JSON that fits a schema, tools that there are.

A scenario is written without knowing who asks. Three things a program can't do without are in the request, though, each
at a place of the wire format's own, and no two formats disagree about a place: so this looks at all of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from gestura.chunks import FinishReason, Text
from gestura.simulator.scenario import Scenario, Step, ToolCall

__all__ = ["ends_with_results", "fitted", "sample", "tools_of", "wanted_schema"]

WORD: Final = "simulated"
"""What a string is."""

_FORMATS: Final[Mapping[str, str]] = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "simulated@example.org",
    "uri": "https://example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

DEEPEST: Final = 30
"""Objects inside of each other. A schema that asks for more has no end, and no value."""

Json = Mapping[str, Any]


def fitted(scenario: Scenario, body: Json) -> Scenario:
    """The scenario as it answers a request with that body."""
    if scenario.after_results and ends_with_results(body):
        return attrs.evolve(scenario, steps=scenario.after_results, finish=FinishReason.STOP)
    if not scenario.fits_request:
        return scenario
    schema, tools = wanted_schema(body), tools_of(body)

    def fit(step: Step) -> Step:
        match step:
            case Text() if schema is not None:
                return Text(json.dumps(sample(schema)))
            case ToolCall() if tools:
                return _possible(step, tools)
            case _:
                return step

    return attrs.evolve(scenario, steps=tuple(map(fit, scenario.steps)))


def ends_with_results(body: Json) -> bool:
    """Whether the last thing said to the model is what tools gave back."""
    said = body.get("messages") or body.get("contents") or body.get("input")
    if not isinstance(said, list) or not said or not isinstance(said[-1], dict):
        return False
    last = said[-1]
    parts = last.get("content") or last.get("parts") or ()
    return (
        last.get("role") == "tool"  # Chat Completions, Ollama
        or last.get("type") == "function_call_output"  # Responses
        or any(part.get("type") == "tool_result" or "functionResponse" in part for part in parts if type(part) is dict)
    )


def wanted_schema(body: Json) -> Json | None:
    """The JSON Schema that the answer is to fit, if there is one."""
    places = (
        ("response_format", "json_schema", "schema"),  # Chat Completions
        ("text", "format", "schema"),  # Responses
        ("output_config", "format", "schema"),  # Anthropic
        ("generationConfig", "responseJsonSchema"),  # Gemini
        ("format",),  # Ollama
    )
    found = (_at(body, place) for place in places)
    return next((schema for schema in found if isinstance(schema, dict)), None)


def _at(body: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        body = body.get(key) if isinstance(body, dict) else None
    return body


def tools_of(body: Json) -> dict[str, Json]:
    """The tools that the model may call: the schema of their arguments by their names."""

    def declared() -> Iterator[Json]:
        for tool in body.get("tools") or ():
            yield from tool.get("functionDeclarations") or (tool.get("function") or tool,)

    schemas = ("parameters", "input_schema", "parametersJsonSchema")
    return {
        tool["name"]: next((tool[key] for key in schemas if tool.get(key)), {}) for tool in declared() if "name" in tool
    }


def _possible(call: ToolCall, tools: Mapping[str, Json]) -> ToolCall:
    """The call, with arguments that its tool has. Where there is no such tool, one of the first that there is."""
    name = call.name if call.name in tools else next(iter(tools))
    schema = tools[name]
    told = json.loads(call.arguments)
    known = {key: told[key] for key in told if key in schema.get("properties", {})} if type(told) is dict else {}
    return attrs.evolve(call, name=name, arguments=json.dumps({**sample({"type": "object", **schema}), **known}))


def sample(schema: Json) -> Any:
    """A small value that fits a JSON Schema, the same each time; `pattern` and `multipleOf` are not looked at.

    >>> sample({"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]})
    {'title': 'simulated'}
    """
    return _sample(schema, schema, 0)


def _sample(schema: Any, root: Json, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > DEEPEST:
        return None
    if isinstance(reference := schema.get("$ref"), str):
        return _sample(_at(root, tuple(filter(None, reference.removeprefix("#").split("/")))), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if options := schema.get(key):
            return None if {"type": "null"} in options else _sample(options[0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "null")
    match ("null" if "null" in kind else kind[0]) if isinstance(kind, list) else kind:
        case "string":
            word = _FORMATS.get(schema.get("format", ""), WORD)
            return word.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "array":
            first = [_sample(each, root, depth + 1) for each in schema.get("prefixItems", ())]
            missing = schema.get("minItems", 0) - len(first)
            return first + [_sample(schema.get("items", {}), root, depth + 1) for _ in range(missing)]
        case "object":
            properties = schema.get("properties", {})
            return {key: _sample(properties.get(key), root, depth + 1) for key in schema.get("required", ())}
        case _:
            return None


def _number(schema: Json) -> float:
    """0, or the bound that is nearest to it; an integer where the bounds are."""
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    least: float = schema.get("minimum", -math.inf) if above is None else above + 1
    most: float = schema.get("maximum", math.inf) if below is None else below - 1
    if least > most:  # less than 1 between them
        return (least + most) / 2
    return min(max(0, least), most)
