"""`open_client`: a client, and what it needs for as long as it lives.

What is slow to import comes here, where it holds up no stream: the transport and the providers that are configured. The
price list comes a little later and in a thread, for nobody asks for it before an answer has begun.
"""

from __future__ import annotations

import sys
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from types import MappingProxyType
from typing import Final, cast

import trio

from gestura._actors.groups import bare_errors
from gestura._client import Client
from gestura.config import StreamingConfig, TransportName
from gestura.observing import Observer
from gestura.pricing import load_price_list
from gestura.providers import BUILTIN_PROVIDERS, ProviderFactory
from gestura.transport import Transport

__all__ = ["open_client"]

SECONDS_BEFORE_PRICES: Final = 0.2
"""When the price list is imported, which takes as long. A first request has been sent by then, and hardly any model has
begun to answer; in a thread it takes 10 ms of Trio's time now and then, 25 at the most, instead of all at once."""


@asynccontextmanager
async def open_client(
    config: StreamingConfig | None = None,
    *,
    transport: Transport | None = None,
    providers: Mapping[str, ProviderFactory] = MappingProxyType({}),
    observer: Observer | None = None,
) -> AsyncIterator[Client]:
    """Open a client, with its connections and its loop, for the length of the block.

    Args:
        config: providers, keys, deadlines; from the configuration file and the environment unless given.
        transport: what opens HTTP requests, for tests and special networks; the default is the one that the
            configuration names.
        providers: wire formats of your own by `kind`, beside the built-in ones.
        observer: who watches the streams; `gestura.opentelemetry.OpenTelemetry()` is one.

    Raises:
        ConfigError: the configuration is wrong.
        RuntimeError: this is no Trio, but asyncio, say.
    """
    if not trio.lowlevel.in_trio_task():
        raise RuntimeError("gestura runs on Trio: open a client inside trio.run")
    if config is None:
        from gestura.config_file import load_config  # here, for most who import gestura have a configuration already

        config = load_config()
    known = ChainMap({**providers}, cast("MutableMapping[str, ProviderFactory]", BUILTIN_PROVIDERS))  # none is changed
    for settings in config.providers.values():
        known.get(settings.kind)  # imports it
    async with nullcontext(transport) if transport is not None else _open_transport(config.transport) as opened:
        with closing(Client(config, opened, known, observer)) as client:
            yield client


@asynccontextmanager
async def _open_transport(name: TransportName | None) -> AsyncIterator[Transport]:
    with bare_errors():
        async with _transport_of_name(name) as transport, trio.open_nursery() as nursery:
            nursery.start_soon(_load_prices)
            yield transport
            nursery.cancel_scope.cancel()


async def _load_prices() -> None:
    await trio.sleep(SECONDS_BEFORE_PRICES)
    await trio.to_thread.run_sync(load_price_list)


def _transport_of_name(name: TransportName | None) -> AbstractAsyncContextManager[Transport]:
    if name == "thread" or (name is None and sys.version_info >= (3, 14)):
        from gestura.transport._aiohttp_thread import open_thread_transport

        return open_thread_transport()
    from gestura.transport._aiohttp import open_aiohttp_transport

    return open_aiohttp_transport()
