"""Ctrl-C as a cancellation: everything is closed in order, and only then does `KeyboardInterrupt` rise.

Trio's own way would raise it in whatever code happens to run, such as aiohttp's, in the middle of something.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from gestura._actors.groups import bare_errors

__all__ = ["run_until_interrupted"]

T = TypeVar("T")


def run_until_interrupted(main: Callable[[], Awaitable[T]]) -> T:
    """`trio.run(main)`. A first Ctrl-C cancels it; while that takes, a second one is Python's own.

    Raises:
        KeyboardInterrupt: after `main` has been cancelled.
    """
    return trio.run(_run, main)


async def _run(main: Callable[[], Awaitable[T]]) -> T:
    with bare_errors():
        async with trio.open_nursery() as nursery:
            await nursery.start(_cancel_on_interrupt, nursery.cancel_scope)
            result = await main()
            nursery.cancel_scope.cancel()
            return result
    raise KeyboardInterrupt


async def _cancel_on_interrupt(scope: trio.CancelScope, task_status: trio.TaskStatus[None]) -> None:
    with trio.open_signal_receiver(signal.SIGINT) as interrupts:
        task_status.started()
        await anext(interrupts)
        scope.cancel()
