"""`make soak`: minutes, thousands of streams through the same clients, random users and networks; nothing is left.

    python -m soak --minutes 3 --transport thread --seed 7

The seed draws what users and networks do; when exactly, real sockets decide. Every tenth of the time everybody rests,
and what the process holds is counted: tasks, threads, files and requests under way must be none more than at the start,
objects and memory no more than at the first rest.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio
from leftovers import Leftovers, requests_in_flight
from soak.users import HABITS, User
from soak.world import SCENARIOS

import gestura
from gestura.config import AfterOutput, ProviderSettings, RetryPolicy, StreamingConfig, Timeouts, TransportName

KINDS = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")
USERS = 30
RESTS = 10

TASKS_OF_THE_CLIENTS = 8
"""What their loops run in."""

OBJECTS_TO_SPARE = 3000
"""Python objects more at the end than at the first rest: caches that fill. A leak of one object in each stream is more
than that after a minute."""

BYTES_TO_SPARE = 12 * 1024 * 1024
"""Memory more at the end than at the first rest: the allocator's own."""


@attrs.frozen
class Rest:
    """What was held at a rest.

    Args:
        streams: how many there had been.
        objects: of Python's, that the garbage collector knows.
        resident_bytes: memory of the process; 0 where the system does not tell.
        leftovers: tasks, threads and files.
        requests: of the transport's, under way.
    """

    streams: int
    objects: int
    resident_bytes: int
    leftovers: Leftovers
    requests: int

    @classmethod
    def now(cls, clients: Sequence[gestura.Client], streams: int) -> Rest:
        for _ in range(3):  # finalizers make garbage
            gc.collect()
        statm = Path("/proc/self/statm")
        pages = int(statm.read_text().split()[1]) if statm.exists() else 0
        return cls(
            streams=streams,
            objects=len(gc.get_objects()),
            resident_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
            leftovers=Leftovers.now(),
            requests=sum(requests_in_flight(client._transport) for client in clients),
        )


@attrs.frozen
class Soaked:
    """What came of it.

    Args:
        told: counts of what happened to the streams.
        rests: what was held at each rest, in order.
        before: what was held before the client was opened.
        after: what is held after it was closed.
        asyncio_tasks: that are left after it was closed.
    """

    told: Counter[str]
    rests: list[Rest]
    before: Leftovers
    after: Leftovers
    asyncio_tasks: int

    def leaks(self) -> list[str]:
        """What is held that should not be, in words."""
        first, last = self.rests[0], self.rests[-1]
        found = [f"before {self.before}, after {self.after}"] if self.before != self.after else []
        if self.asyncio_tasks:
            found.append(f"{self.asyncio_tasks} asyncio tasks")
        found += [f"at a rest: {rest.requests} requests" for rest in self.rests if rest.requests]
        # trio-asyncio has a task wait at each idle connection; the rest are the loop's.
        tasks = [rest.leftovers.trio_tasks - rest.leftovers.sockets for rest in self.rests]
        if tasks and max(tasks) > self.before.trio_tasks - self.before.sockets + TASKS_OF_THE_CLIENTS:
            found.append(f"Trio tasks at rests, without those at sockets: {tasks}")
        if last.objects > first.objects + OBJECTS_TO_SPARE:
            found.append(f"{last.objects - first.objects} objects in {last.streams - first.streams} streams")
        if last.resident_bytes > first.resident_bytes + BYTES_TO_SPARE:
            found.append(f"{last.resident_bytes - first.resident_bytes} bytes")
        return found


async def soak(
    transport: TransportName,
    seed: int,
    seconds: float,
    *,
    rests: int = RESTS,
    say: Callable[[str], object] = lambda _: None,
) -> Soaked:
    """Let users ask for `seconds`.

    Args:
        transport: over which transport.
        seed: for all that is a matter of chance.
        seconds: how long.
        rests: how often to rest, the end included.
        say: told a line at each rest.
    """
    dice = random.Random(seed)
    told: Counter[str] = Counter()
    held: list[Rest] = []
    async with open_world(seed) as urls:
        before = Leftovers.now()
        async with (
            gestura.open_client(config(urls, transport, after_output=AfterOutput.RESTART)) as patient,
            gestura.open_client(config(urls, transport, hedge_after=0.2)) as hedging,
        ):
            began = time.monotonic()
            for _ in range(rests):
                until = trio.current_time() + seconds / rests
                async with trio.open_nursery() as nursery:
                    for _user in range(USERS):
                        nursery.start_soon(use, (patient, hedging), random.Random(dice.random()), told, until)
                held.append(Rest.now((patient, hedging), told["streams"]))
                say(f"{time.monotonic() - began:5.0f} s  {held[-1]}")
        del patient, hedging
        gc.collect()
        after = Leftovers.now()
    return Soaked(told, held, before, after, living_asyncio_tasks())


async def use(clients: Sequence[gestura.Client], dice: random.Random, told: Counter[str], until: float) -> None:
    """One stream after another."""
    while trio.current_time() < until:
        habit = dice.choice(HABITS)
        provider = f"{dice.choice(KINDS)}-{dice.randint(0, 3)}"
        model = dice.choice(SCENARIOS).model if dice.random() < 0.5 else "short"
        with trio.fail_after(30):  # no stream is longer, whatever happens to it
            await habit(User(dice.choice(clients), dice, told), provider=provider, model=model)
        told["streams"] += 1
        told[habit.__name__] += 1


def config(urls: list[str], transport: TransportName, **more: Any) -> StreamingConfig:
    """Every wire format behind every network; fallbacks and retries, all of them soon."""
    providers = {
        f"{kind}-{number}": ProviderSettings(kind=kind, model="short", base_url=url, api_key="key")
        for kind in KINDS
        for number, url in enumerate(urls)
    }
    return StreamingConfig(
        primary="openai_chat-0",
        fallback=("anthropic-1", "gemini-2"),
        providers=providers,
        retry=RetryPolicy(initial_delay=0.01, max_delay=0.05),
        timeouts=Timeouts(connect=1, first_content=0.5, idle=0.3, total=3),
        transport=transport,
        **more,
    )


def living_asyncio_tasks() -> int:
    """On any loop that still exists."""
    return sum(isinstance(each, asyncio.Task) and not each.done() for each in gc.get_objects())


@asynccontextmanager
async def open_world(seed: int) -> AsyncIterator[list[str]]:
    """The addresses of the providers, for the length of the block."""
    command = [sys.executable, "-m", "soak.world", str(seed)]
    paths = os.pathsep.join(map(str, [Path(__file__).parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]))
    world = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    )
    assert world.stdin is not None
    assert world.stdout is not None
    async with world.stdin, world.stdout:
        line = b""
        while not line.endswith(b"\n"):
            line += await world.stdout.receive_some() or b"\n"
        yield json.loads(line)
        assert world.poll() is None, "the providers have crashed"
    with trio.CancelScope(shield=True):
        world.kill()
        await world.wait()


def main() -> None:
    """Soak, tell what was held, and exit with 1 if anything leaked."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--transport", choices=["thread", "trio_asyncio", "both"], default="both")
    options = parser.parse_args()
    say = partial(print, flush=True)
    transports = ["thread", "trio_asyncio"] if options.transport == "both" else [options.transport]
    leaks = []
    for transport in transports:
        say(f"== {transport}, {options.minutes:g} minutes, --seed {options.seed}")
        soaked = trio.run(partial(soak, transport, options.seed, options.minutes * 60, say=say))
        say(", ".join(f"{count} {what}" for what, count in sorted(soaked.told.items())))
        say(f"before {soaked.before}\nafter  {soaked.after}")
        leaks += [f"{transport}: {leak}" for leak in soaked.leaks()]
    say("\n".join(f"LEAK  {leak}" for leak in leaks) or "nothing is left")
    sys.exit(1 if leaks else 0)


if __name__ == "__main__":
    main()
