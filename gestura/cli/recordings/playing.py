"""A recording played through a client: the engine of a live stream, with the recording for a network.

Its time is the recording's own, at any speed: deadlines, delays before retries and the user's cancellation come in it
as they came then. Without a speed it is virtual, and jumps to whatever comes next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import trio

from gestura._actors.groups import bare_errors
from gestura._open_client import open_client
from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, StreamChunk
from gestura.cli.interrupts import run_until_interrupted
from gestura.config import StreamingConfig
from gestura.recording import RecordedStream
from gestura.transport.recording import playing_transport

__all__ = ["play", "through"]

INTERRUPTED: Final = ("cancelled", "paused")
"""Endings that the user brought about, as recordings name them."""


def play(stream: RecordedStream, show: Callable[[StreamChunk], None], *, speed: float | None) -> None:
    """Play one stream to its ending, or to where its user left it.

    Args:
        stream: what was recorded.
        show: is told each chunk, and may take its time.
        speed: how many times as fast as it was; `None` is without any waiting.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    from trio.testing import MockClock  # here, for it imports pytest, which other commands have no use for

    clock = MockClock(rate=speed or 0.0, autojump_threshold=math.inf if speed else 0.0)
    run_until_interrupted(partial(_play, stream, show), clock=clock)


async def _play(stream: RecordedStream, show: Callable[[StreamChunk], None]) -> None:
    # No jitter: a recording plays the same each time.
    config = attrs.evolve(stream.config, retry=attrs.evolve(stream.config.retry, jitter=0.0))
    token = CancellationToken()
    transport = playing_transport(stream.recording)
    with bare_errors(), trio.CancelScope() as left:
        async with (
            trio.open_nursery() as nursery,
            open_client(config, transport=transport) as client,
            client.stream("what was asked is in the recording", token=token) as chunks,
        ):
            if stream.ending in INTERRUPTED:
                nursery.start_soon(_interrupt, stream, token)
            elif stream.ending is None:
                left.deadline = trio.current_time() + stream.seconds
            async for chunk in chunks:
                show(chunk)
                if isinstance(chunk, Ending):
                    nursery.cancel_scope.cancel()


async def _interrupt(stream: RecordedStream, token: CancellationToken) -> None:
    await trio.sleep(stream.seconds)
    if stream.ending == "paused":
        token.pause()
    else:
        token.cancel()


def through(stream: RecordedStream, config: StreamingConfig) -> RecordedStream:
    """The stream as `config` would have it: its deadlines, limits and retries, and what it says of those who were
    asked, but for where they are.
    """
    providers = {
        name: attrs.evolve(config.providers.get(name, settings), base_url=settings.base_url, api_key="", headers={})
        for name, settings in stream.config.providers.items()
    }
    told = attrs.evolve(
        config, primary=stream.config.primary, fallback=stream.config.fallback, providers=providers, transport=None
    )
    return attrs.evolve(stream, config=told)
