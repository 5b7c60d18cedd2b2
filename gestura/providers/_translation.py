"""What the providers' bodies have in common when they say a conversation in their own terms."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

import msgspec

from gestura.errors import ConfigError, ErrorKind
from gestura.parts import CacheTime, DocumentPart, ImagePart, TextPart, ToolCall
from gestura.request_options import ResponseFormat

__all__ = [
    "arguments_object",
    "base64_text",
    "cache_control",
    "cannot_say",
    "data_url",
    "described",
    "described_schema",
    "joined_text",
    "shortened",
    "without_none",
]

UNREADABLE_ARGUMENTS: Final = "unreadable_arguments"
"""The one field of the object that stands for arguments that are none, where the provider wants an object."""


def cannot_say(path: str, why: str) -> NoReturn:
    """Refuse a request that the provider has no terms for.

    Args:
        path: where in the request, such as `messages[2].parts[0].image`.
        why: what the provider does not have, and what would do instead.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(f"{path}: {why}", kind=ErrorKind.BAD_REQUEST)


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a request tells; what it leaves open is `None`, and is not sent."""
    return {name: value for name, value in fields.items() if value is not None}


def described(words: str) -> dict[str, Any]:
    """The field for a description, where there is one."""
    return {"description": words} if words else {}


def described_schema(shape: ResponseFormat) -> dict[str, Any]:
    """The schema of an answer with what it is for, for providers that have no other place to say that."""
    return {**described(shape.description), **shape.schema}


def cache_control(cache: CacheTime) -> dict[str, Any]:
    """A cache hint in Anthropic's terms, where five minutes are what a hint means that tells no time."""
    return {"cache_control": {"type": "ephemeral"} | ({} if cache == "5m" else {"ttl": cache})}


def shortened(content: list[dict[str, Any]], kind: str = "text") -> str | list[dict[str, Any]]:
    """A lone plain text as a string, which is its short form and the only one that some servers know.

    >>> shortened([{"type": "text", "text": "Hi"}])
    'Hi'
    >>> shortened([{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}])
    [{'type': 'text', 'text': 'Hi', 'cache_control': {'type': 'ephemeral'}}]
    """
    match content:
        case [{"type": found, "text": str(text), **others}] if found == kind and not others:
            return text
        case _:
            return content


def joined_text(parts: Iterable[TextPart]) -> str:
    """Instructions in several parts as one text, a blank line between them."""
    return "\n\n".join(part.text for part in parts)


def arguments_object(call: ToolCall) -> Mapping[str, Any]:
    """The arguments of a call as the object that Anthropic, Gemini and Ollama want.

    What the model wrote may be no object, and must not be lost: it is told the model again under a name that says so.

    >>> arguments_object(ToolCall("c1", "add", '{"a": 1}'))
    {'a': 1}
    >>> arguments_object(ToolCall("c1", "add", '{"a": '))
    {'unreadable_arguments': '{"a": '}
    """
    try:
        arguments = msgspec.json.decode(call.arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        arguments = None
    return arguments if isinstance(arguments, dict) else {UNREADABLE_ARGUMENTS: call.arguments}


def base64_text(data: bytes) -> str:
    """Bytes as a JSON string can hold them."""
    return base64.b64encode(data).decode("ascii")


def data_url(part: ImagePart | DocumentPart) -> str:
    """The address of the part, which is a `data:` URL (RFC 2397) where it has bytes.

    >>> data_url(ImagePart(data=b"GIF8", media_type="image/gif"))
    'data:image/gif;base64,R0lGOA=='
    """
    if part.data is None:
        return part.url or ""
    return f"data:{part.media_type};base64,{base64_text(part.data)}"
