"""A whole answer, gathered from the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    Paused,
    Refusal,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.errors import InternalError, StreamFailed

__all__ = ["Answer", "ToolCall", "collect"]


@attrs.frozen
class ToolCall:
    """A complete tool call. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


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


def collect(chunks: Iterable[StreamChunk]) -> Answer:
    """The answer that `chunks` make.

    Raises:
        StreamFailed: they end otherwise than with `Done`.
    """
    text: list[str] = []
    thinking: list[str] = []
    refusal: list[str] = []
    names: dict[str, str] = {}
    arguments: dict[str, list[str]] = {}
    complete: list[str] = []
    ending: Ending | None = None
    for chunk in chunks:
        match chunk:
            case Text(piece):
                text.append(piece)
            case Thinking(piece):
                thinking.append(piece)
            case Refusal(piece):
                refusal.append(piece)
            case ToolCallStart(id=call, name=name):
                names[call] = name
                arguments[call] = []
            case ToolCallArgs(id=call, fragment=piece):
                arguments[call].append(piece)
            case ToolCallEnd(id=call):
                complete.append(call)
            case Done() | Cancelled() | Paused() | Error() | ContextOverflow():
                ending = chunk
            case _:
                pass  # news of the stream, not part of the answer
    return Answer(
        text="".join(text),
        thinking="".join(thinking),
        refusal="".join(refusal),
        tool_calls=tuple(ToolCall(call, names[call], "".join(arguments[call])) for call in complete),
        done=_done(ending),
    )


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
