"""gestura with everything on: all actors (think tags too), limits, statistics, typed chunks, delivery classes.

With the thread as its transport it is measured a second time; by default it takes what suits the Python that runs it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import gestura
from benchmarks.client import OPENING_SECONDS
from benchmarks.clients import Reader, Target

__all__ = ["open_reader", "open_reader_on_thread"]


@asynccontextmanager
async def open_reader(target: Target, **config: Any) -> AsyncIterator[Reader]:
    """As it comes, but for what `config` says."""
    settings = gestura.ProviderSettings(
        kind=target.wire, model="any", api_key="any", base_url=target.url, think_tags=("think",)
    )
    timeouts = gestura.Timeouts(connect=OPENING_SECONDS)  # for a thousand connections at once
    limits = gestura.Limits(max_body_bytes=4 * 1024**3)  # for ten million events
    told = gestura.StreamingConfig(
        primary="replay", providers={"replay": settings}, timeouts=timeouts, limits=limits, **config
    )
    async with gestura.open_client(told) as client:

        async def read(model: str, on_text: Callable[[str], None]) -> None:
            async with client.stream("Why is the sky blue?", model=model) as chunks:
                async for chunk in chunks:
                    match chunk:
                        case gestura.Text(text):
                            on_text(text)
                        case gestura.ToolCallArgs(_, fragment):
                            on_text(fragment)
                        case gestura.Error(message):
                            raise RuntimeError(message)

        yield read


def open_reader_on_thread(target: Target) -> AbstractAsyncContextManager[Reader]:
    """Over aiohttp on a loop in a thread of its own."""
    return open_reader(target, transport="thread")
