"""How chunks are shown: three views, each a pure machine from a chunk to the text to write.

`Transcript` is for people, and safe for terminals. `AnswerOnly` is for pipes: the model's text, as it is. `JsonLines`
is for programs: one tagged chunk a line, escaped to ASCII, which is safe anywhere.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import click

from gestura.chunk_json import to_json
from gestura.chunks import (
    Cancelled,
    ContextCompacted,
    ContextOverflow,
    Done,
    Ending,
    Error,
    Paused,
    Refusal,
    RetryAttempt,
    Status,
    StepDone,
    StreamChunk,
    Text,
    Thinking,
    TokenUsageUpdate,
    ToolBlocked,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
)
from gestura.cli.display.word_wrap import WordWrap, wrapped
from gestura.cli.display.wording import describe, describe_result, describe_retry
from gestura.cli.terminal_text import visible, visible_line
from gestura.usage import TokenUsageStatus

if TYPE_CHECKING:
    from gestura.cli.display.markdown import MarkdownFlow

__all__ = ["AnswerOnly", "JsonLines", "Transcript", "View"]


class View(Protocol):
    """Shows a stream."""

    @property
    def column(self) -> int | None:
        """Where the cursor of the terminal stands after what was fed; `None` where nobody else may write there."""

    def feed(self, chunk: StreamChunk) -> str:
        """What to write for `chunk`; the ending closes the last line."""


@attrs.define
class JsonLines:
    """One JSON object a line.

    Args:
        extra: further members for every object.
    """

    extra: Mapping[str, str] = attrs.field(factory=dict)
    column: None = attrs.field(default=None, init=False)

    def feed(self, chunk: StreamChunk) -> str:
        line = json.dumps({**to_json(chunk), **self.extra})
        return line.replace("\x7f", "\\u007f") + "\n"  # the one control character that JSON leaves as it is


@attrs.define
class AnswerOnly:
    """The model's text and nothing else, each of its answers closed with a newline."""

    column: None = attrs.field(default=None, init=False)
    _open_line: bool = attrs.field(default=False, init=False)

    def feed(self, chunk: StreamChunk) -> str:
        if isinstance(chunk, Text) and chunk.text:
            self._open_line = not chunk.text.endswith("\n")
            return chunk.text
        if isinstance(chunk, Ending | StepDone) and self._open_line:
            self._open_line = False
            return "\n"
        return ""


class _Part(enum.Enum):
    NOTHING = enum.auto()
    TEXT = enum.auto()
    THINKING = enum.auto()
    REFUSAL = enum.auto()
    TOOL_CALL = enum.auto()
    NOTE = enum.auto()


_PROSE: Final = (_Part.TEXT, _Part.THINKING, _Part.REFUSAL)


@attrs.define
class Transcript:
    """Everything that happens in a stream, for a person to read.

    Args:
        styled: dim, bold and coloured; otherwise thinking and refusals are marked with a word.
        columns: of the terminal, whose edge then tears no word; `None` where there is none.
        rows: of a terminal that shows the answer as Markdown; `None` where it is shown as it was written.
    """

    styled: bool
    columns: int | None = None
    rows: int | None = None
    _part: _Part = attrs.field(default=_Part.NOTHING, init=False)
    _open_line: bool = attrs.field(default=False, init=False)
    _flow: WordWrap | MarkdownFlow | None = attrs.field(default=None, init=False)
    """Where the words go, on a terminal."""
    _usage: TokenUsageUpdate | None = attrs.field(default=None, init=False)
    _spent: float = attrs.field(default=0.0, init=False)
    """On the answers before this one, where a turn has several."""

    @property
    def column(self) -> int | None:
        if not self._open_line:
            return 0
        return self._flow.column if self._flow is not None and self._part in _PROSE else None

    def feed(self, chunk: StreamChunk) -> str:
        out = self._show(chunk)
        if out:
            self._open_line = not out.endswith("\n")
        return out

    def _show(self, chunk: StreamChunk) -> str:
        match chunk:
            case Text(text) if text:
                return self._begin(_Part.TEXT) + self._prose(text)
            case Thinking(text) if text:
                return self._begin(_Part.THINKING, mark="[thinking] ") + self._prose(text, dim=True)
            case Refusal(text) if text:
                return self._begin(_Part.REFUSAL, mark="[refusal] ") + self._prose(text, fg="yellow")
            case ToolCallStart(name=name):
                before = self._finish()
                self._part = _Part.TOOL_CALL
                return before + self._style(f"-> {visible_line(name)} ", fg="cyan")
            case ToolCallArgs(fragment=fragment):
                # Text may have come between two pieces of a call.
                return self._begin(_Part.TOOL_CALL, always="... ") + visible(fragment)
            case ToolCallEnd():
                return self._begin(_Part.NOTE)
            case ToolCallResult():
                return self._note(describe_result(chunk), **({"dim": True} if chunk.success else {"fg": "yellow"}))
            case ToolBlocked(name, reason):
                return self._note(f"<- {visible_line(name)} was not run: {visible_line(reason)}", fg="yellow")
            case ContextCompacted(summary=summary):
                return self._note(f"* the conversation was shortened: {visible_line(summary)}", dim=True)
            case Status(message):
                return self._note(f"* {visible_line(message)}", dim=True)
            case RetryAttempt():
                return self._note(f"* {describe_retry(chunk)}", fg="yellow")
            case TokenUsageUpdate():
                self._usage = chunk  # some providers tell it with every event: the last one is told with the ending
                return ""
            case StepDone() if self._usage is not None:
                self._spent += self._usage.estimated_cost
                self._usage = attrs.evolve(self._usage, estimated_cost=0.0)
                return ""
            case Done() | Cancelled() | Paused() | Error() | ContextOverflow():
                return self._finish()
            case _:
                return ""  # an agent's other chunks do not come from a model or its tools

    def end(self, ending: Ending) -> str:
        """What tells `ending`, to be written after it was fed: coloured as it went, or as the context window fills."""
        usage = self._usage
        if usage is not None:
            usage = attrs.evolve(usage, estimated_cost=self._spent + usage.estimated_cost)
        words = f"-- {describe(ending, usage)}"
        match ending:
            case Done() if self._usage is not None and self._usage.status is not TokenUsageStatus.GREEN:
                return self._line(words, fg=self._usage.status.value)
            case Done():
                return self._line(words, dim=True)
            case Cancelled() | Paused():
                return self._line(words, fg="yellow")
            case Error() | ContextOverflow():
                return self._line(words, fg="red")

    def _begin(self, part: _Part, *, mark: str = "", always: str = "") -> str:
        """What stands between the part before and this one."""
        if part is self._part:
            return ""
        gap = self._part in _PROSE and part in _PROSE
        before = self._finish()
        self._part = part
        self._flow = self._flow_of(part)
        return before + ("\n" if gap else "") + ("" if self.styled else self._flowing(mark)) + always

    def _flow_of(self, part: _Part) -> WordWrap | MarkdownFlow | None:
        if self.columns is None:
            return None
        if self.rows is not None and part is _Part.TEXT:
            # Here, for it imports what a pipe has no use for.
            from gestura.cli.display.markdown import MarkdownFlow

            return MarkdownFlow(self.columns, self.rows)
        return WordWrap(self.columns)

    def _finish(self) -> str:
        """What ends the part, and its line."""
        rest = ""
        if self._flow is not None and not isinstance(self._flow, WordWrap):
            rest, self._flow = self._flow.close(), None
            if rest:
                self._open_line = not rest.endswith("\n")
        return rest + ("\n" if self._open_line else "")

    def _prose(self, text: str, *, fg: str | None = None, dim: bool = False) -> str:
        return self._style(self._flowing(visible(text)), fg=fg, dim=dim)

    def _flowing(self, text: str) -> str:
        return self._flow.feed(text) if self._flow is not None else text

    def _note(self, text: str, *, fg: str | None = None, dim: bool = False) -> str:
        return self._begin(_Part.NOTE) + self._line(text, fg=fg, dim=dim)

    def _line(self, text: str, *, fg: str | None = None, dim: bool = False) -> str:
        return self._style(wrapped(text, self.columns), fg=fg, dim=dim) + "\n"

    def _style(self, text: str, *, fg: str | None = None, dim: bool = False) -> str:
        """Styled, but for newlines at its end: some terminals colour the next line where a style is still on there."""
        if not self.styled or (fg is None and not dim):
            return text
        words = text.rstrip("\n")
        return (click.style(words, fg=fg, dim=dim or None) if words else "") + text[len(words) :]
