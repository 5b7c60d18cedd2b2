"""Tools that are plain functions: they run in threads, so these tests take real time, in milliseconds."""

from __future__ import annotations

import contextvars
import threading
from contextlib import suppress

import trio

import gestura
from gestura import RunLimits, ToolCall
from gestura.testing import reply, scripted_client

USER = contextvars.ContextVar[str]("USER")
PATIENCE = 30.0


async def results(*calls: ToolCall, tools: list[object], **options: object) -> list[tuple[str, bool]]:
    """What the calls of one answer gave: their texts, and whether they are errors."""
    with trio.fail_after(PATIENCE):
        replies = [reply(*calls), "Done."]
        async with scripted_client(replies) as client, client.run("Hi", tools=tools, **options) as run:
            await run.collect()
    return [(result.text, result.is_error) for message in run.messages for result in message.tool_results]


async def test_a_plain_function_runs_in_a_thread() -> None:
    """It holds up nobody, and sees the caller's context."""

    def whoami() -> str:
        assert threading.current_thread() is not threading.main_thread()
        return USER.get()

    USER.set("me")

    assert [("me", False)] == await results(ToolCall("c", "whoami", "{}"), tools=[whoami])


async def test_a_plain_function_may_fail() -> None:
    """As an async one may."""

    def stumble() -> None:
        raise LookupError("no such thing")

    assert [("LookupError: no such thing", True)] == await results(ToolCall("c", "stumble", "{}"), tools=[stumble])


async def test_a_thread_is_left_to_itself() -> None:
    """When its time is up; it can find out, and what it still does has no effect."""
    found_out = threading.Event()

    @gestura.tool(timeout=0.01)
    def linger() -> str:
        with suppress(trio.Cancelled):
            while not found_out.wait(0.001):
                trio.from_thread.check_cancelled()
        found_out.set()
        return "too late"

    given = await results(ToolCall("c", "linger", "{}"), tools=[linger])

    assert [("The tool gave no result within 0.01 seconds.", True)] == given
    assert await trio.to_thread.run_sync(found_out.wait, PATIENCE)


async def test_threads_are_limited() -> None:
    """So many run at a time, no more."""
    together = threading.Barrier(2, timeout=PATIENCE)
    running: list[int] = []
    most: list[int] = []

    def count() -> None:
        running.append(1)
        most.append(len(running))
        together.wait()
        running.pop()

    calls = [ToolCall(f"c{number}", "count", "{}") for number in range(6)]
    given = await results(*calls, tools=[count], limits=RunLimits(max_parallel_calls=2))

    assert [("null", False)] * 6 == given
    assert max(most) == 2
