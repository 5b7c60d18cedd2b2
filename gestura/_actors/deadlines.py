"""The four deadlines of a stream: which one is running, and what to say when it has passed.

`Progress` is kept by the actors at no cost but a few assignments. The forwarder, whom all that comes passes, looks at
it while nothing does, and only when a deadline could have passed: a stream that does well never pays for its clocks.
"""

from __future__ import annotations

import enum
import math

import attrs
import trio

from gestura.config import Timeouts
from gestura.errors import ErrorKind, Fault

__all__ = ["Awaited", "Progress"]


class Awaited(enum.Enum):
    """What an attempt waits for. The value is the name of its deadline in `Timeouts`."""

    CONNECTION = "connect"
    FIRST_CONTENT = "first_content"
    NEXT_CONTENT = "idle"


_WORDS = {
    "connect": "no connection",
    "first_content": "no first content",
    "idle": "no further content",
    "total": "the answer was not complete",
}


@attrs.define(eq=False)
class Progress:
    """How far an attempt has come. Times are Trio's, in seconds.

    Args:
        timeouts: how long to wait.
        total: when the whole stream's time is up.
        since: when the wait for `awaited` began.
        heard: when the provider last gave a sign of life, or the user had room for one again.
    """

    timeouts: Timeouts
    total: float
    since: float = attrs.field(factory=trio.current_time, init=False)
    awaited: Awaited = attrs.field(default=Awaited.CONNECTION, init=False)
    heard: float = attrs.field(factory=trio.current_time, init=False)
    _waiting_for_consumer: int = attrs.field(default=0, init=False)
    """How many actors wait for the user."""
    _is_timed_out: bool = attrs.field(default=False, init=False)

    @property
    def consumer_is_slow(self) -> bool:
        """The wait is the user's doing, so `idle` stands still."""
        return self._waiting_for_consumer > 0

    def connected(self) -> None:
        """The connection stands."""
        self.awaited = Awaited.FIRST_CONTENT
        self.since = trio.current_time()

    def response_began(self) -> None:
        """The head of the response is there."""
        self.heard = trio.current_time()

    def bytes_arrived(self) -> None:
        """A part of the body was read."""
        self.heard = trio.current_time()

    def content_arrived(self) -> None:
        """Text, thinking or a part of a tool call was in what was read last."""
        self.awaited = Awaited.NEXT_CONTENT
        self.since = self.heard

    def waits_for_consumer(self, waiting: bool) -> None:
        """An actor waits for the user, or no longer does: the wait for the provider starts anew then."""
        self._waiting_for_consumer += 1 if waiting else -1
        if not waiting:
            self.since = self.heard = trio.current_time()

    def next_look(self) -> float:
        """When to call `timed_out`, if nothing comes."""
        if self._is_timed_out:
            return math.inf
        # A long deadline may be replaced by a shorter one that begins then, so no wait is longer than the shortest.
        shortest = min(_seconds(self.timeouts.first_content), _seconds(self.timeouts.idle))
        return min(self._deadline()[0], trio.current_time() + shortest)

    def timed_out(self) -> Fault | None:
        """The fault to end the attempt with, once, when a deadline has passed."""
        deadline, name = self._deadline()
        if self._is_timed_out or trio.current_time() < deadline:
            return None
        self._is_timed_out = True
        timeout = getattr(self.timeouts, name)
        message = f"{_WORDS[name]} within {timeout:g} s (timeouts.{name})"
        return Fault(kind=ErrorKind.TIMEOUT, code=name, message=message)

    def _deadline(self) -> tuple[float, str]:
        """When the deadline that runs now will pass, and its name in `Timeouts`."""
        name = self.awaited.value
        running = math.inf if self.consumer_is_slow else self.since + _seconds(getattr(self.timeouts, name))
        return (self.total, "total") if self.total <= running else (running, name)


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout
