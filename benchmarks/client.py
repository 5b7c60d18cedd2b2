"""One client in a process of its own: `python -m benchmarks.client CLIENT JOB`, where the job is JSON.

It imports the client, lets it read a short answer to warm up (unless it is to be measured cold), then lets it read the
workload, and prints what was measured as one line of JSON.

A client that can't keep up with a paced workload is not waited for. A thread ends the process when time is up, and what
was read until then counts: clients differ in how they take a cancellation, and no library can refuse this one.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import attrs

from benchmarks.clients import CLIENTS, Client, Reader, Target
from benchmarks.pinning import CLIENT_CORE, pin
from benchmarks.probe import Probe
from benchmarks.workload import Wire, Workload

__all__ = ["OPENING_SECONDS", "SPAWNED_AT", "WARM_UP", "Job", "read"]

SPAWNED_AT: Final = "BENCHMARKS_SPAWNED_AT"
"""The environment variable that holds the parent's `time.monotonic()` when it started this process."""

WARM_UP: Final = Workload(kind="burst", events=500)

OPENING_SECONDS: Final = 60.0
"""How long all paced streams may take to begin: some clients need 25 ms for a request, and there are 1,000."""


@attrs.frozen(kw_only=True)
class Job:
    """What a client process does.

    Args:
        url: where the replay server is.
        wire: the wire format to ask for.
        workload: what to read.
        cold: no warming up: what is measured is the time from the start of the process to the first text.
        curve: tell what events cost at the beginning and what they cost later.
        patience: a paced workload is given up after this many times its length.
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
            async with asyncio.TaskGroup() as group:
                for _ in range(job.workload.streams):
                    group.create_task(read(job.workload.model, probe))


async def run_on_trio(open_reader: OpenReader, job: Job, probe: Probe) -> None:
    """Read the workload of `job` with a client that lives in Trio."""
    import trio  # here, so that nobody else's cold start pays for it

    async with open_reader(Target(job.url, job.wire)) as read:
        if not job.cold:
            await read(WARM_UP.model, _ignore)
        with probe.measuring():
            async with trio.open_nursery() as nursery:
                for _ in range(job.workload.streams):
                    nursery.start_soon(read, job.workload.model, probe)


def _ignore(_text: str) -> None:
    pass


@attrs.define
class TimeLimit:
    """Ends the process when time is up."""

    job: Job
    probe: Probe
    _timer: threading.Timer | None = None

    def start(self) -> None:
        """For a paced workload: first for the opening, then, from the first text on, for the reading."""
        if seconds := self.job.workload.seconds:
            self._restart(OPENING_SECONDS)
            self.probe.on_first = lambda: self._restart(1.0 + self.job.patience * seconds)

    def stop(self) -> None:
        """The workload has been read."""
        if self._timer is not None:
            self._timer.cancel()

    def _restart(self, seconds: float) -> None:
        self.stop()
        self._timer = threading.Timer(seconds, self._time_is_up)
        self._timer.daemon = True
        self._timer.start()

    def _time_is_up(self) -> None:
        self.probe.finish()
        _tell(self.probe.values())
        os._exit(0)


def _tell(values: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def read(client: Client, job: Job, probe: Probe) -> None:
    """Import the client, and let it read the workload of `job`."""
    open_reader: Any = getattr(importlib.import_module(client.module), client.opener)
    if client.loop == "trio":
        import trio

        trio.run(run_on_trio, open_reader, job, probe)
    else:
        asyncio.run(run_on_asyncio(open_reader, job, probe))


def main() -> None:
    """Run one job and print its measurements."""
    pin(CLIENT_CORE)
    client = CLIENTS[sys.argv[1]]
    job = Job.from_json(sys.argv[2])
    job = attrs.evolve(job, workload=attrs.evolve(job.workload, asker=os.getpid()))
    probe = Probe(job.workload)
    limit = TimeLimit(job, probe)
    limit.start()
    read(client, job, probe)
    limit.stop()
    values = probe.values()
    if job.cold:
        values["first_text_ms"] = (probe.first_text - float(os.environ[SPAWNED_AT])) * 1e3
    if job.curve:
        values |= probe.curve()
    _tell(values)


if __name__ == "__main__":
    main()
