"""Chunks as JSON objects, and back: `{"type": "text", "text": "hi"}`.

The tag is the class's name in snake case; optional fields that are empty are left out. Reading is strict about types,
so that what was garbled on the way is refused, and lenient about fields it does not know, so that an older reader can
follow a newer writer.

cattrs, and code that it writes for each kind of chunk, come with the first use: they take a quarter of what importing
gestura would take with them, and most programs never turn a chunk into JSON.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs

from gestura.chunks import StreamChunk

if TYPE_CHECKING:
    import cattrs

__all__ = ["from_json", "to_json"]


def _tag(chunk_class: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", chunk_class.__name__).lower()


@cache
def _converter() -> cattrs.Converter:
    import cattrs
    from cattrs.gen import make_dict_unstructure_fn, override
    from cattrs.strategies import configure_tagged_union

    converter = cattrs.Converter(forbid_extra_keys=False)

    def without_empty_fields(cls: type) -> Any:
        always: Any = {f.name: override(omit_if_default=False) for f in attrs.fields(cls) if f.metadata.get("always")}
        return make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, **always)

    converter.register_unstructure_hook_factory(attrs.has, without_empty_fields)
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _of_exactly)
    converter.register_structure_hook(float, _number)
    configure_tagged_union(StreamChunk, converter, tag_name="type", tag_generator=_tag)
    return converter


def _of_exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value


def _number(value: Any, _kind: type) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, found {type(value).__name__}")
    return float(value)


def to_json(chunk: StreamChunk) -> dict[str, Any]:
    """The chunk as a JSON object, its kind under `"type"`.

    >>> from gestura.chunks import Text
    >>> to_json(Text("hi"))
    {'type': 'text', 'text': 'hi'}
    """
    tagged: dict[str, Any] = _converter().unstructure(chunk, unstructure_as=StreamChunk)
    return {"type": tagged.pop("type"), **tagged}


def from_json(value: Any) -> StreamChunk:
    """The chunk that `to_json` made the JSON object of.

    Raises:
        ValueError: the value is no chunk; the message says what is wrong, and where.

    >>> from_json({"type": "text", "text": "hi"})
    Text(text='hi')
    """
    import cattrs

    try:
        chunk: StreamChunk = _converter().structure(value, StreamChunk)  # type: ignore[arg-type]  # a union is no type
    except KeyError as error:
        raise ValueError(f"not a stream chunk: unknown or missing type {error}") from None
    except cattrs.BaseValidationError as error:
        raise ValueError(f"not a stream chunk: {'; '.join(cattrs.transform_error(error))}") from None
    except TypeError:
        raise ValueError(f"not a stream chunk: expected an object, found {type(value).__name__}") from None
    return chunk
