"""Tools as providers write them, read into a `Tool`.

There are four shapes. A tool given in one of them goes to providers of that shape as it came, whatever fields gestura
knows nothing of, and is written anew for the others, by their own files. A tool of the provider's own (a web search,
which runs at its side) is no function, so only the providers that it was written for can be asked for it.

https://platform.openai.com/docs/guides/function-calling, https://docs.anthropic.com/en/docs/agents-and-tools/tool-use,
https://ai.google.dev/api/caching#FunctionDeclaration
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

import attrs

from gestura.errors import ConfigError, ErrorKind
from gestura.request_options import Tool, ToolShape

__all__ = ["ProviderToolSchemas", "as_written", "read_tool"]

Schema = Mapping[str, Any]

NULLABLE: Final = (("nullable", True), ("nullable", False))

NO_ARGUMENTS: Final[Schema] = {"type": "object", "properties": {}}


def _listed(schemas: Iterable[Schema]) -> tuple[Schema, ...]:
    return tuple(schemas)


@attrs.frozen(kw_only=True)
class ProviderToolSchemas:
    """The tools of an application that has written them for several providers; goes into `Request.tools` as it is.

    A tool that is written for several of them, under one name, is one tool. One that is missing for the provider that
    is asked is translated.

    Args:
        openai: `{"type": "function", "function": {"name": …, "description": …, "parameters": …}}`, for Chat
            Completions, Grok and Ollama.
        openai_responses: `{"type": "function", "name": …, "description": …, "parameters": …}`.
        anthropic: `{"name": …, "description": …, "input_schema": …}`.
        gemini: `{"name": …, "description": …, "parameters": …}`, each one function declaration.
    """

    openai: tuple[Schema, ...] = attrs.field(default=(), converter=_listed)
    openai_responses: tuple[Schema, ...] = attrs.field(default=(), converter=_listed)
    anthropic: tuple[Schema, ...] = attrs.field(default=(), converter=_listed)
    gemini: tuple[Schema, ...] = attrs.field(default=(), converter=_listed)

    def merge(self, other: ProviderToolSchemas) -> ProviderToolSchemas:
        """The tools of both, `other`'s behind these."""
        return ProviderToolSchemas(**{shape: getattr(self, shape) + getattr(other, shape) for shape in SHAPES})

    def __iter__(self) -> Iterator[Tool]:
        tools: dict[str, Tool] = {}
        for shape in SHAPES:
            for schema in getattr(self, shape):
                tool = read_tool(schema, shape)
                known = tools.setdefault(tool.name, tool)
                if known is not tool:
                    if shape in known.schemas:
                        raise ConfigError(f"tools: {shape} has two called {tool.name!r}", kind=ErrorKind.BAD_REQUEST)
                    tools[tool.name] = attrs.evolve(known, schemas={**known.schemas, **tool.schemas})
        yield from tools.values()


SHAPES: Final[tuple[ToolShape, ...]] = get_args(ToolShape)


def read_tool(schema: Schema, shape: ToolShape | None = None) -> Tool:
    """A tool from the way in which a provider writes it.

    Args:
        schema: in one of the four shapes.
        shape: which one; found out where it is not told.

    Raises:
        ConfigError: the schema has no such shape.

    >>> read_tool({"name": "add", "description": "Adds.", "input_schema": {"type": "object"}}).description
    'Adds.'
    """
    shape = shape or _shape_of(schema)
    inner = schema.get("function", schema) if shape == "openai" else schema
    name = inner.get("name") or schema.get("type") or next(iter(schema), "")
    strict = inner.get("strict")
    return Tool(
        name=str(name),
        description=str(inner.get("description") or ""),
        parameters=_parameters(inner, shape),
        strict=strict if isinstance(strict, bool) else None,
        schemas={shape: schema},
    )


def _shape_of(schema: Schema) -> ToolShape:
    match schema:
        case {"type": "function", "function": {"name": str()}}:
            return "openai"
        case {"type": "function", "name": str()}:
            return "openai_responses"
        case {"name": str(), "input_schema": _}:
            return "anthropic"
        case {"name": str(), "parameters": _} | {"name": str(), "parametersJsonSchema": _}:
            return "gemini"
    raise ConfigError(
        "a tool as a dict needs the shape of OpenAI, Anthropic or Gemini; for one of the provider's own, say whose it "
        "is with gestura.ProviderToolSchemas(anthropic=[…])",
        kind=ErrorKind.BAD_REQUEST,
    )


def _parameters(schema: Schema, shape: ToolShape) -> Schema | None:
    """The JSON Schema of the arguments; `None` for a tool of the provider's own."""
    match shape, schema:
        case "anthropic", {"input_schema": found}:
            return found  # type: ignore[no-any-return]
        case "gemini", {"parametersJsonSchema": found}:
            return found  # type: ignore[no-any-return]
        case "gemini", {"parameters": found}:
            return _from_openapi(found)  # type: ignore[no-any-return]
        case "openai" | "openai_responses", {"parameters": dict() as found}:
            return found
        case (("openai" | "gemini"), {"name": _}):
            return NO_ARGUMENTS
        case "openai_responses", {"type": "function"}:
            return NO_ARGUMENTS
        case _:
            return None


def _from_openapi(schema: Any) -> Any:
    """JSON Schema from Gemini's `Schema`, whose types are in capitals and whose `null` is a field of its own."""
    match schema:
        case dict():
            made = {key: _from_openapi(value) for key, value in schema.items() if (key, value) not in NULLABLE}
            if isinstance(kind := schema.get("type"), str):  # and not a property of that name
                made["type"] = [kind.lower(), "null"] if schema.get("nullable") is True else kind.lower()
            return made
        case list():
            return [_from_openapi(each) for each in schema]
        case _:
            return schema


def as_written(tool: Tool, shape: ToolShape) -> dict[str, Any] | None:
    """A tool as it was written for a provider of that shape; `None` where the provider has to write it.

    Raises:
        ConfigError: the tool is another provider's own.

    >>> as_written(read_tool({"name": "add", "input_schema": {"type": "object"}, "strict": True}), "anthropic")
    {'name': 'add', 'input_schema': {'type': 'object'}, 'strict': True}
    """
    if shape in tool.schemas:
        return dict(tool.schemas[shape])
    if tool.parameters is None:
        raise ConfigError(
            f"tools: {tool.name!r} is a tool of {' and '.join(tool.schemas)}'s own; this provider does not have it",
            kind=ErrorKind.BAD_REQUEST,
        )
    return None
