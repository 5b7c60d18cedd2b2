"""`AgentRun`: what the user holds of an agent's turn."""

from __future__ import annotations

import attrs
import trio

from gestura._agent.turn import Turn
from gestura._stream import ChunkStream
from gestura.answer import Answer, Transcript
from gestura.chunks import Done, StreamChunk
from gestura.conversation import Request
from gestura.messages import Message

__all__ = ["AgentRun"]


class AgentRun(ChunkStream):
    """The stream of an agent's turn: like any other, with the answers of the model and the work of tools in it."""

    def __init__(self, receive: trio.MemoryReceiveChannel[StreamChunk], turn: Turn) -> None:
        super().__init__(receive, turn)
        self._turn = turn

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the turn has added to the conversation so far: the model's answers, and the results of their calls.

        An answer comes in together with all its results, so `[*history, *run.messages]` can be sent. Only where the
        turn ended for calls of a tool that has no function (a plain `Tool`) are those still to be answered.
        """
        return tuple(self._turn.messages)

    @property
    def request(self) -> Request:
        """What would be asked next: the request with the conversation as it now is, after any compaction."""
        return self._turn.request

    async def collect(self) -> Answer:
        """The model's last answer, once the turn has ended. Its `done.usage` is that of the whole turn.

        Raises:
            StreamFailed: the turn ended otherwise than with `Done`.
        """
        async for _ in self:
            pass
        if isinstance(self.ending, Done) and self._turn.answer is not None:
            return attrs.evolve(self._turn.answer, done=self.ending)
        return Transcript().answer(self.ending)
