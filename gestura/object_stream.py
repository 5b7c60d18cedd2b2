"""`ObjectStream`: the answer of a stream as one object that grows, and in the end as an instance of a class.

What comes before the end are plain dicts and lists, for an instance can't have holes: its class may require fields and
check them. They are one live object, as `PartialJson` makes it, so that showing a long answer while it grows does not
cost the square of its length. Only the instance at the end is checked, and it is made from the text anew.

An object that is no longer valid JSON just ends to grow; `collect` tells what was wrong, with the whole text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, get_args

import attrs

from gestura.answer import ParsedAnswer, Transcript
from gestura.chunks import AgentLoopIteration, Ending, RetryAttempt, StreamChunk, Text
from gestura.errors import InvalidValue
from gestura.messages import Message
from gestura.partial_json import PartialJson

__all__ = ["ObjectStream"]

T = TypeVar("T")

_ENDINGS = get_args(Ending)


class ObjectStream(Generic[T]):
    """An asynchronous iterator of the object so far, once for each piece of text that adds to it.

    It is the same dict each time: copy it to keep a state. It begins anew, smaller, where the answer does: with the
    next answer of an agent's turn, or after a `RetryAttempt` with `discard`. What else is in the stream is passed over;
    to see it, too, iterate over the stream and feed a `PartialJson`.

    Iterating never raises for a failed answer. One task at a time may iterate.

    Args:
        chunks: a stream, or the receiving end of a channel that one is poured into.
        type_: the class that was asked for as `response_format`; `dict[str, Any]` where that was a JSON Schema.
        begun: what an earlier stream had shown, where this one resumes it: `Paused.partial`.
    """

    def __init__(self, chunks: AsyncIterator[StreamChunk], type_: type[T], *, begun: Message | None = None) -> None:
        self._chunks = chunks
        self._type = type_
        self._begun = begun
        self._transcript = Transcript()
        self._ending: Ending | None = None
        self._partial: PartialJson | None = None
        self._begin()

    def __aiter__(self) -> ObjectStream[T]:
        return self

    async def __anext__(self) -> dict[str, Any]:
        async for chunk in self._chunks:
            if self._add(chunk) and self._partial is not None and isinstance(self._partial.current, dict):
                return self._partial.current
        raise StopAsyncIteration

    @property
    def ending(self) -> Ending | None:
        """The last chunk, once it has been received."""
        return self._ending

    async def collect(self) -> ParsedAnswer[T]:
        """The whole answer, when the stream has ended, with its `value`.

        Raises:
            StreamFailed: the stream ended otherwise than with `Done`.
            UnfitAnswer: it ended with `Done`, and the answer is no such value.
        """
        async for _ in self:
            pass
        answer = self._transcript.answer(self._ending)
        if self._begun is not None:
            answer = attrs.evolve(answer, parts=(*self._begun.parts, *answer.parts))
        return answer.parsed(self._type)

    def _begin(self) -> None:
        self._transcript.clear()
        self._partial = PartialJson()
        if self._begun is not None:
            self._read(self._begun.text)

    def _add(self, chunk: StreamChunk) -> bool:
        """Whether the object has grown."""
        match chunk:
            case Text(text):
                self._transcript.add(chunk)
                return self._read(text)
            case RetryAttempt(discard=True):
                self._begin()
            case AgentLoopIteration():
                if self._transcript.shown:
                    self._begun = None
                self._begin()
            case _ if isinstance(chunk, _ENDINGS):
                self._ending = chunk
            case _:
                self._transcript.add(chunk)
        return False

    def _read(self, text: str) -> bool:
        if self._partial is None:
            return False
        try:
            return self._partial.feed(text)
        except InvalidValue:
            self._partial = None
            return False
