"""A turn of a conversation: who speaks, and the parts of what is said."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import attrs

from gestura.parts import Part, RefusalPart, ResultPart, TextPart, ThinkingPart, ToolCall, ToolResult

__all__ = ["Message", "Role", "assistant", "tool_result", "user"]


class Role(enum.Enum):
    """Who speaks. The results of tools are the user's."""

    USER = "user"
    ASSISTANT = "assistant"


def _in_order(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(parts)


@attrs.frozen
class Message:
    """One turn of a conversation.

    Args:
        role: who speaks.
        parts: what is said, in order. The user's are text, images, documents and tool results; the model's are text,
            thinking, tool calls and refusals.
    """

    role: Role
    parts: tuple[Part, ...] = attrs.field(converter=_in_order)

    @property
    def text(self) -> str:
        """The text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def thinking(self) -> str:
        """The model's reasoning, as far as it was shown."""
        return "".join(part.text for part in self.parts if isinstance(part, ThinkingPart))

    @property
    def refusal(self) -> str:
        """The model's words for why it does not answer, where the provider keeps them apart."""
        return "".join(part.text for part in self.parts if isinstance(part, RefusalPart))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The model's calls, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def tool_results(self) -> tuple[ToolResult, ...]:
        """The results in this message, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolResult))


def user(*content: str | Part) -> Message:
    """What the user says.

    >>> user("What is this?", ImagePart(url="https://example.com/cat.png")).text
    'What is this?'
    """
    return Message(Role.USER, _parts(content))


def assistant(*content: str | Part) -> Message:
    """What the model said. A stream's own answer needs no copy: `ChunkStream.collect()` gives such a message."""
    return Message(Role.ASSISTANT, _parts(content))


def tool_result(call: ToolCall, *content: str | ResultPart, is_error: bool = False) -> Message:
    """What the tool gave back for `call`.

    Args:
        call: the model's call.
        content: text, images, documents.
        is_error: the tool failed, and the content says how.

    >>> tool_result(ToolCall("c1", "add", '{"a": 1, "b": 2}'), "3").tool_results[0].text
    '3'
    """
    parts = tuple(TextPart(piece) if isinstance(piece, str) else piece for piece in content)
    return Message(Role.USER, (ToolResult(call.id, parts, is_error=is_error),))


def _parts(content: Iterable[str | Part]) -> tuple[Part, ...]:
    return tuple(TextPart(piece) if isinstance(piece, str) else piece for piece in content)
