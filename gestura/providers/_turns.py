"""A conversation in the order in which providers take it: in every turn of the user's the results of tools come first.

Each part comes with its path, which is where an error says that it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from gestura.messages import Message, Role
from gestura.parts import Part, ToolResult

__all__ = ["Located", "parts_of", "runs", "turns", "without_empty"]

_Said = TypeVar("_Said")

Located = tuple[str, Part]
"""A part, and its path, such as `messages[2].parts[0]`."""


def parts_of(number: int, message: Message) -> list[Located]:
    """The parts of a message, results first; apart from that, in their order."""
    return _results_first([(f"messages[{number}].parts[{place}]", part) for place, part in enumerate(message.parts)])


def turns(messages: Sequence[Message]) -> Iterator[tuple[Role, list[Located]]]:
    """The turns of a conversation. Messages of the same speaker that follow one another are one turn."""
    for role, same in runs(messages):
        yield role, _results_first([located for parts in same for located in parts])


def runs(messages: Sequence[Message]) -> Iterator[tuple[Role, list[list[Located]]]]:
    """The parts of messages of the same speaker that follow one another, still apart."""
    for role, same in groupby(enumerate(messages), key=lambda each: each[1].role):
        yield role, [parts_of(number, message) for number, message in same]


def without_empty(turns: Iterable[tuple[Role, list[_Said]]]) -> list[tuple[Role, list[_Said]]]:
    """The turns in which something is said; those around one in which nothing is are one turn."""
    said: list[tuple[Role, list[_Said]]] = []
    for speaker, pieces in turns:
        if said and said[-1][0] is speaker:
            said[-1][1].extend(pieces)
        elif pieces:
            said.append((speaker, pieces))
    return said


def _results_first(parts: list[Located]) -> list[Located]:
    return sorted(parts, key=lambda located: not isinstance(located[1], ToolResult))
