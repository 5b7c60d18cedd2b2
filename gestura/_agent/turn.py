"""One agent's turn as one stream: the model's answers and the work of its tools, with one ending.

`decisions` says what comes next, `ToolRunner` runs the calls, the client's own streams ask; here is only the order of
it. An answer goes into the history together with the results of all its calls, so the history can be sent at any time.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import get_args

import attrs
import trio

from gestura._actors.interrupt import Interrupt
from gestura._actors.outlet import Outlet
from gestura._actors.statistics import Counts, StreamStatistics
from gestura._agent.calls import ToolRunner
from gestura._agent.decisions import Next, answered, compacted, kept_of, limit_reached, next_after, with_free_choice
from gestura._agent.unique_ids import UniqueIds
from gestura._stream import ChunkStream
from gestura.agent_options import Compact, RunLimits
from gestura.answer import Answer, Transcript
from gestura.cancellation import TokenState
from gestura.chunks import (
    AgentLoopIteration,
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    FinishReason,
    Paused,
    StepDone,
)
from gestura.conversation import Request
from gestura.errors import ErrorKind, InternalError
from gestura.messages import Message
from gestura.parts import ToolResult
from gestura.usage import TokenUsage

__all__ = ["Turn"]

_log = logging.getLogger("gestura.agent")

_ENDINGS = get_args(Ending)

AskModel = Callable[[Request], AbstractAsyncContextManager[ChunkStream]]


@attrs.define(kw_only=True)
class Turn:
    """Serves one turn.

    Args:
        request: what is asked; grows with the turn.
        ask: opens the stream of one answer.
        runner: runs the calls.
        users_own: the names of the tools that the user runs; a call of one ends the turn.
        limits: how far the turn may go.
        compact: shortens a request that is too long.
        outlet: where chunks go.
        interrupt: the user's token.
        counts: counts of the stream to keep.
        paused_in: the ending of a turn that was paused while its tools ran.
        provider: who is asked, for `Paused`.
        model: which model, likewise.
    """

    request: Request
    ask: AskModel
    runner: ToolRunner
    users_own: frozenset[str]
    limits: RunLimits
    compact: Compact | None
    outlet: Outlet
    interrupt: Interrupt
    counts: Counts
    paused_in: Paused | None = None
    provider: str | None = None
    model: str | None = None
    ending: Ending | None = attrs.field(default=None, init=False)
    """The last chunk, once it is known; the outlet is closed then."""
    messages: list[Message] = attrs.field(factory=list, init=False)
    """What the turn has added to the conversation."""
    answer: Answer | None = attrs.field(default=None, init=False)
    """The model's last whole answer."""
    usage: TokenUsage | None = attrs.field(default=None, init=False)
    _heard: list[StreamStatistics] = attrs.field(factory=list, init=False)
    """Of the streams of the answers."""
    _ids: UniqueIds = attrs.field(init=False)
    _transcript: Transcript = attrs.field(factory=Transcript, init=False)

    def __attrs_post_init__(self) -> None:
        partial = self.paused_in.partial if self.paused_in else None
        self._ids = UniqueIds([*self.request.messages, *([partial] if partial else [])])

    async def serve(self) -> None:
        """Ask, run what is called, ask again, and leave the turn's ending."""
        try:
            with self.interrupt.listening(), suppress(trio.BrokenResourceError):  # the user has gone
                self.ending = self._summed_up(await self._turn())
        except Exception as error:  # noqa: BLE001  # whatever happens, a stream has its ending
            _log.exception("an agent's turn failed by a bug")
            bug = Error(f"gestura failed: {type(error).__name__}: {error}", kind=ErrorKind.INTERNAL)
            self.ending = self._summed_up(bug)
        finally:
            self.outlet.close()

    def statistics(self) -> StreamStatistics:
        """What the turn did so far, or in the end; the actors are those of the last answer's stream."""
        dropped, oddities = Counter(self.counts.dropped), Counter(self.counts.oddities)
        for each in self._heard:
            dropped.update(each.dropped)
            oddities.update(each.oddities)
        return StreamStatistics(
            actors=self._heard[-1].actors if self._heard else (),
            attempts=sum(each.attempts for each in self._heard),
            dropped=dict(dropped),
            oddities=dict(oddities),
            deepest_queue=self.outlet.deepest_queue,
        )

    async def _turn(self) -> Ending:
        if self.paused_in is not None and (ending := await self._resume(self.paused_in)):
            return ending
        iterations = 0
        while True:
            if limit := limit_reached(self.limits, iterations, self.usage):
                return limit
            await self.outlet.send(AgentLoopIteration(iterations))
            iterations += 1
            ending = await self._answer()
            if not isinstance(ending, Done):
                return ending
            self.answer = answer = self._transcript.answer(ending)
            await self.outlet.send(_step_done(ending))
            match next_after(answer):
                case Next.END:
                    self._add(kept_of(answer))
                    return ending
                case Next.ASK_AGAIN:
                    self._add(answer)
                case Next.CALL_TOOLS if ending := await self._call_tools(answer, {}):
                    return ending

    async def _resume(self, paused: Paused) -> Ending | None:
        known = {result.call_id: result for result in paused.tool_results or ()}
        return await self._call_tools(paused.partial, known) if paused.partial else None

    async def _answer(self) -> Ending:
        """One answer of the model's, asked for again after a compaction where the request was too long."""
        ending = await self._hear()
        if isinstance(ending, ContextOverflow) and not self._transcript.shown and await self._make_shorter():
            return await self._hear()
        return ending

    async def _hear(self) -> Ending:
        """Pass one stream on, up to its ending."""
        self._transcript.clear()
        self._ids.next_answer()
        async with self.ask(self.request) as chunks:
            async for chunk in chunks:
                if not isinstance(chunk, _ENDINGS):
                    chunk = self._ids.rename(chunk)
                    self._transcript.add(chunk)
                    await self.outlet.send(chunk)
            self._heard.append(chunks.statistics())
            ending = chunks.ending
        if ending is None:
            raise InternalError("a stream has no ending")
        if not isinstance(ending, ContextOverflow) and ending.usage is not None:
            self.usage = self.usage + ending.usage if self.usage else ending.usage
        if isinstance(ending, Cancelled | Paused | Error):
            return attrs.evolve(ending, partial=self._transcript.partial())  # with the ids that the turn gave
        return ending

    async def _make_shorter(self) -> bool:
        """Let the user's hook compact the conversation, and tell whether it did."""
        if self.compact is None:
            return False
        before = self.request
        with self.interrupt.scope():
            try:
                self.request = _checked(await self.compact(before))
            except Exception:  # noqa: BLE001  # the user's own code
                _log.exception("the hook that compacts a conversation failed")
        if self.request is before:
            return False
        await self.outlet.send(compacted(before, self.request))
        return True

    async def _call_tools(self, answer: Message, results: dict[str, ToolResult]) -> Ending | None:
        """Run the calls of an answer that have no result yet; the ending, if that ends the turn."""
        ours = [call for call in answer.tool_calls if call.name not in self.users_own]
        with self.interrupt.scope():
            await self.runner.run(ours, results)
        await self.runner.tell_the_rest()
        if not all(call.id in results for call in ours):
            return self._interrupted(answer, results)
        if len(ours) < len(answer.tool_calls):
            self.messages += answered(answer, results)
            return self.answer.done if self.answer else Done(finish_reason=FinishReason.TOOL_CALLS)
        self._add(*answered(answer, results))
        return None

    def _interrupted(self, answer: Message, results: Mapping[str, ToolResult]) -> Ending:
        partial = Message(answer.role, answer.parts)
        if self.interrupt.state is TokenState.CANCELLED:
            return Cancelled(partial=partial)
        return Paused(
            partial=partial,
            request=self.request,
            provider=self.provider,
            model=self.model,
            tool_results=tuple(results[call.id] for call in answer.tool_calls if call.id in results),
        )

    def _add(self, *messages: Message | None) -> None:
        """To the history: from now on a part of what is asked."""
        added = [Message(message.role, message.parts) for message in messages if message is not None]
        self.messages += added
        request = with_free_choice(self.request)
        self.request = attrs.evolve(request, messages=(*request.messages, *added))

    def _summed_up(self, ending: Ending) -> Ending:
        """The ending, with the counts of the whole turn."""
        match ending:
            case ContextOverflow():
                return ending
            case Error():
                attempts = sum(each.attempts for each in self._heard)
                return attrs.evolve(ending, usage=self.usage, attempts=attempts)
            case _:
                return attrs.evolve(ending, usage=self.usage)


def _checked(request: Request) -> Request:
    if not isinstance(request, Request):
        raise TypeError(f"it has to give a gestura.Request, not {type(request).__name__}")
    return request


def _step_done(done: Done) -> StepDone:
    return StepDone(**{field.name: getattr(done, field.name) for field in attrs.fields(StepDone)})
