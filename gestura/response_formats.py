"""`response_format`: the shape that an answer shall have, from a Python type or from a JSON Schema.

Providers hold a model to a schema in their own ways. OpenAI's strict mode is the narrowest: an object names all its
keys and requires each of them, and many keywords are unknown to it (see "Supported schemas" in OpenAI's guide to
Structured Outputs). So the schema of a type is written that way, for all of them: the model writes every field, and a
default of the class counts only where a provider lets the model leave the field out. What strict mode can't say, such
as a `dict` with free keys, is asked for without it. A schema of the user's own is sent as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gestura.errors import ConfigError, ErrorKind
from gestura.json_schema import schema_of
from gestura.request_options import ResponseFormat
from gestura.type_shapes import type_name

__all__ = ["response_format"]

NAME_LENGTH: Final = 64
"""OpenAI's limit for the name of a format."""

STRICT_KEYWORDS: Final = {
    *("type", "enum", "const", "anyOf", "$ref", "$defs", "title", "description"),
    *("properties", "required", "additionalProperties", "items", "minItems", "maxItems", "pattern", "format"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
STRICT_FORMATS: Final = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
SAYS_WHAT: Final = {"type", "enum", "const", "anyOf", "$ref"}
"""Of which strict mode wants one, so that it admits no value of every kind."""


def response_format(
    shape: type[Any] | Mapping[str, Any],
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
) -> ResponseFormat:
    """The shape that an answer shall have. A request makes one by itself, of a type or a schema that it is given.

    Args:
        shape: an attrs class, a dataclass or a `TypedDict`; or a JSON Schema of type `object`, to be sent as it is.
        name: what to call it; the name of the class or the title of the schema unless told.
        description: what it is for, for the model; that of the class or of the schema unless told.
        strict: the provider shall hold the model to the schema; unless told, it shall where OpenAI's strict mode can
            express the schema.

    Raises:
        ConfigError: the type is no object in JSON, or holds what JSON can't.

    >>> response_format({"title": "Shopping list", "type": "object"}).name
    'Shopping_list'
    """
    schema: Mapping[str, Any]
    if isinstance(shape, Mapping):
        schema, title = shape, str(shape.get("title", "answer"))
    else:
        schema, title = _strict(_schema_of(shape)), type_name(shape)
    return ResponseFormat(
        name=re.sub(r"[^A-Za-z0-9_-]", "_", title)[:NAME_LENGTH] if name is None else name,
        schema=schema,
        description=str(schema.get("description", "")) if description is None else description,
        strict=_is_strict(schema) if strict is None else strict,
    )


def _schema_of(type_: type[Any]) -> dict[str, Any]:
    try:
        schema = schema_of(type_)
    except ConfigError as error:
        raise ConfigError(f"response_format: {error}", kind=ErrorKind.BAD_REQUEST) from error
    if schema.get("type") != "object":
        raise ConfigError(
            f"response_format: {type_name(type_)} is no object in JSON; give a class that has it as a field",
            kind=ErrorKind.BAD_REQUEST,
        )
    return schema


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with every key required and no defaults, which mean nothing then."""
    if "$ref" in schema:
        return {key: value for key, value in schema.items() if key == "$ref"}  # strict mode admits nothing beside it
    made: dict[str, Any] = {}
    for keyword, value in schema.items():
        match keyword, value:
            case (("properties" | "$defs"), Mapping()):
                made[keyword] = {name: _strict(inner) for name, inner in value.items()}
            case "anyOf" | "prefixItems", list():
                made[keyword] = [_strict(inner) for inner in value]
            case (("items" | "additionalProperties"), Mapping()):
                made[keyword] = _strict(value)
            case "default", _:
                pass
            case _:
                made[keyword] = value
    if "properties" in made:
        made["required"] = list(made["properties"])
    return made


def _is_strict(schema: object) -> bool:
    """Whether OpenAI's strict mode knows all that is in it. What is no schema is for the provider to refuse."""
    if not isinstance(schema, Mapping) or not schema.keys() <= STRICT_KEYWORDS or not schema.keys() & SAYS_WHAT:
        return False
    match schema:
        case {"format": kind} if kind not in STRICT_FORMATS:
            return False
        case {"type": "object", "properties": Mapping() as names, "required": list() as required}:
            if schema.get("additionalProperties") is not False or sorted(names) != sorted(map(str, required)):
                return False
        case {"properties": _} | {"type": "object"}:
            return False
    return all(map(_is_strict, _inner(schema)))


def _inner(schema: Mapping[str, Any]) -> Iterator[object]:
    for keyword in ("properties", "$defs"):
        named = schema.get(keyword, {})
        yield from named.values() if isinstance(named, Mapping) else (None,)
    members = schema.get("anyOf", [])
    yield from members if isinstance(members, list) else (None,)
    if "items" in schema:
        yield schema["items"]
