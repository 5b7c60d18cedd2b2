"""Type-checked, never run: `match` over a chunk knows every kind and the type of every field."""

from __future__ import annotations

from typing import assert_never, assert_type

import gestura.chunks as g


def ending_in_words(ending: g.Ending) -> str:
    """The five endings are all there are."""
    match ending:
        case g.Done(finish_reason=reason):
            return assert_type(reason, g.FinishReason).value
        case g.Cancelled() | g.Paused():
            return "stopped"
        case g.Error(message) | g.ContextOverflow(message):
            return assert_type(message, str)
    assert_never(ending)


def what_is_left(chunk: g.StreamChunk) -> g.Ending | None:
    """An ending is a chunk; the positional patterns bind typed fields."""
    match chunk:
        case g.Text(text) | g.Thinking(text) | g.Refusal(text):
            assert_type(text, str)
        case g.ToolCallStart(call_id, name):
            assert_type((call_id, name), tuple[str, str])
        case g.Done() | g.Cancelled() | g.Paused() | g.Error() | g.ContextOverflow():
            assert_type(chunk, g.Ending)
            return chunk
        case _:
            pass
    return None
