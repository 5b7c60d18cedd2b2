"""The transport of every day: aiohttp on an asyncio loop that trio-asyncio runs inside the caller's `trio.run`.

Each request is one asyncio task. It and the Trio task that reads the response run in the same thread, so either simply
calls the other's side.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gestura.transport import Transport
from gestura.transport._aiohttp_exchange import AiohttpTransport, Arguments
from gestura.transport._aiohttp_session import Session
from gestura.transport._loop import open_loop

__all__ = ["open_aiohttp_transport"]

WITHOUT = 'transport: "trio_asyncio" needs trio-asyncio, which runs on Python 3.11 to 3.13; "thread" needs it not'


@asynccontextmanager
async def open_aiohttp_transport() -> AsyncIterator[Transport]:
    """A transport over real sockets. Leaving the block closes its connections; leave the `open` blocks first.

    Exceptions of the block come out as they are, never in a group.

    Raises:
        ConfigError: trio-asyncio can't be imported.
    """
    session = Session()
    async with open_loop(session.close, without=WITHOUT) as loop:
        transport = AiohttpTransport(loop, session, to_asyncio=_call, to_trio=_call)
        try:
            yield transport
        finally:
            transport.close()


def _call(call: Callable[[*Arguments], object], /, *args: *Arguments) -> None:
    call(*args)
