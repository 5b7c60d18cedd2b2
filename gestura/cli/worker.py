"""`gestura worker`: answers what was submitted to Redis, until it is told to stop."""

from __future__ import annotations

import logging
import signal
from functools import partial
from pathlib import Path

import click
import trio

from gestura._actors.groups import bare_errors
from gestura._open_client import open_client
from gestura.cli.help import examples
from gestura.cli.log_lines import logged_to_stderr
from gestura.cli.options import config_option, provider_option
from gestura.cli.whom import open_configuration
from gestura.relay import RelaySettings, open_relay
from gestura.relay.worker import AfterDeath, Worker

__all__ = ["worker"]


@click.command(
    epilog=examples(
        ("gestura worker --redis redis://localhost", "answer with the configured provider"),
        ("GESTURA_REDIS_URL=redis://:secret@host gestura worker", "with a password, which others can't see there"),
        ("gestura worker --after-death resume", "go on with answers whose worker died"),
    )
)
@click.option("--redis", "url", metavar="URL", envvar="GESTURA_REDIS_URL", help="Where Redis is, or GESTURA_REDIS_URL.")
@click.option("--prefix", metavar="TEXT", default="gestura", help="What all names in Redis begin with.")
@provider_option
@config_option
@click.option("--capacity", type=click.IntRange(1), default=100, show_default=True, help="Answers at once.")
@click.option(
    "--after-death",
    type=click.Choice(["end", "resume"]),
    default="end",
    show_default=True,
    help="What becomes of an answer whose worker died amid it: an error ends it, or this one goes on.",
)
@click.option(
    "--dead-after",
    type=click.FloatRange(0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="A worker that was silent for so long is dead.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long answers may take after SIGTERM; then they are paused.",
)
def worker(
    url: str | None,
    prefix: str,
    provider: str | None,
    config_path: Path | None,
    capacity: int,
    after_death: AfterDeath,
    dead_after: float,
    drain_seconds: float,
) -> None:
    """Answer the requests that are submitted to a Redis server, with any number of workers beside this one.

    SIGTERM or Ctrl-C: it takes no more, and ends when what it has is answered. A second one: it pauses that at once. A
    third one kills it.
    """
    if not url:
        raise click.UsageError("tell where Redis is: --redis redis://localhost, or GESTURA_REDIS_URL")

    settings = RelaySettings(dead_after=dead_after, beat_seconds=min(1.0, dead_after / 4))

    async def work() -> bool:
        async with (
            open_configuration(provider, None, config_path) as config,
            open_client(config) as client,
            open_relay(url, settings=settings, prefix=prefix) as relay,
        ):
            return await _serve(
                Worker(client, relay, capacity=capacity, after_death=after_death, drain_seconds=drain_seconds)
            )

    with logged_to_stderr("gestura.worker", logging.INFO):
        interrupted = trio.run(work)
    if interrupted:
        raise KeyboardInterrupt


async def _serve(working: Worker) -> bool:
    """Let it work. Whether Ctrl-C stopped it."""
    stopped_by: list[int] = []
    with bare_errors():
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(_drain_when_told, working, stopped_by))
            await working.serve()
            nursery.cancel_scope.cancel()
    return signal.SIGINT in stopped_by


async def _drain_when_told(
    working: Worker, stopped_by: list[int], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            stopped_by.append(number)
            working.drain()
            if len(stopped_by) == 2:  # from now on they do what they do by themselves
                return
