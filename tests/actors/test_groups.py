"""What leaves one of gestura's nurseries is one exception, as it was raised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from gestura._actors.groups import bare_errors

Task = Callable[[], Awaitable[object]]


async def run_together(*tasks: Task) -> None:
    """A bare nursery of these tasks."""
    with bare_errors():
        async with trio.open_nursery() as nursery:
            for task in tasks:
                nursery.start_soon(task)


def failing_with(error: BaseException, after: float = 0) -> Task:
    async def fail() -> None:
        if after:
            await trio.sleep(after)
        raise error

    return fail


async def test_an_error_of_the_body_leaves_as_it_is():
    """The very exception, its context untouched: no trace of the group."""
    error = ValueError("mine")
    error.__context__ = KeyError("what it was raised after")

    async def body() -> None:
        with bare_errors():
            async with trio.open_nursery():
                raise error

    with pytest.raises(ValueError, match="mine") as caught:
        await body()

    assert caught.value is error
    assert isinstance(error.__context__, KeyError)


async def test_an_error_of_a_task_leaves_though_it_cancelled_the_others():
    """The siblings' cancellations, which it caused, are not what is told."""
    with pytest.raises(ValueError, match="mine"):
        await run_together(trio.sleep_forever, failing_with(ValueError("mine")), trio.sleep_forever)


async def test_nested_nurseries_each_take_off_their_own_group():
    """An error that crosses several of our nurseries is bare at the last."""

    async def inner() -> None:
        await run_together(failing_with(ValueError("mine")), trio.sleep_forever)

    with pytest.raises(ValueError, match="mine"):
        await run_together(inner, trio.sleep_forever)


async def test_a_group_of_the_users_own_stays_whole():
    """What the user's own nursery raised inside ours reaches `except*` with nothing missing."""
    mine = ExceptionGroup("mine", [ValueError(1), KeyError(2)])

    with pytest.raises(ExceptionGroup, match="mine") as caught:
        await run_together(failing_with(mine), trio.sleep_forever)

    assert caught.value.exceptions == mine.exceptions


@pytest.mark.parametrize("order", [1, -1])
async def test_an_interrupt_goes_before_an_error(order):
    """Ctrl-C is never lost behind something that a program may catch and go on from."""
    errors = [ValueError("mine"), KeyboardInterrupt()][::order]

    with pytest.raises(KeyboardInterrupt):
        await run_together(*map(failing_with, errors))


async def test_a_cancellation_is_passed_on(autojump_clock: MockClock):
    """A cancel scope around our nursery catches its own cancellation, and what follows the nursery does not run."""
    reached = False

    with trio.move_on_after(1) as scope:
        await run_together(trio.sleep_forever, trio.sleep_forever)
        reached = True

    assert scope.cancelled_caught
    assert not reached


async def test_a_group_of_cancellations_counts_as_one(autojump_clock: MockClock):
    """An error leaves before it, though the group came first."""

    async def cancelled_twice() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            await trio.sleep_forever()

    with pytest.raises(ValueError, match="mine"):
        await run_together(cancelled_twice, failing_with(ValueError("mine"), after=1))


async def test_without_an_error_nothing_happens():
    """The block ends as it would."""
    await run_together(trio.lowlevel.checkpoint)
