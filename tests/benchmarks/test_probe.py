"""The probe counts what it is given, however the client cuts or joins it."""

from __future__ import annotations

import time
from itertools import cycle, islice

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.probe import Probe
from benchmarks.workload import STAMP_DIGITS, STAMPED_LENGTH, TOKENS, Workload


def stamped(age_ms: float) -> str:
    """The text of a paced event that was sent so long ago."""
    return f"{time.monotonic_ns() - round(age_ms * 1e6):0{STAMP_DIGITS}d}".ljust(STAMPED_LENGTH, ".")


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_joined_texts_tell_all_their_delays(joins: list[int]) -> None:
    """A client that joins the texts of several events doesn't hide how late each was."""
    workload = Workload(kind="paced", events=sum(joins), rate=50.0)
    probe = Probe(workload)
    for count in joins:  # without `measuring`, which collects garbage each time
        probe("".join(stamped(age_ms=1_000) for _ in range(count)))
    probe.finish()
    values = probe.values()

    assert probe.complete
    assert 1_000 <= values["latency_p50_ms"] <= values["latency_p99_ms"] < 10_000


def test_an_answer_that_lacks_a_character_is_not_complete() -> None:
    """Such a figure is not to be trusted, and says so."""
    workload = Workload(kind="burst", events=10)
    probe = Probe(workload)
    with probe.measuring():
        probe("".join(islice(cycle(TOKENS), 10))[:-1])

    assert probe.values()["complete"] == 0.0


def test_what_gave_no_text_has_no_figures() -> None:
    """A client that could not open its streams is not shown as one that costs nothing."""
    probe = Probe(Workload(kind="paced", events=10, streams=1000, rate=10.0))
    with probe.measuring():
        pass

    assert {"complete": 0.0} == probe.values()


def test_the_curve_has_every_power_of_ten() -> None:
    """Each is passed once, by the piece of text that reaches it."""
    probe = Probe(Workload(kind="arguments", events=10_000))
    with probe.measuring():
        for _ in range(10_000):
            probe("7")

    assert ["cpu_us_until_1000", "cpu_us_until_10000"] == list(probe.curve())
    assert all(cost > 0 for cost in probe.curve().values())


def test_a_paced_workload_counts_from_its_first_event() -> None:
    """What a client does before, such as connecting, is not put down to the events."""
    probe = Probe(Workload(kind="paced", events=2, rate=50.0))
    with probe.measuring():
        sum(range(3_000_000))  # about 30 ms
        probe(stamped(age_ms=0))
        probe(stamped(age_ms=0))

    assert probe.values()["cpu_us_per_event"] < 5_000
