"""A whole answer, gathered from the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import attrs

from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    FinishReason,
    Paused,
    Refusal,
    RetryAttempt,
    Signature,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.errors import InternalError, InvalidValue, StreamFailed, Unfit, UnfitAnswer
from gestura.limits import utf8_size
from gestura.messages import Message, Role
from gestura.parts import Part, RefusalPart, TextPart, ThinkingPart, ToolCall

__all__ = ["Answer", "ParsedAnswer", "Transcript", "collect"]

T = TypeVar("T")

FREE_PARTS: Final = 100
"""Parts that count for nothing beside their text. Real answers have ten."""

PART_BYTES: Final = 100
"""What each part beyond them counts: a server could give every character one of its own."""

_ENDINGS: Final = (Done, Cancelled, Paused, Error, ContextOverflow)


@attrs.frozen
class Answer(Message):
    """What the model said, as a whole: a `Message` that can be appended to the history as it is.

    `str(answer)` is its text; `answer.thinking`, `answer.tool_calls` and the rest are those of a message.

    Args:
        done: usage, finish reason, model.
    """

    done: Done = attrs.field(kw_only=True)

    def __str__(self) -> str:
        return self.text

    def parse(self, type_: type[T]) -> T:
        """The text, which is JSON, as an instance of a type.

        Args:
            type_: the class that was the request's `response_format`; `dict[str, Any]` where that was a JSON Schema.

        Raises:
            UnfitAnswer: there is no such value; `why` tells whether the model refused, was cut off, or was mistaken.
            ConfigError: the type is none of JSON's.
        """
        if self.refusal or self.done.finish_reason is FinishReason.REFUSAL:
            raise UnfitAnswer("the model declined to answer", self, Unfit.REFUSED)
        # Here, for most answers are text: these bring cattrs with them.
        from gestura.partial_json import PartialJson
        from gestura.structuring import structure

        text = PartialJson()
        try:
            text.feed(self.text)
            return structure(text.close(), type_)
        except InvalidValue as error:
            why, words = self._unfit()
            raise UnfitAnswer(f"{words}: {error}", self, why) from error

    def parsed(self, type_: type[T]) -> ParsedAnswer[T]:
        """The same with its value. It raises what `parse` raises."""
        return ParsedAnswer(self.role, self.parts, done=self.done, value=self.parse(type_))

    def _unfit(self) -> tuple[Unfit, str]:
        match self.done.finish_reason:
            case FinishReason.LENGTH:
                return Unfit.CUT_OFF, "the answer was cut off at the limit of output tokens"
            case FinishReason.CONTENT_FILTER:
                return Unfit.WITHHELD, "the provider withheld the answer"
        if self.tool_calls:
            return Unfit.TOOL_CALLS, "the model calls tools and has not answered yet"
        return Unfit.INVALID, "the answer does not fit"


@attrs.frozen
class ParsedAnswer(Answer, Generic[T]):
    """An answer that was asked for as a value, and is one.

    Args:
        value: the instance of the class that was asked for, or the object that a JSON Schema describes.
    """

    value: T = attrs.field(kw_only=True)


class _Piece:
    """A part that may still grow: its text, as bytes, since many tiny strings would be large."""

    def __init__(self, kind: type[StreamChunk], start: ToolCallStart | None = None) -> None:
        self.kind = kind
        self.text = bytearray()
        self.start = start
        self.seal: Signature | None = None
        self.complete = start is None

    def part(self) -> Part:
        text = _as_sendable(self.text)
        signature, sealed_by = (self.seal.signature, self.seal.sealed_by) if self.seal else (None, None)
        if self.start:
            return ToolCall(self.start.id, self.start.name, text, signature=signature, sealed_by=sealed_by)
        if self.kind is Thinking:
            redacted = self.seal is not None and self.seal.redacted
            return ThinkingPart(text, signature=signature, sealed_by=sealed_by, redacted=redacted)
        return TextPart(text) if self.kind is Text else RefusalPart(text)


def _as_sendable(pieces: bytearray) -> str:
    """The text of the pieces. Halves of a surrogate pair that came in two pieces are joined, and others replaced.

    Servers that count in UTF-16 cut there. A half alone can't be sent back in a later turn.
    """
    try:
        return pieces.decode()
    except UnicodeDecodeError:
        return (
            pieces.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        )


class Transcript:
    """What an answer has shown so far, kept chunk by chunk, in its order."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget it all: the answer begins anew."""
        self._pieces: list[_Piece] = []
        self._calls: dict[str, _Piece] = {}
        self._open: _Piece | None = None
        self.size: int = 0
        """Bytes of what was shown, in UTF-8, and of many parts."""
        self.shown: bool = False
        """Whether any content was shown: text, thinking, a refusal or a tool call."""
        self.has_text: bool = False
        """Whether any text was shown."""

    @property
    def has_tool_call(self) -> bool:
        """Whether a tool call was shown, complete or not."""
        return bool(self._calls)

    def add(self, chunk: StreamChunk) -> None:
        """Keep what `chunk` says, if it says something."""
        match chunk:
            case Text(text) | Thinking(text) | Refusal(text):
                self._keep(type(chunk), text)
            case ToolCallArgs(id=call, fragment=fragment):
                data = fragment.encode("utf-8", "surrogatepass")
                self._calls[call].text += data
                self.size += len(data)
            case ToolCallStart(id=call, name=name):
                self._calls[call] = self._begin(_Piece(ToolCallStart, chunk))
                self.size += utf8_size(call) + utf8_size(name)
                self.shown = True
            case ToolCallEnd(id=call):
                self._calls[call].complete = True
            case Signature():
                self._seal(chunk)
            case RetryAttempt(discard=True):
                self.clear()
            case _:
                pass  # news of the stream, not part of the answer

    def partial(self) -> Message | None:
        """What was shown of an answer that was broken off; `None` for nothing.

        A tool call that was not complete is left out: its arguments are no JSON yet.
        """
        return Message(Role.ASSISTANT, self._parts()) if self.shown else None

    def answer(self, ending: Ending | None) -> Answer:
        """The whole answer, once its stream has ended.

        Raises:
            StreamFailed: it ended otherwise than with `Done`.
        """
        return Answer(Role.ASSISTANT, self._parts(), done=_done(ending))

    def _keep(self, kind: type[StreamChunk], text: str) -> None:
        piece = self._open
        if piece is None or piece.kind is not kind:
            piece = self._begin(_Piece(kind))
        data = text.encode("utf-8", "surrogatepass")
        piece.text += data
        self.size += len(data)
        self.shown = True
        if kind is Text:
            self.has_text = True

    def _begin(self, piece: _Piece) -> _Piece:
        self._pieces.append(piece)
        self._open = piece
        if len(self._pieces) > FREE_PARTS:
            self.size += PART_BYTES
        return piece

    def _seal(self, seal: Signature) -> None:
        """To the call that it names; else to the thinking just before it, or to none that was shown."""
        self.size += utf8_size(seal.signature)
        if seal.id is not None:
            self._calls[seal.id].seal = seal
            return
        piece = self._open
        if seal.redacted or piece is None or piece.kind is not Thinking:
            piece = self._begin(_Piece(Thinking))
        piece.seal = seal
        self._open = None  # what comes next is another part

    def _parts(self) -> tuple[Part, ...]:
        return tuple(piece.part() for piece in self._pieces if piece.complete)


def collect(chunks: Iterable[StreamChunk]) -> Answer:
    """The answer that `chunks` make.

    Raises:
        StreamFailed: they end otherwise than with `Done`.
    """
    transcript = Transcript()
    ending: Ending | None = None
    for chunk in chunks:
        if isinstance(chunk, _ENDINGS):
            ending = chunk
        else:
            transcript.add(chunk)
    return transcript.answer(ending)


def _done(ending: Ending | None) -> Done:
    match ending:
        case Done():
            return ending
        case Error(message) | ContextOverflow(message):
            raise StreamFailed(message, ending)
        case Cancelled():
            raise StreamFailed("the stream was cancelled", ending)
        case Paused():
            raise StreamFailed("the stream was paused", ending)
        case None:
            raise InternalError("these chunks have no ending")
