"""`AgentRun`: what the user holds of an agent's turn; and how one is opened, for `Client.run`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import attrs
import trio

from gestura._actors.groups import bare_errors
from gestura._actors.inbox import Inbox
from gestura._actors.interrupt import Interrupt
from gestura._actors.outlet import Outlet
from gestura._actors.published import publishing, start_serving, way_of
from gestura._actors.statistics import Counts
from gestura._agent.calls import ToolRunner
from gestura._agent.turn import Turn
from gestura._stream import CHUNKS_TO_THE_USER, ChunkStream
from gestura.agent_options import Compact, Confirm, RunLimits
from gestura.answer import Answer, Transcript
from gestura.cancellation import CancellationToken
from gestura.chunks import Done, Paused, StreamChunk
from gestura.conversation import Prompt, Request, continuation
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import Message
from gestura.publishing import Publisher
from gestura.request_options import Tool
from gestura.tools import FunctionTool

__all__ = ["AgentRun", "open_run"]


class AgentRun(ChunkStream):
    """The stream of an agent's turn: like any other, with the answers of the model and the work of tools in it."""

    def __init__(self, inbox: Inbox[StreamChunk], turn: Turn, *, stream_id: str | None = None) -> None:
        super().__init__(inbox, turn, stream_id=stream_id)
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


@asynccontextmanager
async def open_run(
    prompt: Prompt | Paused,
    *,
    ask: Callable[..., AbstractAsyncContextManager[ChunkStream]],
    tools: Sequence[Tool],
    limits: RunLimits,
    confirm: Confirm | None,
    compact: Compact | None,
    token: CancellationToken | None,
    provider: str,
    model: str | None,
    publish: Publisher | None,
    stream_id: str | None,
) -> AsyncIterator[AgentRun]:
    """A turn, for the length of the block. `ask` opens the stream of one answer, and is given the token of the turn;
    the rest is as in `Client.run`.
    """
    request, paused_in = _taken_up(prompt)
    request = _with_tools(request, tools)
    functions = {tool.name: tool for tool in request.tools if isinstance(tool, FunctionTool)}
    if confirm is None and (unasked := [name for name, tool in functions.items() if tool.confirm]):
        raise ConfigError(f"tools: {unasked[0]!r} asks for confirmation; give confirm=", kind=ErrorKind.BAD_REQUEST)
    async with publishing(
        publish, stream_id, request=request, provider=provider, model=model, token=token
    ) as publication:
        token = publication.token if publication else token or CancellationToken()
        inbox: Inbox[StreamChunk] = Inbox(CHUNKS_TO_THE_USER)
        way = way_of(inbox, publication)
        counts = Counts()
        outlet = Outlet(way, counts)
        turn = Turn(
            request=request,
            ask=partial(ask, token=token),
            runner=ToolRunner(functions, limits, confirm, outlet),
            users_own=frozenset(tool.name for tool in request.tools) - set(functions),
            limits=limits,
            compact=compact,
            outlet=outlet,
            interrupt=Interrupt(token),
            counts=counts,
            paused_in=paused_in,
            provider=provider,
            model=model,
        )
        with bare_errors():
            async with trio.open_nursery() as nursery:
                start_serving(turn, way, nursery)
                try:
                    yield AgentRun(inbox, turn, stream_id=publication.stream_id if publication else None)
                finally:
                    inbox.close()
                nursery.cancel_scope.cancel()


def _taken_up(prompt: Prompt | Paused) -> tuple[Request, Paused | None]:
    """What to ask, and the ending of a turn whose tools are to be run first."""
    if not isinstance(prompt, Paused):
        return Request.of(prompt), None
    if prompt.request is None:
        raise ConfigError("paused.request: missing; resume the Paused chunk that a stream ended with")
    if prompt.tool_results is not None:
        return prompt.request, prompt
    return continuation(prompt.request, prompt.partial), None


def _with_tools(request: Request, tools: Sequence[Tool]) -> Request:
    names = {tool.name for tool in tools}
    kept = [tool for tool in request.tools if tool.name not in names]
    return attrs.evolve(request, tools=(*kept, *tools)) if tools else request
