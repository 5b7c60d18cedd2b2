"""gestura with everything on: all actors (think tags too), limits, statistics, typed chunks, delivery classes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import gestura
from benchmarks.client import OPENING_SECONDS
from benchmarks.clients import Reader, Target
from gestura.transport import Transport

__all__ = ["open_reader", "open_reader_on_thread"]


@asynccontextmanager
async def open_reader(target: Target, transport: Transport | None = None) -> AsyncIterator[Reader]:
    """Over the default transport, or another."""
    settings = gestura.ProviderSettings(
        kind=target.wire, model="any", api_key="any", base_url=target.url, think_tags=("think",)
    )
    config = gestura.StreamingConfig(
        primary="replay",
        providers={"replay": settings},
        timeouts=gestura.Timeouts(connect=OPENING_SECONDS),  # for a thousand connections at once
    )
    async with gestura.open_client(config, transport=transport) as client:

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


@asynccontextmanager
async def open_reader_on_thread(target: Target) -> AsyncIterator[Reader]:
    """Over aiohttp on a loop in a thread of its own."""
    from gestura.transport._aiohttp_thread import open_thread_transport

    async with open_thread_transport() as transport, open_reader(target, transport) as reader:
        yield reader
