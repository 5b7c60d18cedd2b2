"""A conversation in the order in which providers take it: in every turn of the user's the results of tools come first.

Each part comes with its path, which is where an error says that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from gestura.messages import Message, Role
from gestura.parts import Part, ToolResult

__all__ = ["Located", "parts_of", "turns"]

Located = tuple[str, Part]
"""A part, and its path, such as `messages[2].parts[0]`."""


def parts_of(number: int, message: Message) -> list[Located]:
    """The parts of a message, results first; apart from that, in their order."""
    return _results_first([(f"messages[{number}].parts[{place}]", part) for place, part in enumerate(message.parts)])


def turns(messages: Sequence[Message]) -> Iterator[tuple[Role, list[Located]]]:
    """The turns of a conversation. Messages of the same speaker that follow one another are one turn."""
    for role, same in groupby(enumerate(messages), key=lambda each: each[1].role):
        yield role, _results_first([part for number, message in same for part in parts_of(number, message)])


def _results_first(parts: list[Located]) -> list[Located]:
    return sorted(parts, key=lambda located: not isinstance(located[1], ToolResult))
