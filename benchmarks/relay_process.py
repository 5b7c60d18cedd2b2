"""One process of a published stream's way: `python -m benchmarks.relay_process ROLE JOB`, where the job is JSON.

`direct` reads paced streams, `publish` reads and publishes them, `follow` follows them. Those that publish begin all
streams, and ask for none before a line comes on standard input, when the followers have found them. Without a Redis,
`publish` follows them, too, for memory is one process's own. Each prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import attrs
import trio

import gestura
from benchmarks.client import OPENING_SECONDS, WARM_UP
from benchmarks.pinning import CLIENT_CORE, SERVER_CORE, pin
from benchmarks.probe import Probe
from benchmarks.workload import Workload
from gestura.publishing import Publisher, Publishing
from gestura.relay import Relay, UnknownStream, open_relay

__all__ = ["RelayJob"]

POLL_SECONDS: Final = 0.02
"""From one attempt to find a stream to the next, before it has begun."""


@attrs.frozen(kw_only=True)
class RelayJob:
    """What is measured.

    Args:
        url: where the replay server is.
        redis: where Redis is; `None` is memory.
        prefix: what names in it begin with.
        workload: what is read.
        followers: of each stream.
    """

    url: str
    redis: str | None
    prefix: str
    workload: Workload
    followers: int = 1

    def to_json(self) -> str:
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RelayJob:
        fields = json.loads(text)
        return cls(**{**fields, "workload": Workload(**fields["workload"])})

    @property
    def followed(self) -> Workload:
        """What all followers read."""
        return attrs.evolve(self.workload, streams=self.workload.streams * self.followers)

    @property
    def names(self) -> list[str]:
        """Those of the streams."""
        return [f"stream-{number}" for number in range(self.workload.streams)]


class _Starter:
    """Publishes by a relay, and has every stream wait until all may start."""

    def __init__(self, relay: Relay, start: trio.Event) -> None:
        self._relay = relay
        self._start = start

    @asynccontextmanager
    async def begin(self, stream_id: str | None, **about: Any) -> AsyncIterator[Publishing]:
        async with self._relay.begin(stream_id, **about) as publication:
            await self._start.wait()
            yield publication


async def _read(job: RelayJob, probe: Probe, publish: Publisher | None) -> None:
    """Read all streams at once."""
    settings = gestura.ProviderSettings(kind="openai_chat", model="any", api_key="any", base_url=job.url)
    config = gestura.StreamingConfig(
        primary="replay",
        providers={"replay": settings},
        timeouts=gestura.Timeouts(connect=OPENING_SECONDS),
    )

    async def read(client: gestura.Client, name: str) -> None:
        model, stream_id = job.workload.model, name if publish else None
        async with client.stream("Why?", model=model, publish=publish, stream_id=stream_id) as chunks:
            await _count(chunks, probe)

    async with gestura.open_client(config) as client:
        await client.ask("Why?", model=WARM_UP.model)
        with probe.measuring():
            async with trio.open_nursery() as nursery:
                for name in job.names:
                    nursery.start_soon(read, client, name)


async def _warm_up(relay: Relay) -> None:
    """Publish and follow a stream that does not count."""

    async def chunks() -> AsyncIterator[gestura.StreamChunk]:
        for _ in range(WARM_UP.events):
            yield gestura.Text("a")
            await trio.lowlevel.checkpoint()
        yield gestura.Done()

    async with relay.publish(None, chunks()) as publication, relay.follow(publication.stream_id) as followed:
        async for _ in followed:
            pass


async def _count(chunks: Any, probe: Probe) -> None:
    async for chunk in chunks:
        match chunk:
            case gestura.Text(text):
                probe(text)
            case gestura.Error(message):
                raise RuntimeError(message)


async def _follow(job: RelayJob, relay: Relay, probe: Probe, found: trio.Event) -> None:
    """Follow all streams, each so many times; `found` is set when all have been."""
    missing = job.followed.streams

    async def follow(name: str) -> None:
        nonlocal missing
        while True:
            try:
                async with relay.follow(name) as chunks:
                    missing -= 1
                    if not missing:
                        found.set()
                    return await _count(chunks, probe)
            except UnknownStream:
                await trio.sleep(POLL_SECONDS)

    async with trio.open_nursery() as nursery:
        for name in job.names * job.followers:
            nursery.start_soon(follow, name)


def _relay(job: RelayJob) -> AbstractAsyncContextManager[Relay]:
    return open_relay(job.redis, prefix=job.prefix) if job.redis else open_relay()


async def _direct(job: RelayJob) -> dict[str, float]:
    probe = Probe(job.workload)
    await _read(job, probe, None)
    return probe.values()


async def _publish(job: RelayJob) -> dict[str, float]:
    probe, followed, start = Probe(job.workload), Probe(job.followed), trio.Event()
    async with _relay(job) as relay:
        await _warm_up(relay)
        with followed.measuring():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_read, job, probe, _Starter(relay, start))
                if job.redis is None:
                    nursery.start_soon(_follow, job, relay, followed, start)
                else:
                    await trio.to_thread.run_sync(sys.stdin.readline)
                    start.set()
    values = probe.values()
    return values if job.redis else {**values, "latency_p50_ms": followed.values()["latency_p50_ms"]}


async def _follow_elsewhere(job: RelayJob) -> dict[str, float]:
    probe, found = Probe(job.followed), trio.Event()

    async def tell() -> None:
        await found.wait()
        sys.stdout.write("found\n")
        sys.stdout.flush()

    async with _relay(job) as relay, trio.open_nursery() as nursery:
        await _warm_up(relay)
        nursery.start_soon(tell)
        with probe.measuring():
            await _follow(job, relay, probe, found)
    return probe.values()


ROLES: Final = {
    "direct": (_direct, CLIENT_CORE),
    "publish": (_publish, CLIENT_CORE),
    "follow": (_follow_elsewhere, SERVER_CORE),
}


def main() -> None:
    """Play one part and print what it measured."""
    play, core = ROLES[sys.argv[1]]
    pin(core)
    job = RelayJob.from_json(sys.argv[2])
    job = attrs.evolve(job, workload=attrs.evolve(job.workload, asker=os.getpid()))
    sys.stdout.write(json.dumps(trio.run(play, job)) + "\n")


if __name__ == "__main__":
    main()
