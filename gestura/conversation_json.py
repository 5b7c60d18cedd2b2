"""A conversation as JSON, and back: a list of messages, each with its `role` and its `parts`.

    [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}, …]

Parts are written as in chunks (`gestura.chunk_json`), bytes in base64. All that a later turn needs is kept, seals of
providers included, so a conversation can be taken up in another process. Reading checks what a request would check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import cattrs

from gestura.chunk_json import converter
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.messages import Message
from gestura.parts import Part, ResultPart

__all__ = ["messages_from_json", "messages_to_json"]


def messages_to_json(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The messages as JSON values. Of an `Answer`, what it said: what it cost is no part of the conversation.

    >>> from gestura.messages import user
    >>> messages_to_json([user("Hi")])
    [{'role': 'user', 'parts': [{'type': 'text', 'text': 'Hi'}]}]
    """
    return [converter.unstructure(message, unstructure_as=Message) for message in messages]


def messages_from_json(value: Any) -> tuple[Message, ...]:
    """The messages that `messages_to_json` made the JSON values of.

    Raises:
        ValueError: they are no conversation that could be sent; the message says what is wrong, and where.

    >>> messages_from_json([{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}])[0].text
    'Hi'
    """
    if not isinstance(value, list):
        raise ValueError(f"messages: expected an array, found {type(value).__name__}")  # noqa: TRY004
    try:
        messages = tuple(converter.structure(value, list[Message]))
        if messages:
            Request(messages=messages)  # checks itself
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(_problems(error))) from None
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return messages


def _problems(error: cattrs.BaseValidationError) -> Iterator[str]:
    """What is wrong, each with its path in front."""
    for problem in cattrs.transform_error(error, "messages", format_exception=_words):
        words, _, path = problem.rpartition(" @ ")
        yield f"{path}: {words}"


def _words(error: BaseException, kind: Any) -> str:
    match error:
        case KeyError(args=[name]) if kind in (Part, ResultPart):
            return f"{name!r} is missing, or no kind of part"
        case KeyError(args=[name]):
            return f"{name!r} is missing"
        case TypeError() if "subscriptable" in str(error) or "indices" in str(error):
            return "expected an object"
        case TypeError() if "iterable" in str(error):
            return "expected an array"
        case _:
            return str(error)
