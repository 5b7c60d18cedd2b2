"""What the simulator saw of a request, for tests to assert on.

Records are made in the server's thread before the first byte of the answer, and read in the test's.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Mapping
from typing import Any

import attrs
import trio

__all__ = ["Outcome", "SeenRequest"]


class Outcome(enum.Enum):
    """How the answer to a request ended."""

    SENT = "sent"
    """All that was planned happened, the planned faults too."""

    CLIENT_LEFT = "client_left"
    """The client closed the connection before the end."""

    STOPPED = "stopped"
    """The simulator was shut down before the end."""


@attrs.define(kw_only=True, eq=False)
class SeenRequest:
    """One request and what became of its answer.

    Args:
        method: of HTTP.
        path: with the query, as sent.
        headers: case-insensitive. They may hold a key, so `repr` leaves them out.
        body: parsed JSON; `None` where it was not JSON.
        bytes_sent: bytes of the response's body that the kernel has taken, growing.
        outcome: how the answer ended; `None` while it is under way.
    """

    method: str
    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Any = attrs.field(repr=False)
    bytes_sent: int = 0
    outcome: Outcome | None = None
    _ended: threading.Event = attrs.field(factory=threading.Event, init=False, repr=False)

    def end(self, outcome: Outcome) -> None:
        """The server is done with the request."""
        self.outcome = outcome
        self._ended.set()

    async def ended(self) -> Outcome:
        """Wait, in Trio, until the answer has ended, and tell how. Cancellation leaves at once.

        The simulator ends every answer when it shuts down, so this returns by then.
        """
        await trio.to_thread.run_sync(self._ended.wait, abandon_on_cancel=True)
        assert self.outcome is not None  # noqa: S101  # set before the event
        return self.outcome
