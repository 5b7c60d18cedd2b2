"""The actor that speaks while a provider is silent, where the provider has words for it.

Its chunks are `Status`, delivered at best effort. It ends when its attempt stops it and keeps nothing waiting: no actor
waits for it, and it may be stopped wherever it stands.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import trio

from gestura._actors.deadlines import Progress
from gestura._actors.outlet import Sink
from gestura.chunks import Status
from gestura.providers.waiting import WaitingWords

__all__ = ["SECONDS_OF_SILENCE", "Speaker"]

SECONDS_OF_SILENCE: Final = 30.0
"""How long a person is left without a word: long enough not to chatter, short enough not to be taken for a hang."""


class Speaker:
    """Says that the provider is at work, whenever it gives no sign of that itself.

    Args:
        words: what to say.
        progress: how far the attempt has come, kept by its actors.
        sink: where to say it.
    """

    def __init__(self, words: WaitingWords, progress: Progress, sink: Sink) -> None:
        self._words = words
        self._progress = progress
        self._sink = sink
        self._connection = trio.Event()
        self._response = trio.Event()
        self._has_greeted = False
        self._speaking = trio.CancelScope()

    def connected(self) -> None:
        """The connection stands: told at once where there is room, before what the provider says."""
        with suppress(trio.WouldBlock, trio.BrokenResourceError):  # then it is left to the actor
            self._sink.send_nowait(Status(self._words.connected))
            self._has_greeted = True
        self._connection.set()

    def response_began(self) -> None:
        """The head of the response is there."""
        self._response.set()

    def stop(self) -> None:
        """Be silent from now on."""
        self._speaking.cancel()

    async def run(self) -> None:
        """Speak until stopped, or until the user has gone."""
        with self._speaking, suppress(trio.BrokenResourceError):
            await self._repeat_until(self._connection)
            if not self._has_greeted:
                await self._sink.send(Status(self._words.connected))
            await self._repeat_until(self._response)
            await self._repeat_in_silence()

    async def _repeat_until(self, event: trio.Event) -> None:
        while not event.is_set():
            with trio.move_on_after(SECONDS_OF_SILENCE) as silence:
                await event.wait()
            if silence.cancelled_caught:
                await self._sink.send(Status(self._words.loading))

    async def _repeat_in_silence(self) -> None:
        spoken = self._progress.heard
        while True:
            due = max(spoken, self._progress.heard) + SECONDS_OF_SILENCE
            if trio.current_time() < due:
                await trio.sleep_until(due)
                continue
            spoken = trio.current_time()
            if not self._progress.consumer_is_slow:  # else it is the user who is silent
                await self._sink.send(Status(self._words.working))
