"""How deep and of how many parts the JSON of an event may be: frames pass as they are, and one beyond a limit fails.

Parsers recurse, each to a depth of its own that depends on the interpreter; and what they make of `[{},{},…]` is sixty
times its text. Both are limited here, before anything is parsed, and the same everywhere. Usual events cost a look at
their length, and large ones some counts: only one that may exceed a limit is read, and no further than to the limit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame

__all__ = ["JsonLimits"]

# A string, which may lack its end, or several brackets or commas. Possessive: nothing is looked at twice.
_PARTS: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]++|[\]}]++|,++', re.DOTALL)


class JsonLimits:
    """Hands frames on. Holds nothing back.

    Args:
        limits: a frame whose JSON nests deeper than `max_json_depth`, or has more than `max_json_parts`, raises
            `LimitExceeded`, with those before it in `made`.
    """

    def __init__(self, limits: Limits) -> None:
        self._max_depth = limits.max_json_depth
        self._max_parts = limits.max_json_parts

    def feed(self, batch: Sequence[Frame]) -> Sequence[Frame]:
        """Hand frames on.

        Raises:
            LimitExceeded: one is nested too deeply, or has too many parts.
        """
        shortest = self._max_depth
        for frame in batch:
            if len(frame.data) > shortest and self._may_exceed(frame.data):
                try:
                    self._check(frame.data)
                except LimitExceeded as error:
                    error.made = batch[: batch.index(frame)]
                    raise
        return batch

    def close(self) -> Sequence[Frame]:
        return ()

    def _may_exceed(self, data: str) -> bool:
        """Whether a limit would be exceeded if the brackets in strings were brackets."""
        brackets = data.count("{") + data.count("[")
        if brackets > self._max_depth:
            return True
        return len(data) > self._max_parts and brackets + data.count(",") + data.count('"') > self._max_parts

    def _check(self, data: str) -> None:
        depth = parts = 0
        for found in _PARTS.finditer(data):
            begin, end = found.span()
            match data[begin]:
                case '"':
                    parts += 1
                case "]" | "}":
                    depth -= end - begin
                case ",":
                    parts += end - begin
                case _:
                    depth += end - begin
                    parts += end - begin
            if depth > self._max_depth:
                raise LimitExceeded("the nesting of an event's JSON", "max_json_depth", self._max_depth)
            if parts > self._max_parts:
                raise LimitExceeded("the number of parts of an event's JSON", "max_json_parts", self._max_parts)
