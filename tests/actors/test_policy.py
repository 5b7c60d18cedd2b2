"""What is done about a failed attempt: each rule of retrying is a row of a table, and each law a property."""

from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura._actors.policy import (
    LONGEST_HINT,
    RATE_LIMIT_FLOOR,
    Decision,
    Verdict,
    backoff,
    decide,
    is_retryable,
)
from gestura.config import RetryPolicy
from gestura.errors import ErrorKind, Fault

STEADY = RetryPolicy(jitter=0)
"""The default policy, without chance."""

RETRYABLE_KINDS = {
    ErrorKind.CONNECTION,
    ErrorKind.TIMEOUT,
    ErrorKind.TRUNCATED,
    ErrorKind.RATE_LIMITED,
    ErrorKind.OVERLOADED,
    ErrorKind.SERVER,
}
HOPELESS_KINDS = {ErrorKind.QUOTA, ErrorKind.CONTEXT_OVERFLOW, ErrorKind.NOT_CONFIGURED, ErrorKind.INTERNAL}
"""Failures that no word of the provider's makes worth another try."""


def failing(kind: ErrorKind = ErrorKind.SERVER, **told: object) -> Fault:
    return Fault(kind=kind, message="it failed", **told)


def decided(
    fault: Fault,
    *,
    policy: RetryPolicy = STEADY,
    attempt: int = 1,
    shown: bool = False,
    seconds_left: float = math.inf,
    random: float = 0.5,
) -> Decision:
    return decide(fault, policy=policy, attempt=attempt, shown=shown, seconds_left=seconds_left, random=random)


def retry_after(seconds: float) -> Decision:
    return Decision(Verdict.RETRY, seconds)


NEXT_PROVIDER = Decision(Verdict.NEXT_PROVIDER)
END = Decision(Verdict.END)


# Which failures another try may mend.


@pytest.mark.parametrize("kind", list(ErrorKind), ids=lambda kind: kind.value)
def test_the_sort_of_failure_says_whether_another_try_may_help(kind: ErrorKind) -> None:
    """Connections, timeouts, truncations, rate limits, overload and server errors are tried again, and nothing else."""
    assert (kind in RETRYABLE_KINDS) == is_retryable(failing(kind))


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(400, False), (404, False), (405, False), (408, True), (409, True), (413, False), (422, False), (425, False)],
)
def test_of_refused_requests_only_408_and_409_are_tried_again(status: int, retryable: bool) -> None:
    """ "Request timeout" and "conflict" are passing states, told by a status of the refusing class."""
    assert retryable == is_retryable(failing(ErrorKind.BAD_REQUEST, status=status))


@pytest.mark.parametrize("status", [400, 402, 403, 429, 500, 503])
@pytest.mark.parametrize("said", [None, True, False])
def test_a_spent_quota_is_final_whatever_status_carries_it(status: int, said: bool | None) -> None:
    """No wait refills an account, even where the status, or `x-should-retry`, says that it may."""
    assert not is_retryable(failing(ErrorKind.QUOTA, status=status, should_retry=said))


@pytest.mark.parametrize("kind", list(ErrorKind), ids=lambda kind: kind.value)
def test_what_the_provider_says_outright_is_obeyed(kind: ErrorKind) -> None:
    """`x-should-retry: false` ends every attempt; `true` allows another, except where waiting can't help."""
    assert not is_retryable(failing(kind, should_retry=False))
    assert (kind not in HOPELESS_KINDS) == is_retryable(failing(kind, should_retry=True))


@pytest.mark.parametrize(
    ("deadline", "retryable"), [("connect", True), ("first_content", True), ("idle", True), ("total", False)]
)
def test_of_the_deadlines_only_the_whole_stream_s_is_final(deadline: str, retryable: bool) -> None:
    """When the stream's own time is up, there is none left to try again in."""
    assert retryable == is_retryable(failing(ErrorKind.TIMEOUT, code=deadline))


# How long to wait.


def test_the_delays_double_up_to_the_longest() -> None:
    """1 s, 2 s, 4 s, 8 s, and 8 s from there on; none before the first attempt."""
    assert [0.0, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0] == [backoff(STEADY, retry, 0.5) for retry in range(7)]


@pytest.mark.parametrize(("random", "delay"), [(0.0, 1.5), (0.5, 2.0), (1.0, 2.5)])
def test_jitter_varies_a_delay_by_a_quarter_either_way(random: float, delay: float) -> None:
    """The default jitter is 25 % of the delay."""
    assert delay == backoff(RetryPolicy(), 2, random)


def test_jitter_comes_on_top_of_the_longest_delay() -> None:
    """The cap is put on the delay before the jitter, so that capped clients do not come back at once either."""
    assert 10.0 == backoff(RetryPolicy(), 9, 1.0)


def policies() -> st.SearchStrategy[RetryPolicy]:
    return st.builds(
        RetryPolicy,
        max_attempts=st.integers(1, 2000),
        initial_delay=st.floats(0, 1000),
        max_delay=st.floats(0, 1000),
        multiplier=st.floats(1, 1000),
        jitter=st.floats(0, 1),
    )


def chances() -> st.SearchStrategy[float]:
    return st.floats(0, 1)


@given(policies(), st.integers(0, 2000), chances())
@example(RetryPolicy(multiplier=10.0), 400, 0.5)  # 10.0 ** 399 is no float
@example(RetryPolicy(multiplier=10.0, initial_delay=0.0), 400, 0.5)
def test_a_delay_is_within_its_jitter_of_the_capped_curve(policy: RetryPolicy, retry: int, random: float) -> None:
    """Whatever the policy, a delay lies between 1 - jitter and 1 + jitter times the curve's, and within the cap's."""
    delay = backoff(policy, retry, random)

    assert 0.0 <= delay <= policy.max_delay * (1 + policy.jitter)
    if retry <= 20 and retry > 0:  # beyond that a plain product would not be a plain model
        curve = min(policy.max_delay, math.prod([policy.initial_delay, *[policy.multiplier] * (retry - 1)]))
        assert curve * (1 - policy.jitter) <= delay * (1 + 1e-9)
        assert delay <= curve * (1 + policy.jitter) * (1 + 1e-9)


@given(policies(), st.integers(0, 2000))
def test_without_chance_delays_never_shrink(policy: RetryPolicy, retry: int) -> None:
    """A later retry never waits shorter than an earlier one."""
    assert backoff(policy, retry, 0.5) <= backoff(policy, retry + 1, 0.5)


# What to do: each rule, and its edges.

RULES = {
    "a failure is tried again after the curve's delay": (
        decided(failing()),
        retry_after(1.0),
    ),
    "the second retry waits for the curve's second delay": (
        decided(failing(), attempt=2),
        retry_after(2.0),
    ),
    "after max_attempts the next provider is asked": (
        decided(failing(), attempt=3),
        NEXT_PROVIDER,
    ),
    "max_attempts=1 is no retry at all": (
        decided(failing(), policy=RetryPolicy(max_attempts=1)),
        NEXT_PROVIDER,
    ),
    "a failure that another try can't mend goes to the next provider": (
        decided(failing(ErrorKind.BAD_REQUEST, status=400)),
        NEXT_PROVIDER,
    ),
    "an unconfigured provider is passed over": (
        decided(failing(ErrorKind.NOT_CONFIGURED)),
        NEXT_PROVIDER,
    ),
    "a refused model is passed over": (
        decided(failing(ErrorKind.BAD_REQUEST, status=404, code="model_not_found")),
        NEXT_PROVIDER,
    ),
    "a hint that is longer than the delay wins": (
        decided(failing(retry_after=7.0)),
        retry_after(7.0),
    ),
    "a hint is a floor, so a longer delay stays": (
        decided(failing(retry_after=0.5), attempt=2),
        retry_after(2.0),
    ),
    "a rate limit without a hint waits for 5 s": (
        decided(failing(ErrorKind.RATE_LIMITED, status=429)),
        retry_after(5.0),
    ),
    "a rate limit's longer delay stays": (
        decided(failing(ErrorKind.RATE_LIMITED), policy=RetryPolicy(initial_delay=8.0, jitter=0)),
        retry_after(8.0),
    ),
    "a rate limit with a hint waits for that, shorter than 5 s too": (
        decided(failing(ErrorKind.RATE_LIMITED, retry_after=2.0)),
        retry_after(2.0),
    ),
    "overload without a hint waits for the curve's delay": (
        decided(failing(ErrorKind.OVERLOADED, status=529)),
        retry_after(1.0),
    ),
    "a hint of 120 s is obeyed": (
        decided(failing(retry_after=LONGEST_HINT)),
        retry_after(120.0),
    ),
    "a longer hint ends this provider's attempts": (
        decided(failing(retry_after=120.1)),
        NEXT_PROVIDER,
    ),
    "a hint beyond the stream's own deadline ends this provider's attempts": (
        decided(failing(retry_after=30.0), seconds_left=20.0),
        NEXT_PROVIDER,
    ),
    "a delay beyond the stream's own deadline does, too": (
        decided(failing(), attempt=2, seconds_left=1.5),
        NEXT_PROVIDER,
    ),
    "a wait that would end with the deadline is no use": (
        decided(failing(retry_after=30.0), seconds_left=30.0),
        NEXT_PROVIDER,
    ),
    "when the stream's time is up, no provider is asked": (
        decided(failing(ErrorKind.TIMEOUT, code="total"), seconds_left=0.0),
        END,
    ),
    "after output nothing is asked again": (
        decided(failing(ErrorKind.CONNECTION), shown=True),
        END,
    ),
    "an overflow ends the stream: it would overflow again": (
        decided(failing(ErrorKind.CONTEXT_OVERFLOW)),
        END,
    ),
    "x-should-retry: false is obeyed on a status that is usually tried again": (
        decided(failing(status=503, should_retry=False)),
        NEXT_PROVIDER,
    ),
    "x-should-retry: true is obeyed on a status that usually is not": (
        decided(failing(ErrorKind.BAD_REQUEST, status=400, should_retry=True)),
        retry_after(1.0),
    ),
    "x-should-retry: true gives no attempt more than the policy": (
        decided(failing(should_retry=True), attempt=3),
        NEXT_PROVIDER,
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_retrying(rule: str) -> None:
    """The rule that names the row."""
    got, expected = RULES[rule]

    assert expected == got


@pytest.mark.parametrize("hint", [math.nan, math.inf, -math.inf, -1.0, -0.0, 0.0, None])
def test_a_hint_that_is_no_time_is_ignored(hint: float | None) -> None:
    """NaN, infinite, negative and past hints change nothing: the curve counts, and a rate limit's floor."""
    assert retry_after(1.0) == decided(failing(retry_after=hint))
    assert retry_after(RATE_LIMIT_FLOOR) == decided(failing(ErrorKind.RATE_LIMITED, retry_after=hint))


# Laws over all failures, policies and hints.


def faults() -> st.SearchStrategy[Fault]:
    return st.builds(
        Fault,
        kind=st.sampled_from(ErrorKind),
        message=st.just("it failed"),
        status=st.none() | st.integers(300, 599),
        code=st.sampled_from([None, "total", "idle", "overloaded"]),
        retry_after=st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 200),
        should_retry=st.none() | st.booleans(),
    )


@given(faults(), policies(), st.integers(1, 2000), st.booleans(), st.floats(-10, 1000) | st.just(math.inf), chances())
def test_the_laws_of_retrying(
    fault: Fault, policy: RetryPolicy, attempt: int, shown: bool, seconds_left: float, random: float
) -> None:
    """A retry is within the policy, the deadline and the longest hint, never silent repetition, never before a hint."""
    decision = decided(fault, policy=policy, attempt=attempt, shown=shown, seconds_left=seconds_left, random=random)

    if decision.verdict is not Verdict.RETRY:
        assert 0.0 == decision.delay
        return
    assert not shown
    assert is_retryable(fault)
    assert attempt < policy.max_attempts
    assert backoff(policy, attempt, random) <= decision.delay < seconds_left
    assert decision.delay <= max(LONGEST_HINT, policy.max_delay * (1 + policy.jitter))
    hint = fault.retry_after
    if hint is not None and math.isfinite(hint):
        assert hint <= decision.delay
    elif fault.kind is ErrorKind.RATE_LIMITED:
        assert decision.delay >= RATE_LIMIT_FLOOR


@given(faults(), policies(), st.integers(1, 2000), chances())
def test_what_was_shown_decides_before_everything_else(
    fault: Fault, policy: RetryPolicy, attempt: int, random: float
) -> None:
    """Once the user has seen a part of the answer, there is one decision."""
    assert END == decided(fault, policy=policy, attempt=attempt, shown=True, random=random)


@given(faults(), policies(), st.integers(1, 2000), chances())
def test_a_longer_hint_never_brings_a_retry_forward(
    fault: Fault, policy: RetryPolicy, attempt: int, random: float
) -> None:
    """The provider's hint can only make the wait longer, or end the attempts."""
    unhinted = attrs.evolve(fault, retry_after=None, kind=ErrorKind.SERVER)
    hinted = attrs.evolve(unhinted, retry_after=fault.retry_after)
    before = decided(unhinted, policy=policy, attempt=attempt, random=random)
    after = decided(hinted, policy=policy, attempt=attempt, random=random)

    assert after.verdict in (before.verdict, Verdict.NEXT_PROVIDER)
    assert after.verdict is not Verdict.RETRY or after.delay >= before.delay
