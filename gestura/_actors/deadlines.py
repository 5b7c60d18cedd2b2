"""The four deadlines of a stream: which one is running, and what to say when it has passed.

`Progress` is kept by the actors at no cost but a few assignments; `watch` looks at it only when a deadline could have
passed, so a stream that does well never pays for its clocks.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

import attrs
import trio

from gestura.config import Timeouts
from gestura.errors import ErrorKind, Fault

__all__ = ["Awaited", "Progress", "watch"]


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


@attrs.define
class Progress:
    """How far an attempt has come. Times are Trio's, in seconds.

    Args:
        since: when the wait for `awaited` began.
        connection: set once the connection stands.
        response: set once the head of the response is there.
        heard: when the provider last gave a sign of life, or the user had room for one again.
    """

    since: float = attrs.field(factory=trio.current_time)
    awaited: Awaited = Awaited.CONNECTION
    connection: trio.Event = attrs.field(factory=trio.Event, init=False)
    response: trio.Event = attrs.field(factory=trio.Event, init=False)
    heard: float = attrs.field(factory=trio.current_time, init=False)
    _waiting_for_consumer: int = attrs.field(default=0, init=False)
    """How many actors wait for the user."""

    @property
    def consumer_is_slow(self) -> bool:
        """The wait is the user's doing, so `idle` stands still."""
        return self._waiting_for_consumer > 0

    def connected(self) -> None:
        """The connection stands."""
        self._await(Awaited.FIRST_CONTENT)
        self.connection.set()

    def response_began(self) -> None:
        """The head of the response is there."""
        self.heard = trio.current_time()
        self.response.set()

    def bytes_arrived(self) -> None:
        """A part of the body was read."""
        self.heard = trio.current_time()

    def content_arrived(self) -> None:
        """Text, thinking or a part of a tool call was read."""
        self._await(Awaited.NEXT_CONTENT)

    def waits_for_consumer(self, waiting: bool) -> None:
        """An actor waits for the user, or no longer does: the wait for the provider starts anew then."""
        self._waiting_for_consumer += 1 if waiting else -1
        if not waiting:
            self.since = self.heard = trio.current_time()

    def _await(self, awaited: Awaited) -> None:
        self.awaited = awaited
        self.since = trio.current_time()


def next_deadline(progress: Progress, timeouts: Timeouts, started: float) -> tuple[float, str]:
    """When the deadline that runs now will pass, and its name in `Timeouts`."""
    name = progress.awaited.value
    timeout = getattr(timeouts, name)
    running = math.inf if timeout is None or progress.consumer_is_slow else progress.since + timeout
    total = math.inf if timeouts.total is None else started + timeouts.total
    return (total, "total") if total <= running else (running, name)


async def watch(progress: Progress, timeouts: Timeouts, started: float, on_timeout: Callable[[Fault], None]) -> None:
    """Call `on_timeout`, once, when a deadline has passed.

    Args:
        progress: how far the attempt has come, kept by its actors.
        timeouts: the deadlines.
        started: when the stream began, in Trio's time.
        on_timeout: called with the fault to end the attempt with.
    """
    # Progress may replace a long deadline by a shorter one that begins then, so no sleep is longer than the shortest.
    shortest = min(
        (timeout for timeout in (timeouts.first_content, timeouts.idle) if timeout is not None), default=math.inf
    )
    while True:
        deadline, name = next_deadline(progress, timeouts, started)
        now = trio.current_time()
        if now >= deadline:
            timeout = getattr(timeouts, name)
            on_timeout(
                Fault(
                    kind=ErrorKind.TIMEOUT, code=name, message=f"{_WORDS[name]} within {timeout:g} s (timeouts.{name})"
                )
            )
            return
        await trio.sleep_until(min(deadline, now + shortest))
