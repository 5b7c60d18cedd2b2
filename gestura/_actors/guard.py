"""What the streams of a client share about one provider: may it be asked now, and at what rate?

Three pure machines that are told the time (a circuit breaker, a budget of retries, budgets per minute) and one limiter
of Trio's. They keep a thousand streams from hammering a server that is down, and from being refused for their number.
"""

from __future__ import annotations

import math
from typing import Final

import attrs
import trio

from gestura.config import ProviderSettings
from gestura.errors import ErrorKind, Fault

__all__ = ["CircuitBreaker", "Guard", "MinuteBudget", "RetryBudget"]

FAILURES_TO_OPEN: Final = 5
"""Failures in a row after which a provider is skipped."""

COOLING_SECONDS: Final = 30.0
"""How long a provider is skipped before one stream may try it."""

_COUNTED: Final = frozenset({ErrorKind.CONNECTION, ErrorKind.SERVER, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT})


@attrs.define
class CircuitBreaker:
    """Skips a provider that keeps failing.

    Counted are broken connections, server errors and timeouts, never a refused request: that says nothing of the
    provider's health. After the cooling time one stream is let through as a probe; its success closes the circuit.
    """

    _failures: int = 0
    _open_until: float = -math.inf
    _probing: bool = False

    def seconds_to_wait(self, now: float) -> float:
        """How long the provider is skipped still; 0 lets the caller through, and makes it the probe where one is due."""
        if self._failures < FAILURES_TO_OPEN:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        if self._probing:
            return COOLING_SECONDS
        self._probing = True
        return 0.0

    def record(self, fault: Fault | None, now: float) -> None:
        """Note what became of a request that was let through."""
        self._probing = False
        if fault is None or fault.kind not in _COUNTED:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until = now + COOLING_SECONDS

    def abandon(self) -> None:
        """The request that was let through was given up before its outcome was known."""
        self._probing = False


@attrs.define
class RetryBudget:
    """Holds retries to a fifth of the requests, and to a small floor where there are few."""

    SHARE: Final = 0.2
    FLOOR: Final = 10.0
    """Retries that may be made at once, whatever the number of requests."""

    FLOOR_PER_SECOND: Final = 1.0
    CEILING: Final = 100.0

    _balance: float = FLOOR
    _since: float = -math.inf

    def deposit(self) -> None:
        """A request was made that is no retry."""
        self._balance = min(self._balance + self.SHARE, self.CEILING)

    def withdraw(self, now: float) -> bool:
        """Whether a retry may be made; if so, it is counted."""
        if self._balance < self.FLOOR:
            self._balance = min(self._balance + (now - self._since) * self.FLOOR_PER_SECOND, self.FLOOR)
        self._since = now
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True


@attrs.define
class MinuteBudget:
    """A token bucket of `per_minute`, full at first. `None` is no limit."""

    per_minute: float | None
    _level: float = attrs.field(init=False, default=math.nan)
    _since: float = attrs.field(init=False, default=-math.inf)

    def seconds_until_room(self, now: float) -> float:
        """How long to wait until the level is above zero."""
        if self.per_minute is None:
            return 0.0
        self._refill(now)
        return 0.0 if self._level > 0 else (1e-3 - self._level) * 60.0 / self.per_minute

    def spend(self, amount: float, now: float) -> None:
        """Take `amount` out; what was spent is known only afterwards, so the level may fall below zero."""
        if self.per_minute is not None:
            self._refill(now)
            self._level -= amount

    def _refill(self, now: float) -> None:
        assert self.per_minute is not None
        if math.isnan(self._level):
            self._level = self.per_minute
        else:
            self._level = min(self.per_minute, self._level + (now - self._since) * self.per_minute / 60.0)
        self._since = now


class Guard:
    """All of it, for one provider of one client."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.breaker = CircuitBreaker()
        self.retries = RetryBudget()
        self.requests = MinuteBudget(settings.requests_per_minute)
        self.tokens = MinuteBudget(settings.tokens_per_minute)
        self.places = trio.CapacityLimiter(settings.max_concurrent_streams or math.inf)

    async def wait_for_turn(self) -> None:
        """Wait until both minute budgets have room, and take one request out."""
        while wait := max(
            self.requests.seconds_until_room(now := trio.current_time()), self.tokens.seconds_until_room(now)
        ):
            await trio.sleep(wait)
        self.requests.spend(1, trio.current_time())
