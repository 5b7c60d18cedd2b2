"""How a `CancellationToken` reaches into a running stream: it cancels the scopes that may be interrupted.

Interruptible are the waits: reading from the socket, the pause before a retry, the queue for a free place. What was
read already goes its way, so an interrupted stream loses nothing it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import trio

from gestura.cancellation import CancellationToken, TokenState

__all__ = ["Interrupt"]


class Interrupt:
    """The token, as one stream sees it, inside Trio."""

    def __init__(self, token: CancellationToken | None) -> None:
        self._token = token
        self._scopes: list[trio.CancelScope] = []

    @property
    def token(self) -> CancellationToken:
        """The token; one is made where the user gave none."""
        if self._token is None:
            self._token = CancellationToken()
            self._token.listen(self._waker())
        return self._token

    @property
    def state(self) -> TokenState:
        """What the token says now."""
        return self._token.state if self._token else TokenState.RUNNING

    def has_struck(self) -> bool:
        """Whether the stream is to end."""
        return self.state is not TokenState.RUNNING

    @contextmanager
    def listening(self) -> Iterator[None]:
        """For the length of the block, the token's changes cancel the scopes that are open."""
        if self._token is None:
            yield
            return
        with self._token.listening(self._waker()):
            yield

    def _waker(self) -> Callable[[], None]:
        entry = trio.lowlevel.current_trio_token()

        def wake() -> None:
            with suppress(trio.RunFinishedError):  # the stream has ended with its `trio.run`
                entry.run_sync_soon(self._cancel_scopes, idempotent=True)

        return wake

    @contextmanager
    def scope(self, scope: trio.CancelScope | None = None) -> Iterator[trio.CancelScope]:
        """A cancel scope, this one or a new one, that the token cancels, at once if it has spoken already."""
        with scope or trio.CancelScope() as scope:
            self._scopes.append(scope)
            try:
                if self.has_struck():
                    scope.cancel()
                yield scope
            finally:
                self._scopes.remove(scope)

    def _cancel_scopes(self) -> None:
        for scope in self._scopes:
            scope.cancel()
