"""When a publisher is dead."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.relay.log import Position, StreamState
from gestura.relay.pulse import Pulse

DEAD_AFTER, LOOK = 10.0, 2.5
STATE = StreamState(about=b"", publisher="a", term=1, beat=1)

GAPS = st.lists(st.floats(0, 100), max_size=40)


def times(gaps: list[float]) -> list[float]:
    return [sum(gaps[: count + 1]) for count in range(len(gaps))]


@given(GAPS)
def test_nobody_is_dead_too_early(gaps: list[float]) -> None:
    """Not before so many seconds have passed; and of a gap in looking, no more than two looks count."""
    pulse = Pulse(DEAD_AFTER, LOOK)
    pulse.look(STATE, 0)
    silence = 0.0
    for gap, now in zip(gaps, times(gaps), strict=True):
        silence += min(gap, 2 * LOOK)
        if pulse.look(STATE, now):
            assert silence >= DEAD_AFTER - 1e-6


@given(st.floats(0.01, LOOK))
def test_who_is_silent_while_somebody_looks_is_dead_in_time(gap: float) -> None:
    """Within `dead_after` and one look."""
    pulse = Pulse(DEAD_AFTER, LOOK)
    now = 0.0
    while not pulse.look(STATE, now):
        now += gap

    assert DEAD_AFTER - 1e-6 <= now <= DEAD_AFTER + gap + 1e-6


@pytest.mark.parametrize("sign", [{"beat": 2}, {"last": Position(1, 1)}, {"publisher": "b", "term": 2}])
def test_a_sign_of_life_counts(sign: dict[str, object]) -> None:
    """A beat, an entry, a new publisher: the silence begins anew."""
    pulse = Pulse(DEAD_AFTER, LOOK)
    for now in (0.0, 2.5, 5.0, 7.5):
        pulse.look(STATE, now)
    alive = attrs.evolve(STATE, **sign)

    assert [False] * 4 + [True] == [pulse.look(alive, now) for now in (10.0, 12.5, 15.0, 17.5, 20.0)]


def test_a_log_that_was_away_makes_nobody_dead() -> None:
    """An hour in which nobody could look is no hour of silence."""
    pulse = Pulse(DEAD_AFTER, LOOK)
    pulse.look(STATE, 0)

    assert not pulse.look(STATE, 3600)
