"""A whole answer, gathered from the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    PartialAnswer,
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
from gestura.conversation import ToolCall
from gestura.errors import InternalError, StreamFailed
from gestura.limits import utf8_size

__all__ = ["Answer", "Transcript", "collect"]

_ENDINGS: Final = (Done, Cancelled, Paused, Error, ContextOverflow)


@attrs.frozen(kw_only=True)
class Answer:
    """What the model said, as a whole. `str(answer)` is its text.

    Args:
        text: the answer proper.
        thinking: the model's reasoning, as far as it was shown.
        refusal: the model's words for why it does not answer, where the provider keeps them apart.
        tool_calls: complete calls, in order.
        done: usage, finish reason, model.
    """

    text: str
    thinking: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    done: Done

    def __str__(self) -> str:
        return self.text


class Transcript:
    """What an answer has shown so far, kept chunk by chunk; as bytes, since many tiny strings would be large."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget it all: the answer begins anew."""
        self._text = bytearray()
        self._thinking = bytearray()
        self._refusal = bytearray()
        self._names: dict[str, str] = {}
        self._arguments: dict[str, bytearray] = {}
        self._complete: list[str] = []
        self.size = 0
        """Bytes of what was shown, in UTF-8."""
        self.shown = False
        """Whether any content was shown: text, thinking, a refusal or a tool call."""

    @property
    def has_text(self) -> bool:
        """Whether any text was shown."""
        return bool(self._text)

    @property
    def has_tool_call(self) -> bool:
        """Whether a tool call was shown, complete or not."""
        return bool(self._names)

    def add(self, chunk: StreamChunk) -> None:
        """Keep what `chunk` says, if it says something."""
        match chunk:
            case Text(piece):
                self._keep(piece, self._text)
            case Thinking(piece):
                self._keep(piece, self._thinking)
            case ToolCallArgs(id=call, fragment=piece):
                self._keep(piece, self._arguments[call])
            case ToolCallStart(id=call, name=name):
                self._names[call] = name
                self._arguments[call] = bytearray()
                self.size += utf8_size(call) + utf8_size(name)
                self.shown = True
            case ToolCallEnd(id=call):
                self._complete.append(call)
            case Refusal(piece):
                self._keep(piece, self._refusal)
            case Signature(piece):
                self.size += utf8_size(piece)  # not kept, but neither may it go on for ever
            case RetryAttempt(discard=True):
                self.clear()
            case _:
                pass  # news of the stream, not part of the answer

    def partial(self) -> PartialAnswer | None:
        """What was shown of an answer that was broken off; `None` for nothing."""
        if not self.shown:
            return None
        return PartialAnswer(
            text=_joined(self._text), thinking=_joined(self._thinking), tool_calls=tuple(self._tool_calls())
        )

    def answer(self, ending: Ending | None) -> Answer:
        """The whole answer, once its stream has ended.

        Raises:
            StreamFailed: it ended otherwise than with `Done`.
        """
        return Answer(
            done=_done(ending),
            text=_joined(self._text),
            thinking=_joined(self._thinking),
            refusal=_joined(self._refusal),
            tool_calls=tuple(self._tool_calls()),
        )

    def _keep(self, piece: str, pieces: bytearray) -> None:
        data = piece.encode("utf-8", "surrogatepass")
        pieces += data
        self.size += len(data)
        self.shown = True

    def _tool_calls(self) -> Iterator[ToolCall]:
        for call in self._complete:
            yield ToolCall(call, self._names[call], _joined(self._arguments[call]))


def _joined(pieces: bytearray) -> str:
    return pieces.decode("utf-8", "surrogatepass")


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
