"""What to do about a failed attempt: try again, go on to the next provider, or end the stream. Pure decisions.

The rules, in the order in which they are asked: what was shown ends the right to a silent retry; a failure that another
try can't mend ends this provider's attempts; so do the policy's limit, a wait that is longer than anyone would wait,
and a wait that would pass the stream's own deadline. The provider's hint is a floor under the delay, never a ceiling.
"""

from __future__ import annotations

import enum
import math
import sys
from typing import Final

import attrs

from gestura.config import RetryPolicy
from gestura.errors import ErrorKind, Fault

__all__ = ["Decision", "Verdict", "backoff", "decide", "is_retryable"]

LONGEST_HINT: Final = 120.0
"""Seconds. A provider that asks for more is as good as down: the official packages stop there too."""

RATE_LIMIT_FLOOR: Final = 5.0
"""Seconds to wait after a rate limit that came without a hint."""

_RETRYABLE: Final = frozenset(
    {
        ErrorKind.RATE_LIMITED,
        ErrorKind.OVERLOADED,
        ErrorKind.SERVER,
        ErrorKind.CONNECTION,
        ErrorKind.TIMEOUT,
        ErrorKind.TRUNCATED,
    }
)
_RETRYABLE_STATUSES: Final = frozenset({408, 409, 429})


class Verdict(enum.Enum):
    """What to do next."""

    RETRY = "retry"
    """Ask the same provider again, after the delay."""

    NEXT_PROVIDER = "next_provider"
    """Leave this provider; the next one may do better."""

    END = "end"
    """End the stream with this failure: no provider would do better, or the user has seen a part of the answer."""


@attrs.frozen
class Decision:
    """What to do next, and after how many seconds."""

    verdict: Verdict
    delay: float = 0.0


def is_retryable(fault: Fault) -> bool:
    """Whether another try at the same provider may succeed.

    What the provider says outright (`x-should-retry`) goes before what its failure looks like, except where waiting
    can't help: a spent quota, a context that is too long, a provider that isn't configured, a whole-stream deadline.
    """
    match fault.kind:
        case ErrorKind.QUOTA | ErrorKind.CONTEXT_OVERFLOW | ErrorKind.NOT_CONFIGURED | ErrorKind.INTERNAL:
            return False
        case ErrorKind.TIMEOUT if fault.code == "total":
            return False
    if fault.should_retry is not None:
        return fault.should_retry
    return fault.kind in _RETRYABLE or fault.status in _RETRYABLE_STATUSES


def backoff(policy: RetryPolicy, retry: int, random: float) -> float:
    """Seconds to wait before retry number `retry`, which counts from 1; none before the first attempt.

    Args:
        policy: the curve.
        retry: 0 for the first attempt, 1 for the first retry.
        random: a number from 0 to 1, for the jitter.
    """
    if retry < 1:
        return 0.0
    try:
        growth = policy.multiplier ** (retry - 1)
    except OverflowError:
        growth = sys.float_info.max
    delay = min(policy.initial_delay * growth, policy.max_delay)
    return max(0.0, delay * (1.0 + policy.jitter * (2.0 * random - 1.0)))


def decide(
    fault: Fault, *, policy: RetryPolicy, attempt: int, shown: bool, seconds_left: float, random: float
) -> Decision:
    """What to do about `fault`.

    Args:
        fault: why the attempt failed.
        policy: how often, and how long to wait.
        attempt: which attempt at this provider failed, from 1.
        shown: the user has seen text, thinking or a tool call of it.
        seconds_left: until the stream's own deadline; infinite where it has none.
        random: a number from 0 to 1, for the jitter.
    """
    if shown or fault.kind is ErrorKind.CONTEXT_OVERFLOW or seconds_left <= 0:
        return Decision(Verdict.END)
    if not is_retryable(fault) or attempt >= policy.max_attempts:
        return Decision(Verdict.NEXT_PROVIDER)
    delay = backoff(policy, attempt, random)
    hint = fault.retry_after
    if hint is not None and 0 < hint < math.inf:
        if hint > LONGEST_HINT:
            return Decision(Verdict.NEXT_PROVIDER)
        delay = max(delay, hint)
    elif fault.kind is ErrorKind.RATE_LIMITED:
        delay = max(delay, RATE_LIMIT_FLOOR)
    if delay >= seconds_left:
        return Decision(Verdict.NEXT_PROVIDER)
    return Decision(Verdict.RETRY, delay)
