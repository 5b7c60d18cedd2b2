"""Whatever becomes of a tool call, the model is told its result once, in its place."""

from __future__ import annotations

from typing import Any

import attrs
import trio
from hypothesis import given
from hypothesis import strategies as st
from scripting import run_virtually

import gestura
from gestura import CancellationToken, Paused, RunLimits, StreamChunk, ToolCall
from gestura.chunk_json import from_json, to_json
from gestura.chunks import ToolBlocked, ToolCallResult, ToolCallStart
from gestura.testing import ScriptedModel, assert_calls_contiguous, assert_ends_once, reply, scripted_client


@gestura.tool
async def work(seconds: float) -> str:
    await trio.sleep(seconds)
    return "done"


@gestura.tool(timeout=2)
async def hurry(seconds: float) -> str:
    await trio.sleep(seconds)
    return "done"


@gestura.tool
async def stumble(seconds: float) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep(seconds)
        raise ValueError("stumbled")


@gestura.tool
async def cling(seconds: float) -> None:
    try:
        await trio.sleep(seconds)
    finally:
        raise ValueError("could not clean up")


@gestura.tool(confirm=True)
async def dare(seconds: float) -> str:
    await trio.sleep(seconds)
    return "dared"


TOOLS = [work, hurry, stumble, cling, dare]


async def confirm(question: gestura.ToolConfirmationRequired) -> bool:
    await trio.sleep(1)
    if "3" in question.tool_args:
        raise OSError("nobody there")
    return "1" in question.tool_args


ARGUMENTS = st.sampled_from(
    [
        '{"seconds": 0}',
        '{"seconds": 1}',
        '{"seconds": 3}',
        '{"seconds": 10}',
        '{"seconds": "1"}',
        "{}",
        "[]",
        '{"se',
        "",
    ]
)
CALLS = st.builds(
    ToolCall,
    st.sampled_from(["a", "b", "c", "call_0"]),
    st.sampled_from([tool.name for tool in TOOLS] + ["unknown", "functions.work"]),
    ARGUMENTS,
)
STEPS = st.lists(st.lists(CALLS, min_size=1, max_size=4, unique_by=lambda call: call.id), max_size=3)
PAUSES = st.lists(st.sampled_from([0.5, 1.5, 4.0]), max_size=3)


@attrs.define
class Session:
    """A turn that is paused after so many seconds, sent through JSON and taken up again, until it is done."""

    client: gestura.Client
    limits: RunLimits
    prompt: Any = "Hi"
    messages: tuple[gestura.Message, ...] = ()
    chunks: list[StreamChunk] = attrs.field(factory=list)

    async def go_on(self, pause: float | None) -> bool:
        """Until it is done, or so many seconds have passed; whether it is done."""
        token = CancellationToken()
        async with trio.open_nursery() as nursery:
            if pause is not None:
                nursery.start_soon(self.strike, token, pause)
            async with self.client.run(
                self.prompt, tools=TOOLS, limits=self.limits, confirm=confirm, token=token
            ) as run:
                chunks = [chunk async for chunk in run]
            nursery.cancel_scope.cancel()
        ending = assert_ends_once(chunks)
        assert_calls_contiguous(chunks)
        self.chunks += chunks[:-1]
        self.messages += run.messages
        if isinstance(ending, Paused):
            self.prompt = from_json(to_json(ending))
            return False
        assert isinstance(ending, gestura.Done), ending
        return True

    async def strike(self, token: CancellationToken, pause: float) -> None:
        await trio.sleep(pause)
        token.pause()


@given(STEPS, PAUSES, st.integers(1, 3))
def test_every_call_has_its_result(steps: list[list[ToolCall]], pauses: list[float], parallel: int) -> None:
    """In the next message, in the order of the calls, once; and one chunk says so, through every pause."""

    async def main() -> None:
        model = ScriptedModel([*(reply("Hm.", *calls) for calls in steps), "Done."])
        limits = RunLimits(max_parallel_calls=parallel)
        async with scripted_client(model) as client:
            session = Session(client, limits)
            for pause in [*pauses, None]:
                if await session.go_on(pause):
                    break

        answers = [message for message in session.messages if message.tool_calls]
        assert [[call.arguments or "{}" for call in calls] for calls in steps] == [
            [call.arguments for call in answer.tool_calls] for answer in answers
        ]
        for answer, after in zip(session.messages, session.messages[1:], strict=False):
            assert [call.id for call in answer.tool_calls] == [result.call_id for result in after.tool_results]
        begun = [chunk.id for chunk in session.chunks if isinstance(chunk, ToolCallStart)]
        told = [chunk.id for chunk in session.chunks if isinstance(chunk, ToolCallResult | ToolBlocked)]
        assert len(begun) == len(set(begun)) == len(told)
        assert set(begun) == set(told)
        assert "Done." == session.messages[-1].text

    run_virtually(main)
