"""`open_server`: the HTTP service for the length of a block, inside the caller's `trio.run`.

aiohttp's server is asyncio's; it runs on a loop of trio-asyncio's, in the same thread. Each request is one asyncio task
that waits for one Trio task, and cancelling goes through both: a caller who leaves cancels the Trio task, and a Trio
task that is cancelled cancels what it waits for in asyncio.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import trio
from aiohttp import web

from gestura._actors.groups import bare_errors
from gestura.config import StreamingConfig
from gestura.relay.relay import Relay
from gestura.serve_settings import ServeSettings
from gestura.serving.app import App
from gestura.serving.logs import HTTP_LOG
from gestura.serving.service import Service
from gestura.transport._loop import open_loop

__all__ = ["Server", "open_server"]

WITHOUT: Final = "serving needs trio-asyncio, which runs on Python 3.11 to 3.13"

LAST_WORDS_SECONDS: Final = 5.0
"""How long followers may take to read what is left when the block ends."""

CLOSING_SECONDS: Final = 1.0
"""How long aiohttp may take to close connections that nobody answers on any more."""

DEFAULTS: Final = ServeSettings()


class Server:
    """A running service.

    Attributes:
        url: its root, such as `http://127.0.0.1:8765`.
    """

    def __init__(self, url: str, service: Service, app: App) -> None:
        self.url = url
        self._service = service
        self._app = app

    def refuse_new(self) -> None:
        """Begin no new streams; `/readyz` says so. Those that run can be followed on."""
        self._service.is_ending = True

    async def wait_until_idle(self) -> None:
        """Until no request is being answered: nobody follows a stream here."""
        await self._app.wait_until_idle()


@asynccontextmanager
async def open_server(
    relay: Relay, config: StreamingConfig, settings: ServeSettings = DEFAULTS
) -> AsyncIterator[Server]:
    """Serve for the length of the block. What is asked goes into the queue of `relay`: a `Worker` has to take it.

    Leaving the block begins no new streams, cancels those that end with the service (those of OpenAI's interface and,
    where all is in memory, all), gives followers five seconds to read their endings, and closes. Left by an exception
    or a cancellation, it closes at once.

    Args:
        relay: where streams are submitted and followed. It outlives the block.
        config: whose providers and models can be named.
        settings: where to listen, and whom to let in.

    Raises:
        ConfigError: other machines would reach it, and it asks nobody for a key; or trio-asyncio can't be imported.
        OSError: the address can't be had.
    """
    settings.check_reach()
    service = Service(relay, config, settings)
    app = App(service)
    with await _listen(settings.host, settings.port) as listener:
        runner = web.AppRunner(
            app.make(),
            access_log=None,
            logger=HTTP_LOG,
            handler_cancellation=True,
            shutdown_timeout=CLOSING_SECONDS,
            auto_decompress=False,
        )
        with bare_errors():
            async with open_loop(runner.cleanup, without=WITHOUT) as loop, trio.open_nursery() as nursery:
                nursery.start_soon(service.withdraw)
                app.run_on(loop)
                await loop.run_aio_coroutine(_start(runner, listener))
                try:
                    yield Server(_url_of(listener), service, app)
                    service.is_ending = True
                    with trio.move_on_after(LAST_WORDS_SECONDS):
                        await service.end_what_ends_here()
                        await app.wait_until_idle()
                    nursery.cancel_scope.cancel()
                finally:
                    app.break_off()


async def _start(runner: web.AppRunner, listener: socket.socket) -> None:
    await runner.setup()
    await web.SockSite(runner, listener).start()


async def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: the address can't be had.
    """
    found = await trio.to_thread.run_sync(
        partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE),
        abandon_on_cancel=True,
    )
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    return listener


def _url_of(listener: Any) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
