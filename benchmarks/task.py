"""A task: one process to run, once in each round, and what its figures are about. And the plans: all tasks there are.

A figure is about a subject of a group ("burst, plain" of "openai_chat") and about one client. The tasks of one subject
run one after the other, each round in another order: what slows the machine down for a while strikes all clients alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import groupby, product
from typing import Final, Literal

import attrs

from benchmarks.client import Job
from benchmarks.clients import CLIENTS, FLOOR, GESTURA, Client
from benchmarks.imports import IMPORTS, import_program
from benchmarks.stages import STAGES
from benchmarks.workload import Wire, Workload

__all__ = ["FULL", "QUICK", "SCHEMES", "Plan", "Scheme", "Task", "shuffled"]

Scheme = Literal["http", "https"]

SCHEMES: Final[dict[Scheme, str]] = {"http": "plain", "https": "TLS"}
"""What tables call them."""


ASSESSED_IMPORTS: Final = tuple(IMPORTS)[:2]
"""The two that a goal compares."""


@attrs.frozen(kw_only=True)
class Task:
    """One process of the interpreter that runs us.

    Args:
        group: the table that its figures belong to.
        subject: what they are about; tasks with the same one are compared.
        client: who is measured.
        arguments: for the interpreter.
        rounds: in how many of the rounds, from the first on; in all if `None`.
    """

    group: str
    subject: str
    client: str
    arguments: tuple[str, ...]
    rounds: int | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """What is measured, and how often.

    Args:
        workloads: by the name of the subject.
        clients: who reads them.
        curves: long streams, by what is long.
        widths: the same load in more and more streams, by their number.
        imports: names of `IMPORTS`.
        stages: names of `STAGES`.
        over_tls: names of the workloads that are measured over TLS, too.
        beside: measure also what is no workload: growth, imports, cold starts, single stages.
        rounds: how often gestura and the floor are measured, and everybody in a burst, where goals say by how much.
        rounds_of_others: how often all the rest is measured, which takes most of the time.
        seconds: no round begins that is likely to end later.
    """

    workloads: dict[str, Workload]
    clients: Sequence[str]
    curves: dict[str, Workload]
    widths: dict[int, Workload]
    imports: Sequence[str]
    stages: Sequence[str]
    over_tls: Sequence[str]
    rounds: int
    rounds_of_others: int
    seconds: float = float("inf")
    beside: bool = True

    def tasks(self, urls: dict[Scheme, str]) -> Iterator[Task]:
        """Every task, those of one subject together.

        Args:
            urls: where the replay server is.
        """
        wires: tuple[Wire, ...] = ("openai_chat", "anthropic")
        for wire, (scheme, url), name in product(wires, urls.items(), self.workloads):
            if scheme == "http" or name in self.over_tls:
                for client in self.clients:
                    if job := self._job(CLIENTS[client], url, wire, name):
                        task = client_task(wire, f"{name}, {SCHEMES[scheme]}", client, job)
                        always = client in (GESTURA, FLOOR) or job.workload.kind == "burst"
                        yield task if always else attrs.evolve(task, rounds=self.rounds_of_others)
        if self.beside:
            for task in self._tasks_beside(urls["http"]):
                always = task.subject == "import" and task.client in ASSESSED_IMPORTS
                yield task if always or task.rounds else attrs.evolve(task, rounds=self.rounds_of_others)

    def _job(self, client: Client, url: str, wire: Wire, name: str) -> Job | None:
        """How the client reads that workload; `None` if it does not."""
        workload = client.reads(self.workloads[name])
        if workload is None or wire not in client.wires or (url.startswith("https") and not client.over_tls):
            return None
        return Job(url=url, wire=wire, workload=workload)

    def _tasks_beside(self, url: str) -> Iterator[Task]:
        for client in self.clients:
            wire = CLIENTS[client].wires[0]
            # Longer than one read: no model sends its first text together with its end, where tokens are counted.
            job = Job(url=url, wire=wire, workload=Workload(kind="burst", events=1000), cold=True)
            yield client_task("cold", "first text", client, job)
        for name in self.imports:
            yield Task(group="cold", subject="import", client=name, arguments=("-c", import_program(IMPORTS[name])))
        for name, workload in self.curves.items():
            for client in (GESTURA, FLOOR) if workload.kind != "arguments" else (GESTURA,):
                job = Job(url=url, wire="openai_chat", workload=workload, curve=True)
                task = client_task("growth", name, client, job)
                # The longest of all, and compared with itself alone.
                yield attrs.evolve(task, rounds=1) if workload.kind == "arguments" else task
        for streams, workload in self.widths.items():
            for client in (GESTURA, FLOOR):
                job = Job(url=url, wire="openai_chat", workload=workload)
                yield client_task("growth", f"{streams} streams", client, job)
        for name in self.stages:
            yield Task(group="stages", subject=name, client=GESTURA, arguments=("-m", "benchmarks.stages", name))


def client_task(group: str, subject: str, client: str, job: Job) -> Task:
    """The task of one client process."""
    arguments = ("-m", "benchmarks.client", client, job.to_json())
    return Task(group=group, subject=subject, client=client, arguments=arguments)


def shuffled(tasks: Sequence[Task], seed: int) -> list[Task]:
    """The tasks of each subject in another order, the subjects in theirs."""
    dice = random.Random(seed)
    out: list[Task] = []
    for _, same in groupby(tasks, key=lambda task: (task.group, task.subject)):
        several = list(same)
        out += dice.sample(several, len(several))
    return out


def _paced(streams: int, rate: float, seconds: float) -> Workload:
    return Workload(kind="paced", events=round(rate * seconds), streams=streams, rate=rate)


FULL: Final = Plan(
    workloads={
        "burst": Workload(kind="burst", events=20_000),
        "single": Workload(kind="single", events=20_000),
        "1 × 50/s": _paced(1, 50, seconds=2),
        "50 × 50/s": _paced(50, 50, seconds=1.5),
        "100 × 50/s": _paced(100, 50, seconds=1),
        "200 × 50/s": _paced(200, 50, seconds=1),
        "1000 × 10/s": _paced(1000, 10, seconds=2),
    },
    clients=tuple(CLIENTS),
    curves={
        "length of the stream": Workload(kind="burst", events=1_000_000),
        "length of a tool argument": Workload(kind="arguments", events=10_000_000),
    },
    widths={streams: _paced(streams, 2_000 / streams, seconds=1.5) for streams in (1, 10, 100, 1000)},
    imports=tuple(IMPORTS),
    stages=tuple(STAGES),
    over_tls=("burst", "50 × 50/s", "1000 × 10/s"),
    rounds=5,
    rounds_of_others=3,
)
"""Every figure that the goals are about: about 25 minutes."""

QUICK: Final = Plan(
    workloads={
        "burst": Workload(kind="burst", events=5_000),
        "single": Workload(kind="single", events=5_000),
        "50 × 50/s": _paced(50, 50, seconds=1),
    },
    clients=(GESTURA, FLOOR, "openai", "anthropic"),
    curves={
        "length of the stream": Workload(kind="burst", events=100_000),
        "length of a tool argument": Workload(kind="arguments", events=100_000),
    },
    widths={},
    imports=ASSESSED_IMPORTS,
    stages=("framing: server-sent events", "decoding: openai_chat", "think tags", "tool calls", "all: openai_chat"),
    over_tls=(),
    rounds=3,
    rounds_of_others=3,
    seconds=100.0,
)
"""A first impression, in less than two minutes."""
