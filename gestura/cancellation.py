"""`CancellationToken`: stop or pause streams from any task, thread or signal handler.

A token is in one of three states, and the table of its transitions is the whole of its logic: `pause` counts only while
running, `cancel` always, and nothing leads back. Streams listen; a stream that begins under a token that is not running
any more ends at once.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["CancellationToken", "TokenState", "following"]


class TokenState(enum.Enum):
    """What a token says."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


_ON_PAUSE: Final = {TokenState.RUNNING: TokenState.PAUSED}
_ON_CANCEL: Final = {TokenState.RUNNING: TokenState.CANCELLED, TokenState.PAUSED: TokenState.CANCELLED}


class CancellationToken:
    """Governs any number of streams. Both calls may be made from anywhere, any number of times, at any time.

    >>> token = CancellationToken()
    >>> token.pause()
    >>> token.cancel()
    >>> token.state
    <TokenState.CANCELLED: 'cancelled'>
    """

    def __init__(self) -> None:
        self._state = TokenState.RUNNING
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.RLock()  # a signal handler may interrupt the thread that holds it

    @property
    def state(self) -> TokenState:
        """What the token says now."""
        return self._state

    def cancel(self) -> None:
        """End the streams of this token with `Cancelled`. Beats `pause`."""
        self._move(_ON_CANCEL)

    def pause(self) -> None:
        """End the streams of this token with `Paused`, from which `Client.resume` goes on."""
        self._move(_ON_PAUSE)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, from the thread that changes the state, each time it changes."""
        with self._lock:
            self._listeners.append(listener)

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """The same, while the block runs."""
        self.listen(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def _move(self, transitions: dict[TokenState, TokenState]) -> None:
        with self._lock:
            after = transitions.get(self._state)
            if after is None:
                return
            self._state = after
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


@contextmanager
def following(token: CancellationToken | None) -> Iterator[CancellationToken]:
    """A token that says what `token` says while the block runs, and may be told more without `token` being told.

    >>> token = CancellationToken()
    >>> with following(token) as own:
    ...     own.pause()
    >>> token.state, own.state
    (<TokenState.RUNNING: 'running'>, <TokenState.PAUSED: 'paused'>)
    """
    own = CancellationToken()
    if token is None:
        yield own
        return

    def follow() -> None:
        match token.state:
            case TokenState.CANCELLED:
                own.cancel()
            case TokenState.PAUSED:
                own.pause()

    with token.listening(follow):
        follow()
        yield own
