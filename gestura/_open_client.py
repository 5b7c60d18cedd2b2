"""`open_client`: a client, and what it needs for as long as it lives.

What is slow to import comes here, where it holds up no stream: the transport, the providers that are configured, the
price list.
"""

from __future__ import annotations

import sys
from collections import ChainMap
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from types import MappingProxyType
from typing import cast

import trio

from gestura._client import Client
from gestura.config import StreamingConfig, TransportName
from gestura.observing import Observer
from gestura.pricing import load_price_list
from gestura.providers import BUILTIN_PROVIDERS, ProviderFactory
from gestura.transport import Transport

__all__ = ["open_client"]


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


def _open_transport(name: TransportName | None) -> AbstractAsyncContextManager[Transport]:
    load_price_list()
    if name == "thread" or (name is None and sys.version_info >= (3, 14)):
        from gestura.transport._aiohttp_thread import open_thread_transport

        return open_thread_transport()
    from gestura.transport._aiohttp import open_aiohttp_transport

    return open_aiohttp_transport()
