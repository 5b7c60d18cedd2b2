"""What holds for the chunks of every stream, as assertions.

    chunks = [chunk async for chunk in stream]
    ending = assert_ends_once(chunks)
    assert_calls_contiguous(chunks)

They take a complete stream, and say in words what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

from gestura.chunks import Done, Ending, FinishReason, StreamChunk, ToolCallArgs, ToolCallEnd, ToolCallStart

__all__ = ["assert_calls_contiguous", "assert_ends_once"]

_ENDINGS: Final = get_args(Ending)


def assert_ends_once(chunks: Sequence[StreamChunk]) -> Ending:
    """Check that the last chunk is an ending, and no other is.

    Returns:
        The ending.

    Raises:
        AssertionError: it isn't so.
    """
    endings = [(position, chunk) for position, chunk in enumerate(chunks) if isinstance(chunk, _ENDINGS)]
    if not endings:
        raise AssertionError(f"the stream has no ending; its last chunks are {chunks[-3:]!r}")
    if len(endings) > 1:
        raise AssertionError(f"the stream has {len(endings)} endings: {[chunk for _, chunk in endings]!r}")
    position: int
    ending: Ending
    [(position, ending)] = endings
    if position != len(chunks) - 1:
        raise AssertionError(f"after the ending {ending!r} came {chunks[position + 1 :]!r}")
    return ending


def assert_calls_contiguous(chunks: Sequence[StreamChunk]) -> None:
    """Check that each tool call is a start, its arguments and its end, with nothing of another call between.

    News of the stream, text and thinking may come between. Ids are unique. Only the last call may lack its end, where
    the stream was broken off, or the model was.

    Raises:
        AssertionError: it isn't so.
    """
    open_call: str | None = None
    seen: set[str] = set()
    for position, chunk in enumerate(chunks):
        match chunk:
            case ToolCallStart(id=call):
                _check(open_call is None, f"call {call!r} starts while {open_call!r} is open", position, chunk)
                _check(call not in seen, f"call {call!r} starts twice", position, chunk)
                _check(bool(call), "a call has no id", position, chunk)
                seen.add(call)
                open_call = call
            case ToolCallArgs(id=call):
                _check(call == open_call, f"arguments of {call!r} while {open_call!r} is open", position, chunk)
            case ToolCallEnd(id=call):
                _check(call == open_call, f"call {call!r} ends while {open_call!r} is open", position, chunk)
                open_call = None
            case Done(finish_reason=FinishReason.STOP | FinishReason.TOOL_CALLS):
                _check(open_call is None, f"the answer is done while call {open_call!r} is open", position, chunk)


def _check(holds: bool, words: str, position: int, chunk: Any) -> None:
    if not holds:
        raise AssertionError(f"{words}: chunk {position} is {chunk!r}")
