"""What the chunks of a published stream say, and where an interrupted one goes on from. Pure.

A stream of one answer goes on from what was shown of it. An agent's turn (`Client.run`) is several answers with the
results of their tools between them, and all of it is in the stream, except that a result with images is published as
text: so the conversation as it had become is made of the request and the chunks. Only a turn whose conversation was
compacted can't be: what it became is not in the stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import attrs

from gestura._agent.decisions import answered
from gestura.answer import Transcript
from gestura.chunks import (
    AgentLoopIteration,
    Cancelled,
    ContextCompacted,
    ContextOverflow,
    Done,
    Error,
    Paused,
    StepDone,
    StreamChunk,
    ToolBlocked,
    ToolCallResult,
)
from gestura.messages import Message
from gestura.parts import TextPart, ToolResult
from gestura.relay.entries import About
from gestura.relay.log import RelayError

__all__ = ["PublishedAnswer", "interrupted"]

_RESUMED = "the turn had been paused amid its tools, and what was said before is in the stream before this one"


class PublishedAnswer:
    """What a stream has shown of its answer; in an agent's turn, of the latest one."""

    def __init__(self) -> None:
        self._transcript = Transcript()

    def add(self, chunk: StreamChunk) -> None:
        """Keep what `chunk` says."""
        if isinstance(chunk, AgentLoopIteration):
            self._transcript.clear()
        with suppress(KeyError):  # a call that never began, in chunks of somebody's own, says nothing
            self._transcript.add(chunk)

    def partial(self) -> Message | None:
        """What was shown; `None` for nothing. A tool call that was not complete is left out."""
        return self._transcript.partial()


def interrupted(about: About, chunks: Iterable[StreamChunk]) -> Paused:
    """Where a stream goes on from: as if it had been paused at its last chunk.

    Args:
        about: what was asked, and of whom.
        chunks: all that was published. The last one may be an ending.

    Raises:
        RelayError: it can't go on: it is complete, or what was asked is not known.
    """
    if about.request is None:
        raise RelayError("what was asked is not known: publish the stream with its request")
    answer = PublishedAnswer()
    turn: list[Message] = []
    results: dict[str, ToolResult] = {}
    complete = False
    for chunk in chunks:
        match chunk:
            case Paused():
                return chunk
            case Done():
                raise RelayError("the stream is complete: there is nothing to go on with")
            case ContextOverflow():
                raise RelayError("the conversation is too long for the model: there is no going on with it")
            case ContextCompacted():
                raise RelayError("the conversation was compacted, and what it became is not known")
            case AgentLoopIteration():
                said = answer.partial()
                if results and not complete:
                    raise RelayError(_RESUMED)
                turn += answered(said, results) if complete and said else ()
                results, complete = {}, False
            case StepDone():
                complete = True
            case ToolCallResult(id=str(call_id)):
                results[call_id] = ToolResult(call_id, (TextPart(chunk.output),), is_error=not chunk.success)
            case ToolBlocked(id=str(call_id)):
                results[call_id] = ToolResult(call_id, (TextPart(chunk.reason),), is_error=True)
            case Cancelled() | Error():
                break
        answer.add(chunk)
    partial = answer.partial()
    if results and not complete and partial is None:
        raise RelayError(_RESUMED)
    calls = partial.tool_calls if partial and complete else ()
    return Paused(
        partial=partial,
        request=attrs.evolve(about.request, messages=(*about.request.messages, *turn)),
        provider=about.provider,
        model=about.model,
        tool_results=tuple(results[call.id] for call in calls if call.id in results) if calls else None,
    )
