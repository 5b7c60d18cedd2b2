"""Chunks as JSON objects, and back: `{"type": "text", "text": "hi"}`.

The tag is the class's name in snake case; optional fields that are empty are left out. Reading is strict about types,
so that what was garbled on the way is refused, and lenient about fields it does not know, so that an older reader can
follow a newer writer.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from gestura.chunks import StreamChunk
from gestura.errors import ConfigError
from gestura.parts import Part, ResultPart
from gestura.request_options import NamedTool, Reasoning, ToolChoice
from gestura.strict_types import strict_converter

__all__ = ["converter", "from_json", "in_words", "to_json"]


def _tag(chunk_class: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", chunk_class.__name__.removesuffix("Part")).lower()


@cache
def converter(*, unknown_keys: bool = True) -> cattrs.Converter:
    """What writes and reads chunks, and other things made of the same parts.

    Made with its first use: it takes as long as a fifth of `import gestura`, and most programs need no JSON.

    Args:
        unknown_keys: pass over keys that are not known, instead of refusing them.
    """
    converter = strict_converter(unknown_keys=unknown_keys)

    def without_empty_fields(cls: type) -> Any:
        always: Any = {f.name: override(omit_if_default=False) for f in attrs.fields(cls) if f.metadata.get("always")}
        return make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, **always)

    converter.register_unstructure_hook_factory(attrs.has, without_empty_fields)
    converter.register_structure_hook(bytes, _bytes)
    converter.register_structure_hook(ToolChoice | None, _tool_choice)
    converter.register_structure_hook(Reasoning | None, _reasoning)
    converter.register_unstructure_hook(bytes, lambda value: base64.b64encode(value).decode("ascii"))
    for union in (ResultPart, Part, StreamChunk):  # each is made of those before it
        configure_tagged_union(union, converter, tag_name="type", tag_generator=_tag)
    return converter


def _tool_choice(value: Any, _kind: object) -> ToolChoice | None:
    match value:
        case None | "auto" | "required" | "none":
            return value
        case {"name": str(name)}:
            return NamedTool(name)
        case _:
            raise TypeError("expected auto, required, none or the name of a tool")


def _reasoning(value: Any, _kind: object) -> Reasoning | None:
    match value:
        case None | "off" | "low" | "medium" | "high":
            return value
        case int(tokens) if not isinstance(value, bool):
            return tokens
        case _:
            raise TypeError("expected off, low, medium, high or a number of tokens")


def _bytes(value: Any, _kind: type) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        raise TypeError("expected bytes in base64") from None


def in_words(error: BaseException, kind: type | None) -> str:
    """What is wrong, for `cattrs.transform_error`, which puts the place behind it."""
    told = str(error)
    is_ours = isinstance(error, ConfigError) or (isinstance(error, TypeError) and told.startswith("expected "))
    return told if is_ours else format_exception(error, kind)


def to_json(chunk: StreamChunk) -> dict[str, Any]:
    """The chunk as a JSON object, its kind under `"type"`.

    >>> from gestura.chunks import Text
    >>> to_json(Text("hi"))
    {'type': 'text', 'text': 'hi'}
    """
    tagged: dict[str, Any] = converter().unstructure(chunk, unstructure_as=StreamChunk)
    return {"type": tagged.pop("type"), **tagged}


def from_json(value: Any) -> StreamChunk:
    """The chunk that `to_json` made the JSON object of.

    Raises:
        ValueError: the value is no chunk; the message says what is wrong, and where.

    >>> from_json({"type": "text", "text": "hi"})
    Text(text='hi')
    """
    try:
        chunk: StreamChunk = converter().structure(value, StreamChunk)  # type: ignore[arg-type]  # a union is no type
    except KeyError as error:
        raise ValueError(f"not a stream chunk: unknown or missing type {error}") from None
    except cattrs.BaseValidationError as error:
        problems = "; ".join(cattrs.transform_error(error, format_exception=in_words))
        raise ValueError(f"not a stream chunk: {problems}") from None
    except TypeError:
        raise ValueError(f"not a stream chunk: expected an object, found {type(value).__name__}") from None
    return chunk
