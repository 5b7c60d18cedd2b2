"""Virtual time, and runs that can be repeated.

Time passes only while every task waits, and then at once, so an hour of retries takes a millisecond. It goes with
transports in memory alone: a clock that jumps does not wait for a real socket.

With a seed, a run is a function of the seed: Trio's scheduler, which shuffles tasks on purpose, and gestura's jitter
draw from it. Trio has no public way to seed its scheduler; this one is what its plugin for Hypothesis uses.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final, TypeVar

import trio
from trio._core import _run as scheduler

__all__ = ["deterministic", "run_in_virtual_time"]

T = TypeVar("T")

FOR_EVER: Final = 100 * 365 * 86_400.0
"""Seconds after which a run is taken to hang: longer than any deadline, and no longer to wait for in virtual time."""


def run_in_virtual_time(main: Callable[..., Awaitable[T]], *args: Any, seed: int | None = None) -> T:
    """`trio.run(main, *args)`, in virtual time that begins at 0.

    Args:
        main: what to run.
        args: its arguments.
        seed: makes the run repeatable; without it the order of tasks is random, as in life.

    Raises:
        trio.TooSlowError: it waits for something that never comes.
    """
    from trio.testing import MockClock  # here, for it imports pytest, which commands that replay have no use for

    async def limited() -> T:
        with trio.fail_after(FOR_EVER):
            return await main(*args)

    with nullcontext() if seed is None else deterministic(seed):
        return trio.run(limited, clock=MockClock(autojump_threshold=0))


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """For the length of the block, the `random` module and the schedulers of Trio runs that begin in it are seeded.

    After it, both go on as if nothing had been. Not for several threads at a time.
    """
    before = random.getstate()
    random.seed(seed)
    try:
        with _seeded_scheduler(seed):
            yield
    finally:
        random.setstate(before)


@contextmanager
def _seeded_scheduler(seed: int) -> Iterator[None]:
    flag = "_ALLOW_DETERMINISTIC_SCHEDULING"
    dice = getattr(scheduler, "_r", None)
    if dice is None or not hasattr(scheduler, flag):
        yield  # a Trio that is made otherwise inside: only the order of tasks is left to chance
        return
    before = getattr(scheduler, flag), dice.getstate()
    setattr(scheduler, flag, True)
    dice.seed(seed)
    try:
        yield
    finally:
        setattr(scheduler, flag, before[0])
        dice.setstate(before[1])
