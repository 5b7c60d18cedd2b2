"""The actor that speaks while a provider is silent, where the provider has words for it.

Its chunks are `Status`, delivered at best effort. It ends with its attempt and keeps nothing waiting: no actor waits
for it, and leaving the attempt's nursery cancels it wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from gestura._actors.deadlines import Progress
from gestura._actors.forwarder import Sink
from gestura.chunks import Status
from gestura.providers.waiting import WaitingWords

__all__ = ["SECONDS_OF_SILENCE", "speak_while_waiting"]

SECONDS_OF_SILENCE: Final = 30.0
"""How long a person is left without a word: long enough not to chatter, short enough not to be taken for a hang."""


async def speak_while_waiting(
    progress: Progress, words: WaitingWords, sink: Sink, has_greeted: Callable[[], bool]
) -> None:
    """Say that the provider is at work, whenever it gives no sign of that itself. Ends when it is cancelled.

    Args:
        progress: how far the attempt has come, kept by its actors.
        words: what to say.
        sink: where to say it.
        has_greeted: whether the connection has been told of already, as it is where there was room at once.
    """
    try:
        await _repeat_until(progress.connection, words.loading, sink)
        if not has_greeted():
            await sink.send(Status(words.connected))
        await _repeat_until(progress.response, words.loading, sink)
        await _repeat_in_silence(progress, words.working, sink)
    except trio.BrokenResourceError:
        return  # the user has gone


async def _repeat_until(event: trio.Event, message: str, sink: Sink) -> None:
    while not event.is_set():
        with trio.move_on_after(SECONDS_OF_SILENCE) as silence:
            await event.wait()
        if silence.cancelled_caught:
            await sink.send(Status(message))


async def _repeat_in_silence(progress: Progress, message: str, sink: Sink) -> None:
    spoken = progress.heard
    while True:
        due = max(spoken, progress.heard) + SECONDS_OF_SILENCE
        if trio.current_time() < due:
            await trio.sleep_until(due)
            continue
        spoken = trio.current_time()
        if not progress.consumer_is_slow:  # else it is the user who is silent
            await sink.send(Status(message))
