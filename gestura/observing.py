"""The place for those who watch streams, such as telemetry: told of each stream, its chunks and its ending.

An observer runs in the stream's own tasks, between two chunks: it must not wait, and what it raises is logged and ends
its watch, not the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from gestura.chunks import Ending, StreamChunk
from gestura.config import ProviderSettings
from gestura.conversation import Request

if TYPE_CHECKING:
    from gestura._actors.statistics import StreamStatistics

__all__ = ["Asked", "Observation", "Observer"]


@attrs.frozen(kw_only=True)
class Asked:
    """What a stream asks.

    Args:
        request: the conversation and what is asked for with it.
        provider: the name of the one that is asked first.
        settings: its settings; `None` where it is not configured.
    """

    request: Request
    provider: str
    settings: ProviderSettings | None


class Observation(Protocol):
    """One stream that is watched."""

    def chunk(self, chunk: StreamChunk) -> None:
        """A chunk is on its way to the user; not the ending."""

    def end(self, ending: Ending | None, statistics: StreamStatistics) -> None:
        """The stream is over; `ending` is `None` where the user left before it had one."""


class Observer(Protocol):
    """Watches the streams of a client."""

    def begin(self, asked: Asked) -> Observation:
        """A stream begins."""
