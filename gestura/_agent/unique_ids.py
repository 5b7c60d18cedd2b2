"""Tool calls of several answers in one stream: ids that were used before are replaced.

Some providers give calls no ids or count them anew in each answer, but a stream's are unique.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import attrs

from gestura.chunks import Signature, StreamChunk, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.messages import Message

__all__ = ["UniqueIds"]


class UniqueIds:
    """Renames the calls of one answer after the other.

    Args:
        messages: the conversation before, whose ids are taken.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self._taken = {call.id for message in messages for call in message.tool_calls}
        self._names: dict[str, str] = {}

    def next_answer(self) -> None:
        """What comes now is another answer."""
        self._names.clear()

    def rename(self, chunk: StreamChunk) -> StreamChunk:
        """The chunk with the id that its call has in the stream."""
        match chunk:
            case ToolCallStart(id=given):
                self._names[given] = self._free(given)
                self._taken.add(self._names[given])
            case ToolCallArgs(id=given) | ToolCallEnd(id=given) | Signature(id=str(given)):
                pass
            case _:
                return chunk
        name = self._names[given]
        return chunk if name == given else attrs.evolve(chunk, id=name)

    def _free(self, given: str) -> str:
        names = itertools.chain([given], (f"{given}_{number}" for number in itertools.count(2)))
        return next(name for name in names if name not in self._taken)
