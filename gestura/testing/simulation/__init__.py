"""The seeded simulation: a whole client with many streams in a random world, for hours that take seconds.

    report = simulate(17, streams=500)

One number decides everything: the providers and what goes wrong with them, the users and what they do, jitter, and the
order in which Trio runs its tasks. Afterwards every stream is held to the laws of `laws.py`, and the client to its
word that nothing is left behind. A seed that fails fails again, in the same way, wherever it runs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from gestura._open_client import open_client
from gestura.config import StreamingConfig
from gestura.testing.simulation.laws import LAWS, Exchange, Stream
from gestura.testing.simulation.users import Users, Watched
from gestura.testing.simulation.world import World
from gestura.testing.virtual_time import run_in_virtual_time
from gestura.transport import HttpRequest, HttpResponse
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

__all__ = ["Report", "simulate"]


@attrs.frozen(kw_only=True)
class Report:
    """What happened in a simulation.

    Args:
        seed: which one it was.
        streams: how many were begun, those that went on after a pause included.
        requests: how many requests they made.
        seconds: simulated time, in all.
        endings: how the streams ended, by the class of the last chunk; `"left"` for those left before.
        log: every event in order: the time, the stream, what happened.
        problems: how the laws were broken.
    """

    seed: int
    streams: int
    requests: int
    seconds: float
    endings: Mapping[str, int]
    log: tuple[str, ...] = attrs.field(repr=False)
    problems: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The log in 64 characters, for comparing two runs."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()

    def log_of(self, stream: int) -> list[str]:
        """The events of one stream."""
        return [line for line in self.log if f" stream {stream}: " in line]


def simulate(seed: int, *, streams: int = 100, hours: float = 1.0) -> Report:
    """Let a random world happen. The same arguments give the same report, in any process.

    Args:
        seed: decides everything.
        streams: how many users ask.
        hours: the simulated time in which they begin.

    Raises:
        AssertionError: a law was broken; the message begins with the seed.
    """
    report = run_in_virtual_time(_simulate, seed, streams, hours, seed=seed)
    if report.problems:
        raise AssertionError("\n".join((f"seed {seed}, {streams} streams, {hours:g} hours:", *report.problems)))
    return report


async def _simulate(seed: int, streams: int, hours: float) -> Report:
    tasks = trio.lowlevel.current_statistics().tasks_living
    log: list[str] = []

    def note(stream: int, event: object) -> None:
        log.append(f"{trio.current_time():.6f} stream {stream}: {event}")

    world = World(seed, hours)
    network = _Network(world, note)
    async with open_client(world.config, transport=network) as client:
        users = Users(client, seed=seed, hours=hours, request_count=lambda: len(world.meant), log=note)
        await users.live(streams)
    left = trio.lowlevel.current_statistics().tasks_living - tasks
    problems = [f"{left} tasks are left"] if left else []
    for watched in users.watched:
        problems += _problems(watched, network, world.config)
    return Report(
        seed=seed,
        streams=len(users.watched),
        requests=len(world.meant),
        seconds=trio.current_time(),
        endings=Counter(_last(watched) for watched in users.watched),
        log=tuple(log),
        problems=tuple(problems),
    )


def _problems(watched: Watched, network: _Network, config: StreamingConfig) -> list[str]:
    its_time = network.exchanges[watched.first_request : watched.requests_then]
    exchanges = [exchange for exchange in its_time if exchange.meant.stream == watched.stream]
    stream = Stream(watched=watched, exchanges=exchanges, config=config)
    return [f"stream {watched.stream}: {law.__name__}: {problem}" for law in LAWS for problem in law(stream)]


def _last(watched: Watched) -> str:
    return type(watched.chunks[-1]).__name__ if watched.to_the_end and watched.received else "left"


class _Network:
    """The world's transport, which notes when each request was open."""

    def __init__(self, world: World, note: Callable[[int, object], None]) -> None:
        self.exchanges: list[Exchange] = []
        self._world = world
        self._note = note
        self._scripted = ScriptedTransport(self._meet)

    def _meet(self, request: HttpRequest) -> ScriptedExchange:
        scripted = self._world.meet(request)
        meant = self._world.meant[-1]
        self.exchanges.append(Exchange(meant=meant, opened=trio.current_time()))
        self._note(meant.stream, f"request {meant.number} to {meant.provider} opens")
        return scripted

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[HttpResponse]:
        number = len(self.exchanges)  # of the request that is met before the first checkpoint
        try:
            async with self._scripted.open(request, on_connect=on_connect) as response:
                yield response
        finally:
            for exchange in self.exchanges[number : number + 1]:  # none, where the world itself failed
                exchange.closed = trio.current_time()
                self._note(exchange.meant.stream, f"request {number} closes")
