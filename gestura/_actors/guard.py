"""What the streams of a client share about one provider: may it be asked now, and at what rate?

Three pure machines that are told the time (a circuit breaker, a budget of retries, budgets per minute) and one limiter
of Trio's. They keep a thousand streams from hammering a server that is down, and from being refused for their number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

import attrs
import trio

from gestura.config import ProviderSettings
from gestura.errors import ErrorKind, Fault
from gestura.usage import TokenUsage

__all__ = ["CircuitBreaker", "Guard", "Guards", "MinuteBudget", "RetryBudget"]

FAILURES_TO_OPEN: Final = 5
"""Failures in a row after which a provider is skipped."""

COOLING_SECONDS: Final = 30.0
"""How long a provider is skipped before one stream may try it."""

ROUNDING: Final = 1e-6
"""What a budget may lack: a wait that was computed may end a rounding error too early."""

_COUNTED: Final = frozenset({ErrorKind.CONNECTION, ErrorKind.SERVER, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT})


@attrs.define
class CircuitBreaker:
    """Skips a provider that keeps failing.

    Counted are broken connections, server errors and timeouts in a row. A refused request is none: the provider is
    well enough to refuse. After the cooling time one stream is let through as a probe, and its success closes the
    circuit. Until its outcome is known the others are skipped for one cooling time more, and no longer: a probe that
    hangs, or is given up, keeps nobody out for ever.
    """

    _failures: int = 0
    _open_until: float = -math.inf

    def seconds_to_wait(self, now: float) -> float:
        """How long the provider is still skipped."""
        return max(0.0, self._open_until - now)

    @property
    def has_failures(self) -> bool:
        """Whether the last request failed; if not, it is as good as a new one."""
        return self._failures > 0

    def let_through(self, now: float) -> None:
        """Note that a request is made, which makes it the probe if one is due."""
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until = now + COOLING_SECONDS

    def record(self, fault: Fault | None, now: float) -> None:
        """Note what became of a request that was let through."""
        if fault is None or not _is_counted(fault):
            self._failures = 0
            self._open_until = -math.inf
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_OPEN:
            self._open_until = now + COOLING_SECONDS


def _is_counted(fault: Fault) -> bool:
    return fault.kind in _COUNTED and not (fault.kind is ErrorKind.TIMEOUT and fault.code == "total")


@attrs.define
class RetryBudget:
    """Holds retries to a fifth of the requests, and to a small floor where there are few."""

    SHARE: ClassVar = 0.2
    FLOOR: ClassVar = 10.0
    """Retries that may be made at once, whatever the number of requests."""

    FLOOR_PER_SECOND: ClassVar = 1.0
    CEILING: ClassVar = 100.0

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


class MinuteBudget:
    """A token bucket, full at first, that refills in a minute.

    Args:
        per_minute: what it holds, and what flows in.
        at_least: how full it must be for another request.
        now: Trio's time.
    """

    def __init__(self, per_minute: float, at_least: float, now: float) -> None:
        self._per_minute = per_minute
        self._at_least = at_least
        self._capacity = max(per_minute, at_least)
        self._level = self._capacity
        self._since = now

    def seconds_until_room(self, now: float) -> float:
        """How long to wait until it is full enough."""
        self._refill(now)
        missing = self._at_least - self._level
        return missing * 60.0 / self._per_minute if missing > ROUNDING else 0.0

    def spend(self, amount: float, now: float) -> None:
        """Take `amount` out; what was spent is known only afterwards, so the level may fall below zero."""
        self._refill(now)
        self._level -= amount

    def _refill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._since) * self._per_minute / 60.0)
        self._since = now


class Guard:
    """All of it, for one provider of one client.

    Each of its models has a circuit of its own: one that is overloaded, or broken, keeps nobody from the others.

    Args:
        settings: the provider's; `None` where it isn't configured, and never asked.
        now: Trio's time.
    """

    def __init__(self, settings: ProviderSettings | None, now: float) -> None:
        self._breakers: dict[str, CircuitBreaker] = {}  # of the models that failed last
        self.retries = RetryBudget()
        self.places = trio.CapacityLimiter((settings and settings.max_concurrent_streams) or math.inf)
        self._requests = _budget(settings.requests_per_minute if settings else None, now)
        self._tokens = _budget(settings.tokens_per_minute if settings else None, now)

    def takes_now(self) -> bool:
        """Whether there is a free place and room in both minute budgets; if so, a place and a request are taken."""
        if self._seconds_until_room(trio.current_time()):
            return False
        try:
            self.places.acquire_nowait()
        except trio.WouldBlock:
            return False
        if self._requests:
            self._requests.spend(1, trio.current_time())
        return True

    async def wait_for_turn(self) -> None:
        """Wait until both minute budgets have room, and take one request out. A checkpoint only where it waits."""
        while wait := self._seconds_until_room(trio.current_time()):  # noqa: ASYNC110  # others may take the room
            await trio.sleep(wait)
        if self._requests:
            self._requests.spend(1, trio.current_time())

    def seconds_to_wait(self, model: str, now: float) -> float:
        """How long the model is still skipped."""
        breaker = self._breakers.get(model)
        return breaker.seconds_to_wait(now) if breaker else 0.0

    def let_through(self, model: str, now: float) -> None:
        """Note that a request is made of the model."""
        if breaker := self._breakers.get(model):
            breaker.let_through(now)

    def allows_retry(self, model: str, now: float, delay: float) -> bool:
        """Whether a retry may be made after `delay` seconds; if so, it is counted."""
        return not self.seconds_to_wait(model, now + delay) and self.retries.withdraw(now)

    def record(self, model: str, failure: Fault | None, usage: TokenUsage | None, now: float) -> None:
        """Note what became of a request, and what it took."""
        breaker = self._breakers.setdefault(model, CircuitBreaker())
        breaker.record(failure, now)
        if not breaker.has_failures:
            del self._breakers[model]  # callers of a service may name models without end
        if self._tokens and usage is not None and usage.total_tokens is not None:
            self._tokens.spend(usage.total_tokens, now)

    def _seconds_until_room(self, now: float) -> float:
        return max((budget.seconds_until_room(now) for budget in (self._requests, self._tokens) if budget), default=0.0)


class Guards:
    """Those of a client's providers, by their names in the configuration.

    Args:
        providers: their settings, by name.
    """

    def __init__(self, providers: Mapping[str, ProviderSettings]) -> None:
        self._providers = providers
        self._guards: dict[str, Guard] = {}

    def of(self, name: str) -> Guard:
        """The guard of a provider, whether or not it is configured; one for all streams."""
        if name not in self._guards:
            self._guards[name] = Guard(self._providers.get(name), trio.current_time())
        return self._guards[name]


def _budget(per_minute: float | None, now: float) -> MinuteBudget | None:
    return MinuteBudget(per_minute, at_least=1, now=now) if per_minute else None
