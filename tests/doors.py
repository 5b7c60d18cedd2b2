"""Ways to leave the block of a stream early."""

from __future__ import annotations

import gestura


class Leave(Exception):
    """A door."""


async def by_break(stream: gestura.ChunkStream) -> None:
    async for _ in stream:
        break


async def by_an_exception(stream: gestura.ChunkStream) -> None:
    await anext(stream)
    raise Leave
