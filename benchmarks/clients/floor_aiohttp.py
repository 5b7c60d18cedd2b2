"""The floor: the least that an asyncio program can do. aiohttp's reads, cut at line ends, and orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson

from benchmarks.clients import Reader, Target
from benchmarks.clients.events import PATHS, request_body, text_of

__all__ = ["open_reader"]


@asynccontextmanager
async def open_reader(target: Target) -> AsyncIterator[Reader]:
    """One session without a limit of connections, and without deadlines."""
    url = target.url + PATHS[target.wire]
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def read(model: str, on_text: Callable[[str], None]) -> None:
            rest = b""
            async with session.post(url, json=request_body(target.wire, model)) as response:
                async for data in response.content.iter_any():
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        if line.startswith(b"data: {") and (text := text_of(target.wire, orjson.loads(line[6:]))):
                            on_text(text)

        yield read
