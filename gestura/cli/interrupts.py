"""Ctrl-C as a cancellation: everything is closed in order, and only then does the command end.

Trio's own way would raise `KeyboardInterrupt` in whatever code happens to run, such as aiohttp's, in the middle of
something.
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from gestura._actors.groups import bare_errors
from gestura.cancellation import CancellationToken

__all__ = ["INTERRUPTED", "run_until_interrupted"]

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code, as shells count."""

GRACE: Final = 1.0
"""Seconds for streams to end by themselves, which they can't where nobody reads what is written."""

T = TypeVar("T")


def run_until_interrupted(
    main: Callable[[], Awaitable[T]], token: CancellationToken | None = None, *, clock: trio.abc.Clock | None = None
) -> T:
    """`trio.run(main)`. A first Ctrl-C cancels it; while that takes, a second one is Python's own.

    Args:
        main: what to run.
        token: cancelled by Ctrl-C, instead of `main`; `main` is when its streams don't end with that.
        clock: Trio's own unless told.

    Raises:
        KeyboardInterrupt: after `main` has been cancelled.
    """
    return trio.run(_run, main, token, clock=clock)


async def _run(main: Callable[[], Awaitable[T]], token: CancellationToken | None) -> T:
    with bare_errors():
        async with trio.open_nursery() as nursery:
            await nursery.start(_cancel_on_interrupt, nursery.cancel_scope, token)
            result = await main()
            nursery.cancel_scope.cancel()
            return result
    raise KeyboardInterrupt


async def _cancel_on_interrupt(
    scope: trio.CancelScope, token: CancellationToken | None, task_status: trio.TaskStatus[None]
) -> None:
    with trio.open_signal_receiver(signal.SIGINT) as interrupts:
        task_status.started()
        await anext(interrupts)
        if token is None:
            scope.cancel()
        else:
            token.cancel()
            scope.deadline = trio.current_time() + GRACE
