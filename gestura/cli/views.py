"""How chunks are shown: three views, each a pure machine from a chunk to the text to write.

`Transcript` is for people, and safe for terminals. `AnswerOnly` is for pipes: the model's text, as it is. `JsonLines`
is for programs: one tagged chunk a line, escaped to ASCII, which is safe anywhere.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import Protocol

import attrs
import click

from gestura.chunk_json import to_json
from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    Paused,
    Refusal,
    RetryAttempt,
    Status,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.cli.terminal_text import visible, visible_line
from gestura.usage import TokenUsage

__all__ = ["AnswerOnly", "JsonLines", "Transcript", "View", "describe"]


class View(Protocol):
    """Shows a stream."""

    def feed(self, chunk: StreamChunk) -> str:
        """What to write for `chunk`; the ending closes the last line."""


@attrs.define
class JsonLines:
    """One JSON object a line.

    Args:
        extra: further members for every object.
    """

    extra: Mapping[str, str] = attrs.field(factory=dict)

    def feed(self, chunk: StreamChunk) -> str:
        return json.dumps({**to_json(chunk), **self.extra}) + "\n"


@attrs.define
class AnswerOnly:
    """The model's text and nothing else, closed with a newline."""

    _open_line: bool = attrs.field(default=False, init=False)

    def feed(self, chunk: StreamChunk) -> str:
        if isinstance(chunk, Text) and chunk.text:
            self._open_line = not chunk.text.endswith("\n")
            return chunk.text
        return "\n" if isinstance(chunk, Ending) and self._open_line else ""


class _Part(enum.Enum):
    NOTHING = enum.auto()
    TEXT = enum.auto()
    THINKING = enum.auto()
    REFUSAL = enum.auto()
    TOOL_CALL = enum.auto()
    NOTE = enum.auto()


_PROSE = (_Part.TEXT, _Part.THINKING, _Part.REFUSAL)


@attrs.define
class Transcript:
    """Everything that happens in a stream, for a person to read.

    Args:
        styled: dim, bold and coloured; otherwise thinking and refusals are marked with a word.
    """

    styled: bool
    _part: _Part = attrs.field(default=_Part.NOTHING, init=False)
    _open_line: bool = attrs.field(default=False, init=False)

    def feed(self, chunk: StreamChunk) -> str:
        out = self._show(chunk)
        if out:
            self._open_line = not click.unstyle(out).endswith("\n")
        return out

    def _show(self, chunk: StreamChunk) -> str:
        match chunk:
            case Text(text) if text:
                return self._begin(_Part.TEXT) + visible(text)
            case Thinking(text) if text:
                return self._begin(_Part.THINKING, mark="[thinking] ") + self._style(visible(text), dim=True)
            case Refusal(text) if text:
                return self._begin(_Part.REFUSAL, mark="[refusal] ") + self._style(visible(text), fg="yellow")
            case ToolCallStart(name=name):
                self._part = _Part.TOOL_CALL
                return self._fresh_line() + self._style(f"-> {visible_line(name)} ", fg="cyan")
            case ToolCallArgs(fragment=fragment):
                # Text may have come between two pieces of a call.
                return self._begin(_Part.TOOL_CALL, always="... ") + visible(fragment)
            case ToolCallEnd():
                return self._begin(_Part.NOTE)
            case Status(message):
                return self._begin(_Part.NOTE) + self._style(f"* {visible_line(message)}\n", dim=True)
            case RetryAttempt():
                which, seconds = f"{chunk.attempt} of {chunk.max_attempts}", chunk.delay_ms / 1000
                words = f"* attempt {which} failed, another in {seconds:g} s: {visible_line(chunk.error_message)}\n"
                return self._begin(_Part.NOTE) + self._style(words, fg="yellow")
            case Done() | Cancelled() | Paused() | Error() | ContextOverflow():
                return self._fresh_line()
            case _:
                return ""  # an agent's own chunks do not come from a provider

    def end(self, ending: Ending) -> str:
        """A line that tells `ending`, to be written after it was fed."""
        failed = not isinstance(ending, Done)
        return self._style(f"-- {describe(ending)}\n", fg="red" if failed else None, dim=not failed)

    def _begin(self, part: _Part, *, mark: str = "", always: str = "") -> str:
        """What stands between the part before and this one."""
        if part is self._part:
            return ""
        gap = self._part in _PROSE and part in _PROSE
        self._part = part
        return self._fresh_line() + ("\n" if gap else "") + ("" if self.styled else mark) + always

    def _fresh_line(self) -> str:
        return "\n" if self._open_line else ""

    def _style(self, text: str, *, fg: str | None = None, dim: bool = False) -> str:
        return click.style(text, fg=fg, dim=dim or None) if self.styled else text


def describe(ending: Ending) -> str:
    """An ending in words, on one line, safe to show.

    >>> describe(Done(model="m", usage=TokenUsage(input_tokens=3, output_tokens=5)))
    'done: unknown, m, 3 tokens in, 5 out'
    """
    match ending:
        case Done():
            words = [ending.finish_reason.value, ending.model or "", *_count(ending.usage or TokenUsage())]
            return visible_line(f"done: {', '.join(word for word in words if word)}")
        case Error():
            return visible_line(f"error ({ending.kind.value}): {ending.message}")
        case ContextOverflow():
            return visible_line(f"error (context_overflow): {ending.error_message}")
        case Cancelled():
            return "cancelled"
        case Paused():
            return "paused"


def _count(usage: TokenUsage) -> list[str]:
    counts = {
        "tokens in": usage.input_tokens,
        "of them cached": usage.cached_input_tokens or None,
        "out": usage.output_tokens,
        "of them reasoning": usage.reasoning_tokens or None,
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count is not None]
