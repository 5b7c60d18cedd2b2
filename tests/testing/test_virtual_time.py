"""Virtual time passes at once, runs with a seed repeat, and what hangs fails."""

from __future__ import annotations

import random
import time

import pytest
import trio

from gestura.testing import deterministic, run_in_virtual_time


async def shuffled(tasks: int = 20) -> list[float]:
    """The order in which Trio runs tasks that are all ready, and a number of the `random` module."""
    order: list[float] = []

    async def one(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(one, number)
    return [*order, random.random()]


def test_years_pass_at_once() -> None:
    """A run that sleeps for a year takes no time, and its clock begins at zero."""

    async def year() -> float:
        began = trio.current_time()
        await trio.sleep(365 * 86_400)
        return began

    before = time.monotonic()

    assert 0.0 == run_in_virtual_time(year)
    assert time.monotonic() - before < 5


def test_what_hangs_fails() -> None:
    """A run that waits for what never comes ends with an exception."""
    with pytest.raises(trio.TooSlowError):
        run_in_virtual_time(trio.sleep_forever)


@pytest.mark.parametrize("seed", [0, 17])
def test_a_seed_repeats_a_run(seed: int) -> None:
    """With a seed, tasks run in the same order and dice fall in the same way; with another, they do not."""
    first = run_in_virtual_time(shuffled, seed=seed)

    assert first == run_in_virtual_time(shuffled, seed=seed)
    assert first != run_in_virtual_time(shuffled, seed=seed + 1)


def test_what_was_random_stays_random() -> None:
    """After a seeded block the `random` module goes on as if it had not been."""
    random.seed(5)
    expected = [random.random(), random.random()]
    random.seed(5)
    got = [random.random()]
    with deterministic(1):
        random.random()
    got.append(random.random())

    assert expected == got


def test_a_trio_that_cannot_be_seeded_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Trio's insides have changed, only the order of tasks is left to chance."""
    dice = trio._core._run._r

    class Other:
        _ALLOW_DETERMINISTIC_SCHEDULING = False

    monkeypatch.setattr("gestura.testing.virtual_time.scheduler", Other)
    before = dice.getstate()
    with deterministic(3):
        once = random.random()
    with deterministic(3):
        assert once == random.random()

    assert before == dice.getstate()
