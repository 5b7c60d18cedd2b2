"""How a `CancellationToken` reaches into a running stream: it cancels the scopes that may be interrupted.

Interruptible are the waits: reading from the socket, the pause before a retry, the queue for a free place. What was
read already goes its way, so an interrupted stream loses nothing it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Final

import trio

from gestura.cancellation import CancellationToken, TokenState

__all__ = ["Interrupt"]

_NO_TOKEN: Final = nullcontext()


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

    def listening(self) -> AbstractContextManager[None]:
        """For the length of the block, the token's changes cancel the scopes that are open."""
        return _NO_TOKEN if self._token is None else self._token.listening(self._waker())

    def _waker(self) -> Callable[[], None]:
        entry = trio.lowlevel.current_trio_token()

        def wake() -> None:
            with suppress(trio.RunFinishedError):  # the stream has ended with its `trio.run`
                entry.run_sync_soon(self._cancel_scopes, idempotent=True)

        return wake

    @contextmanager
    def scope(self) -> Iterator[trio.CancelScope]:
        """A cancel scope that the token cancels, at once if it has spoken already."""
        with trio.CancelScope() as scope:
            self.add(scope)
            try:
                yield scope
            finally:
                self.remove(scope)

    def add(self, scope: trio.CancelScope) -> None:
        """Let the token cancel a scope, too, until it is removed."""
        self._scopes.append(scope)
        if self.has_struck():
            scope.cancel()

    def remove(self, scope: trio.CancelScope) -> None:
        """Let the token leave a scope alone again."""
        self._scopes.remove(scope)

    def _cancel_scopes(self) -> None:
        for scope in self._scopes:
            scope.cancel()
