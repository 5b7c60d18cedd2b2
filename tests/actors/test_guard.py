"""What the streams of a client share about a provider: each machine beside a plain model of it."""

from __future__ import annotations

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from trio.testing import MockClock

from gestura._actors.guard import (
    COOLING_SECONDS,
    FAILURES_TO_OPEN,
    CircuitBreaker,
    Guard,
    MinuteBudget,
    RetryBudget,
)
from gestura.config import ProviderSettings
from gestura.errors import ErrorKind, Fault
from gestura.usage import TokenUsage

TOLERANCE = 1e-5
"""Seconds or requests by which sums of floats may be off."""


def fault(kind: ErrorKind, **told: object) -> Fault:
    return Fault(kind=kind, message="it failed", **told)


DOWN = fault(ErrorKind.CONNECTION)
COUNTED = [
    fault(ErrorKind.CONNECTION),
    fault(ErrorKind.SERVER, status=500),
    fault(ErrorKind.OVERLOADED, status=503),
    fault(ErrorKind.OVERLOADED, status=529),
    fault(ErrorKind.TIMEOUT, code="connect"),
    fault(ErrorKind.TIMEOUT, code="first_content"),
    fault(ErrorKind.TIMEOUT, code="idle"),
]
NOT_COUNTED = [
    None,
    fault(ErrorKind.BAD_REQUEST, status=400),
    fault(ErrorKind.BAD_REQUEST, status=404),
    fault(ErrorKind.BAD_REQUEST, status=408),
    fault(ErrorKind.BAD_REQUEST, status=409),
    fault(ErrorKind.AUTHENTICATION, status=401),
    fault(ErrorKind.RATE_LIMITED, status=429),
    fault(ErrorKind.QUOTA, status=429),
    fault(ErrorKind.CONTEXT_OVERFLOW, status=400),
    fault(ErrorKind.TIMEOUT, code="total"),
]


# The circuit breaker.


@pytest.mark.parametrize("failure", COUNTED, ids=str)
def test_broken_connections_server_errors_and_timeouts_open_the_circuit(failure: Fault) -> None:
    """Five of them in a row, and the provider is skipped for 30 s."""
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.record(failure, now=7.0)
        assert 0.0 == breaker.seconds_to_wait(now=7.0)
    breaker.record(failure, now=7.0)

    assert COOLING_SECONDS == breaker.seconds_to_wait(now=7.0)
    assert 0.0 == breaker.seconds_to_wait(now=7.0 + COOLING_SECONDS)


@pytest.mark.parametrize("outcome", NOT_COUNTED, ids=str)
def test_neither_an_answer_nor_a_refusal_opens_the_circuit(outcome: Fault | None) -> None:
    """Refused requests, and a deadline of the user's own for the whole stream, say nothing of a provider's health."""
    breaker = CircuitBreaker()
    for _ in range(3 * FAILURES_TO_OPEN):
        breaker.record(outcome, now=0.0)

    assert 0.0 == breaker.seconds_to_wait(now=0.0)


class BreakerMachine(RuleBasedStateMachine):
    """Streams come, are skipped or let through, and succeed, fail or are given up, in any order and at any time.

    The model is the history: what became of the requests, and when the last probe or failure was.
    """

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CircuitBreaker()
        self.now = 0.0
        self.in_flight = 0
        self.counted: list[bool] = []
        self.struck_at = 0.0

    @property
    def is_open(self) -> bool:
        return len(self.counted) >= FAILURES_TO_OPEN and all(self.counted[-FAILURES_TO_OPEN:])

    @rule(seconds=st.sampled_from([0.5, 10.0, COOLING_SECONDS / 2, COOLING_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_stream_comes(self) -> None:
        if self.breaker.seconds_to_wait(self.now):
            return
        self.breaker.let_through(self.now)
        self.in_flight += 1
        if self.is_open:
            self.struck_at = self.now
            assert self.breaker.seconds_to_wait(self.now) == COOLING_SECONDS  # one probe at a time

    @precondition(lambda self: self.in_flight)
    @rule(outcome=st.sampled_from(COUNTED) | st.sampled_from(NOT_COUNTED))
    def a_request_ends(self, outcome: Fault | None) -> None:
        self.in_flight -= 1
        self.breaker.record(outcome, self.now)
        self.counted.append(outcome in COUNTED)
        if self.is_open:
            self.struck_at = self.now

    @precondition(lambda self: self.in_flight)
    @rule()
    def a_request_is_given_up(self) -> None:
        self.in_flight -= 1

    @invariant()
    def is_skipped_exactly_while_it_cools(self) -> None:
        expected = max(0.0, self.struck_at + COOLING_SECONDS - self.now) if self.is_open else 0.0

        assert expected == self.breaker.seconds_to_wait(self.now)


TestBreaker = BreakerMachine.TestCase


# The budget of retries.


class RetryBudgetMachine(RuleBasedStateMachine):
    """Requests and retries in any order: a fifth of the requests, a floor of ten, and one more with each second."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget()
        self.now = 1000.0
        self.requests = 0
        self.retries = 0

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(number=st.integers(1, 20))
    def requests_are_made(self, number: int) -> None:
        self.requests += number
        for _ in range(number):
            self.budget.deposit()

    @rule(number=st.integers(1, 20))
    def retries_are_wanted(self, number: int) -> None:
        self.retries += sum(self.budget.withdraw(self.now) for _ in range(number))

    @rule()
    def a_second_is_enough_for_one_retry(self) -> None:
        self.now += 1.0
        assert self.budget.withdraw(self.now)
        self.retries += 1

    @invariant()
    def retries_stay_a_fifth(self) -> None:
        assert self.retries <= 10 + 0.2 * self.requests + (self.now - 1000.0) + TOLERANCE


TestRetryBudget = RetryBudgetMachine.TestCase


def test_a_storm_of_failures_makes_few_retries() -> None:
    """A hundred streams that all fail, each wanting two retries at once, make thirty: a fifth, and the floor."""
    budget = RetryBudget()
    retries = 0
    for _ in range(100):
        budget.deposit()
        retries += budget.withdraw(now=0.0) + budget.withdraw(now=0.0)

    assert 30 - 1 <= retries <= 30


def test_a_long_quiet_time_saves_up_no_more_than_the_ceiling() -> None:
    """A client that did well for ten thousand requests still makes a hundred retries at once, at the most."""
    budget = RetryBudget()
    for _ in range(10_000):
        budget.deposit()

    assert RetryBudget.CEILING == sum(budget.withdraw(now=0.0) for _ in range(1000))


# The budgets per minute.


def patient_requests(budget: MinuteBudget, amounts: list[float], gaps: list[float]) -> list[float]:
    """When each request is made by a caller who comes after each gap, and waits as long as it is told."""
    now, times = 0.0, []
    for amount, gap in zip(amounts, gaps, strict=True):
        now += gap
        now += budget.seconds_until_room(now)
        assert 0.0 == budget.seconds_until_room(now)  # one wait is enough
        budget.spend(amount, now)
        times.append(now)
    return times


@given(st.floats(0.5, 1000), st.lists(st.floats(0, 40), max_size=60))
@example(60.0, [0.0] * 60)
@example(0.5, [0.0] * 3)
def test_requests_never_exceed_a_burst_and_the_rate(per_minute: float, gaps: list[float]) -> None:
    """In any stretch of time there are at most a minute's requests at once, and the rate's from there on."""
    times = patient_requests(MinuteBudget(per_minute, at_least=1, now=0.0), [1.0] * len(gaps), gaps)

    burst = max(1.0, per_minute)
    for first, begin in enumerate(times):
        for number, end in enumerate(times[first:], start=1):
            assert number <= burst + (end - begin) * per_minute / 60 + TOLERANCE


def test_a_full_minute_s_requests_are_made_at_once_and_the_next_one_waits() -> None:
    """Sixty a minute: sixty at once, then one each second."""
    times = patient_requests(MinuteBudget(60, at_least=1, now=0.0), [1.0] * 63, [0.0] * 63)

    assert [0.0] * 60 == times[:60]
    assert [1.0, 2.0, 3.0] == pytest.approx(times[60:])


def test_what_an_answer_took_too_much_is_waited_off() -> None:
    """Tokens are known only afterwards, so the budget may be overdrawn; the next request waits until it is not."""
    times = patient_requests(MinuteBudget(600, at_least=1, now=0.0), [1600.0, 0.0], [0.0, 0.0])

    assert [0.0, 100.1] == pytest.approx(times)


# All of it.


def guard(**settings: object) -> Guard:
    return Guard(ProviderSettings(kind="openai_chat", model="m", **settings), trio.current_time())


async def turns(of: Guard, number: int) -> list[float]:
    """When each of so many streams that come at once has its turn, in seconds."""
    started, times = trio.current_time(), []

    async def take_turn() -> None:
        await of.wait_for_turn()
        times.append(trio.current_time() - started)

    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(take_turn)
    return times


async def test_streams_that_come_at_once_share_the_requests_of_a_minute(autojump_clock: MockClock) -> None:
    """Two a minute: two at once, and another every half minute."""
    assert [0.0, 0.0, 30.0, 60.0] == pytest.approx(await turns(guard(requests_per_minute=2), 4), abs=TOLERANCE)


async def test_the_stricter_of_two_budgets_decides(autojump_clock: MockClock) -> None:
    """Requests were left, but the last answer took two minutes' tokens."""
    both = guard(requests_per_minute=1000, tokens_per_minute=60)
    await both.wait_for_turn()
    both.record("m", None, TokenUsage(total_tokens=120), trio.current_time())

    assert [61.0] == pytest.approx(await turns(both, 1))


async def test_an_answer_without_counts_takes_nothing(autojump_clock: MockClock) -> None:
    """Usage that was never told is unknown, and holds nobody up."""
    untold = guard(tokens_per_minute=1)
    untold.record("m", None, TokenUsage(input_tokens=50), trio.current_time())
    untold.record("m", None, None, trio.current_time())

    assert [0.0] == await turns(untold, 1)


async def test_without_limits_nobody_waits(autojump_clock: MockClock) -> None:
    """A provider without limits, or without settings, is asked at once by everybody."""
    assert [0.0] * 100 == await turns(guard(), 100)
    assert [0.0] * 100 == await turns(Guard(None, trio.current_time()), 100)


def test_no_retry_is_made_that_would_meet_an_open_circuit() -> None:
    """A retry that would be skipped is not allowed, and costs nothing; one after the cooling time is."""
    of = Guard(None, 0.0)
    for _ in range(FAILURES_TO_OPEN):
        of.record("m", DOWN, None, now=0.0)

    assert not of.allows_retry("m", now=0.0, delay=COOLING_SECONDS - 1)
    assert of.allows_retry("m", now=0.0, delay=COOLING_SECONDS)


def test_each_model_has_a_circuit_of_its_own() -> None:
    """One model that is down is skipped, and the provider's others are not; answered again, it is asked again."""
    of = Guard(None, 0.0)
    for _ in range(FAILURES_TO_OPEN):
        of.record("down", DOWN, None, now=0.0)
        of.record("well", None, None, now=0.0)

    assert (COOLING_SECONDS, 0.0) == (of.seconds_to_wait("down", now=0.0), of.seconds_to_wait("well", now=0.0))

    of.let_through("down", now=COOLING_SECONDS)
    of.record("down", None, None, now=COOLING_SECONDS)

    assert 0.0 == of.seconds_to_wait("down", now=COOLING_SECONDS)
