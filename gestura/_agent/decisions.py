"""What comes next in an agent's turn: plain functions of what has happened. The turn only obeys them."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping

import attrs

from gestura.agent_options import RunLimits
from gestura.answer import Answer
from gestura.chunks import ContextCompacted, Error, FinishReason
from gestura.conversation import Request
from gestura.conversation_rules import LONGEST_TOOL_NAME, TOOL_NAME
from gestura.errors import ErrorKind
from gestura.messages import Message, Role
from gestura.parts import Part, TextPart, ToolCall, ToolResult
from gestura.usage import TokenUsage

__all__ = ["Next", "answered", "compacted", "kept_of", "limit_reached", "next_after", "with_free_choice"]

CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English; only for telling how much a compaction saved."""


class Next(enum.Enum):
    """What to do when an answer is complete."""

    CALL_TOOLS = "call_tools"
    ASK_AGAIN = "ask_again"
    END = "end"


def next_after(answer: Answer) -> Next:
    """What comes after an answer. Calls are run unless the provider, or the model, withdrew what it had said."""
    match answer.done.finish_reason:
        case FinishReason.REFUSAL | FinishReason.CONTENT_FILTER:
            return Next.END
        case _ if answer.tool_calls:
            return Next.CALL_TOOLS
        case FinishReason.PAUSE if answer.parts:
            return Next.ASK_AGAIN
        case _:
            return Next.END


def kept_of(answer: Answer) -> Message | None:
    """What of an answer that ends a turn goes into the history: calls that nobody ran can't."""
    parts = [part for part in answer.parts if not isinstance(part, ToolCall)]
    return Message(Role.ASSISTANT, parts) if parts else None


def answered(answer: Message, results: Mapping[str, ToolResult]) -> list[Message]:
    """What an answer with calls, and their results by id, add to the history, the results in the order of the calls."""
    in_order = [results[call.id] for call in answer.tool_calls if call.id in results]
    said = Message(Role.ASSISTANT, map(_sendable, answer.parts))
    return [said, Message(Role.USER, in_order)] if in_order else [said]


def _sendable(part: Part) -> Part:
    """A model may call what is no name of a tool, and no provider would take that back."""
    if not isinstance(part, ToolCall) or TOOL_NAME.fullmatch(part.name):
        return part
    return attrs.evolve(part, name=re.sub(r"[^A-Za-z0-9_-]", "_", part.name)[:LONGEST_TOOL_NAME])


def with_free_choice(request: Request) -> Request:
    """The request for the answers after the first: a model that has to call a tool each time would never end."""
    return request if request.tool_choice in (None, "none") else attrs.evolve(request, tool_choice="auto")


def limit_reached(limits: RunLimits, iterations: int, usage: TokenUsage | None) -> Error | None:
    """The ending of a turn that may not ask once more, after so many answers of such a size."""
    if iterations >= limits.max_iterations:
        return _limit("max_iterations", f"{limits.max_iterations} answers of the model and was not done")
    used = usage.parts().total if usage else 0
    if limits.max_total_tokens is not None and used >= limits.max_total_tokens:
        return _limit("max_total_tokens", f"{used:,} tokens (of {limits.max_total_tokens:,}) and was not done")
    return None


def _limit(name: str, took: str) -> Error:
    return Error(f"the turn took {took} ({name})", kind=ErrorKind.LIMIT, code=name)


def compacted(before: Request, after: Request) -> ContextCompacted:
    """What a compaction did."""
    return ContextCompacted(
        messages_before=len(before.messages),
        messages_after=len(after.messages),
        tokens_saved=max(_size(before.messages) - _size(after.messages), 0) // CHARACTERS_PER_TOKEN,
        summary=f"{len(before.messages)} messages became {len(after.messages)}",
    )


def _size(messages: Iterable[Message]) -> int:
    """Characters of text, arguments and results."""
    size = 0
    for message in messages:
        for part in message.parts:
            match part:
                case TextPart(text):
                    size += len(text)
                case ToolCall(arguments=arguments):
                    size += len(arguments)
                case ToolResult():
                    size += len(part.text)
    return size
