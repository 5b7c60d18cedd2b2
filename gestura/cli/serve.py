"""`gestura serve`: an HTTP service for browsers and other languages, until it is told to end."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import trio

from gestura._open_client import open_client
from gestura.cli.help import examples
from gestura.cli.log_lines import logged_to_stderr
from gestura.cli.options import config_option, provider_option
from gestura.cli.terminal_text import visible_line
from gestura.cli.whom import open_configuration
from gestura.config import StreamingConfig
from gestura.config_file import DEFAULT, LoadedConfig, read_config, section_of
from gestura.serve_settings import ServeSettings

if TYPE_CHECKING:
    from gestura.relay import Worker
    from gestura.serving import Server

__all__ = ["serve"]


@click.command(
    epilog=examples(
        ("gestura serve", "for this machine; then open http://127.0.0.1:8765"),
        ("gestura serve --provider local", "with a small model on this machine"),
        ("GESTURA_SERVE_KEYS=alice=… gestura serve --host 0.0.0.0", "for others, who have keys"),
        ("gestura serve --redis redis://localhost", "beside any number of others"),
    )
)
@click.option("--host", help="The address to listen on; 127.0.0.1 unless told, which only this machine reaches.")
@click.option("--port", type=click.IntRange(0, 65535), help="8765 unless told; 0 is a free one.")
@click.option(
    "--redis",
    "redis_url",
    metavar="URL",
    help="Keep streams in this Redis, so that any number of services share them; GESTURA_REDIS_URL unless told.",
)
@click.option("--worker/--no-worker", default=None, help="Whether this process asks the providers itself, too.")
@click.option("--allow-anyone", is_flag=True, default=None, help="Let other machines in though there are no keys.")
@click.option("--drain", type=click.FloatRange(0), metavar="SECONDS", help="How long streams may finish at the end.")
@provider_option
@config_option
def serve(config_path: Path | None, provider: str | None, **told: Any) -> None:
    """Serve streams over HTTP, until Ctrl-C or SIGTERM.

    There is a page at /, gestura's own interface at /v1/streams, and OpenAI's at /v1/chat/completions. Keys of callers
    and limits stand in the table [serve] of the configuration file; keys can be in GESTURA_SERVE_KEYS, too.
    """
    loaded = read_config(config_path)
    settings = attrs.evolve(loaded.serve, **{name: value for name, value in told.items() if value is not None})
    settings.check_reach()
    try:
        with logged_to_stderr("gestura", logging.WARNING):
            trio.run(partial(_serve, settings, provider, config_path, _told_of(loaded)))
    except OSError as error:
        raise click.ClickException(
            f"can't listen on {settings.host}, port {settings.port}: {error.strerror or error}"
        ) from error


async def _serve(
    settings: ServeSettings, provider: str | None, config_path: Path | None, told_of: frozenset[str]
) -> None:
    from gestura.relay import (  # with what serves, slow to import: no other command should wait for it
        Worker,
        open_relay,
    )
    from gestura.serving import open_server

    async with (
        open_configuration(provider, None, config_path) as whole,
        open_relay(settings.redis_url, prefix=settings.redis_prefix) as relay,
        open_client(config := _without_untold(whole, told_of)) as client,
        open_server(relay, config, settings) as server,
    ):
        worker = Worker(client, relay, capacity=settings.worker_streams, drain_seconds=settings.drain)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as until_told_twice:
                async with trio.open_nursery() as working:
                    if settings.worker:
                        working.start_soon(worker.serve)
                    _announce(server, list(config.providers))
                    await anext(signals)
                    server.refuse_new()
                    worker.drain()
                    with trio.move_on_after(settings.drain) as draining:
                        until_told_twice.start_soon(_hurry, signals, worker, draining)
                        await server.wait_until_idle()
                until_told_twice.cancel_scope.cancel()


def _told_of(loaded: LoadedConfig) -> frozenset[str]:
    """The providers that the file or a variable says something of."""
    said = [path for path, origin in loaded.origins.items() if origin != DEFAULT]
    return frozenset(name for name in loaded.settings if any(path.startswith(f"{section_of(name)}.") for path in said))


def _without_untold(config: StreamingConfig, told_of: frozenset[str]) -> StreamingConfig:
    """Without providers that are there by default alone, as Ollama is: callers would be offered what may not run."""
    asked = {*told_of, config.primary, *config.fallback}
    return attrs.evolve(config, providers={name: each for name, each in config.providers.items() if name in asked})


async def _hurry(signals: AsyncIterator[int], worker: Worker, draining: trio.CancelScope) -> None:
    """Told a second time: whatever still runs is paused."""
    await anext(signals)
    draining.cancel()
    worker.drain()


def _announce(server: Server, providers: list[str]) -> None:
    click.echo(f"Serving on {server.url} (Ctrl-C ends it)")
    click.echo(visible_line(f"Providers: {', '.join(providers) or 'none is configured'}"))
    click.echo(f"Try: curl -N {server.url}/v1/streams -H 'Accept: text/event-stream' --json '{{\"prompt\": \"Hi\"}}'")
    sys.stdout.flush()
