"""One client in a process of its own: `python -m benchmarks.client CLIENT JOB`, where the job is JSON.

It imports the client, lets it read a short answer to warm up (unless it is to be measured cold), then lets it read the
workload, and prints what was measured as one line of JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import attrs

from benchmarks.clients import CLIENTS, Reader, Target
from benchmarks.pinning import CLIENT_CORE, pin
from benchmarks.probe import Probe
from benchmarks.workload import Wire, Workload

__all__ = ["SPAWNED_AT", "Job"]

SPAWNED_AT: Final = "BENCHMARKS_SPAWNED_AT"
"""The environment variable that holds the parent's `time.monotonic()` when it started this process."""

WARM_UP: Final = Workload(kind="burst", events=500)

OPENING_SECONDS: Final = 20.0
"""How long all streams may take to begin, on a busy machine."""


@attrs.frozen(kw_only=True)
class Job:
    """What a client process does.

    Args:
        url: where the replay server is.
        wire: the wire format to ask for.
        workload: what to read.
        cold: no warming up: what is measured is the time from the start of the process to the first text.
        curve: tell what events cost at the beginning and what they cost later.
        patience: a paced workload is given up after this many times its length; then what was read counts.
    """

    url: str
    wire: Wire
    workload: Workload
    cold: bool = False
    curve: bool = False
    patience: float = 2.0

    def to_json(self) -> str:
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        fields = json.loads(text)
        return cls(**{**fields, "workload": Workload(**fields["workload"])})


OpenReader = Callable[[Target], AbstractAsyncContextManager[Reader]]


async def run_on_asyncio(open_reader: OpenReader, job: Job, probe: Probe) -> None:
    """Read the workload of `job` with a client that lives in asyncio."""
    async with open_reader(Target(job.url, job.wire)) as read:
        if not job.cold:
            await read(WARM_UP.model, _ignore)
        with probe.measuring():
            try:
                async with asyncio.timeout(_seconds(job)), asyncio.TaskGroup() as group:
                    for _ in range(job.workload.streams):
                        group.create_task(read(job.workload.model, probe))
            except TimeoutError:
                pass


async def run_on_trio(open_reader: OpenReader, job: Job, probe: Probe) -> None:
    """Read the workload of `job` with a client that lives in Trio."""
    import trio  # here, so that nobody else's cold start pays for it

    async with open_reader(Target(job.url, job.wire)) as read:
        if not job.cold:
            await read(WARM_UP.model, _ignore)
        with probe.measuring():
            with trio.move_on_after(_seconds(job)):
                async with trio.open_nursery() as nursery:
                    for _ in range(job.workload.streams):
                        nursery.start_soon(read, job.workload.model, probe)


def _seconds(job: Job) -> float:
    return OPENING_SECONDS + job.patience * job.workload.seconds if job.workload.seconds else float("inf")


def _ignore(_text: str) -> None:
    pass


def main() -> None:
    """Run one job and print its measurements."""
    pin(CLIENT_CORE)
    client = CLIENTS[sys.argv[1]]
    job = Job.from_json(sys.argv[2])
    job = attrs.evolve(job, workload=attrs.evolve(job.workload, asker=os.getpid()))
    probe = Probe(job.workload)
    open_reader: Any = getattr(importlib.import_module(client.module), client.opener)
    if client.loop == "trio":
        import trio

        trio.run(run_on_trio, open_reader, job, probe)
    else:
        asyncio.run(run_on_asyncio(open_reader, job, probe))
    values = probe.values()
    if job.cold:
        values["first_text_ms"] = (probe.first_text - float(os.environ[SPAWNED_AT])) * 1e3
    if job.curve:
        values |= probe.curve()
    sys.stdout.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
