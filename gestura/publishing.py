"""The place for whoever publishes streams, such as `gestura.relay`: their chunks go there as well as to their reader.

A publication must not lose what lasts: a chunk that is lossless waits until there is room in it, as it waits for the
reader. What may be dropped never waits for it. The stream's ending is the one that was published.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, StreamChunk
from gestura.conversation import Request

__all__ = ["Publisher", "Publishing"]


class Publishing(Protocol):
    """One stream that is being published."""

    @property
    def stream_id(self) -> str:
        """Under which name."""

    @property
    def token(self) -> CancellationToken:
        """What ends or pauses the stream: by its user's token, from afar, or since it can't be published any more."""

    def has_room(self) -> bool:
        """Whether a lossless chunk may be offered now."""

    async def wait_for_room(self) -> None:
        """Until a lossless chunk may be offered. No checkpoint where there is room: what room there is is bounded."""

    def offer(self, chunk: StreamChunk) -> None:
        """Publish a chunk that the reader has been given, too. One that may be dropped is, where there is no room."""

    async def end(self, ending: Ending | None) -> Ending:
        """Publish the ending, and return once it is there; `None` is a stream that stopped without one.

        Returns:
            The ending that the stream has now: an `Error`, where it could not be published.
        """


class Publisher(Protocol):
    """Publishes streams."""

    def begin(
        self,
        stream_id: str | None,
        *,
        request: Request | None,
        provider: str | None,
        model: str | None,
        token: CancellationToken | None,
    ) -> AbstractAsyncContextManager[Publishing]:
        """Publish a stream for the length of the block. Left before the stream has ended, it is published as cancelled.

        Args:
            stream_id: its name; one is made up where there is none.
            request: what is asked.
            provider: who is asked.
            model: which model.
            token: the user's.
        """
