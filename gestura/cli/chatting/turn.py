"""One question and what was answered to it so far, from which a conversation can go on whatever happened.

A turn may break off: paused, failed, out of room. What it showed stands. Either it is gone on with, and the pieces
become one answer; or another question is asked, and then what is kept has to be something that a provider takes: no
call without a result, no thinking without its seal, no question without an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from gestura._agent.decisions import answered
from gestura.chunks import ContextOverflow, Done, Ending, Paused
from gestura.conversation import Request
from gestura.messages import Message, Role
from gestura.parts import Part, RefusalPart, TextPart, ThinkingPart, ToolResult

__all__ = ["Turn"]

STOPPED: Final = "The user stopped this call before it had a result."


@attrs.frozen(kw_only=True)
class Turn:
    """A turn of a conversation, as far as it has come.

    Args:
        messages: the question, and each whole answer, with the results of its calls.
        carried: what earlier streams have shown of the answer that is being gone on with.
        paused: from which `Client.run` goes on; `None` for a turn that has not broken off.
    """

    messages: tuple[Message, ...]
    carried: tuple[Part, ...] = ()
    paused: Paused | None = None

    def after(self, added: Sequence[Message], ending: Ending, request: Request) -> Turn:
        """The turn after it was run, or gone on with.

        Args:
            added: the messages of the run.
            ending: how the run ended.
            request: what the run would have asked next.
        """
        # Of a paused answer the run asks for the rest; one whose tools were running it gives back as a whole.
        carried = self.carried if self._in_tools else self._begun
        if carried and added and added[0].role is Role.ASSISTANT:
            added = [Message(Role.ASSISTANT, _joined(carried, added[0].parts)), *added[1:]]
            carried = ()
        match ending:
            case Done():
                paused = None
            case Paused():
                paused = ending
            case ContextOverflow():
                paused = Paused(request=request)
            case _:
                paused = Paused(partial=ending.partial, request=request)
        return Turn(messages=(*self.messages, *added), carried=carried, paused=paused)

    def settled(self) -> tuple[Message, ...]:
        """What of it goes into the history."""
        if self.paused is not None and self._in_tools:
            answer = Message(Role.ASSISTANT, self._begun)
            stopped = {call.id: _stopped(call.id) for call in answer.tool_calls}
            results = {result.call_id: result for result in self.paused.tool_results or ()}
            return (*self.messages, *answered(answer, stopped | results))
        if kept := _sendable(self._begun):
            return (*self.messages, Message(Role.ASSISTANT, kept))
        return self.messages if len(self.messages) > 1 else ()

    @property
    def _in_tools(self) -> bool:
        """It was paused while tools ran."""
        return self.paused is not None and self.paused.tool_results is not None

    @property
    def _begun(self) -> tuple[Part, ...]:
        """All that was shown of the answer that broke off."""
        partial = self.paused.partial if self.paused is not None else None
        return _joined(self.carried, partial.parts if partial is not None else ())


def _joined(first: tuple[Part, ...], rest: tuple[Part, ...]) -> tuple[Part, ...]:
    """An answer that came in two streams, as one; text that goes on is one part."""
    first = _sendable(first)
    if first and rest and isinstance(first[-1], TextPart) and isinstance(rest[0], TextPart):
        return (*first[:-1], TextPart(first[-1].text + rest[0].text), *rest[1:])
    return (*first, *rest)


def _sendable(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(
        part
        for part in parts
        if (isinstance(part, TextPart | RefusalPart) and part.text)
        or (isinstance(part, ThinkingPart) and part.signature)
    )


def _stopped(call_id: str) -> ToolResult:
    return ToolResult(call_id, (TextPart(STOPPED),), is_error=True)
