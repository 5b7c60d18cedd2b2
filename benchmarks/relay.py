"""`python -m benchmarks.relay`: what publishing a stream costs beside reading it, and how that grows.

Paced streams are read directly; then they are read and published into a Redis of the benchmark's own, and followed in
another process. The figures are the differences, and what Redis itself did. It takes about a minute. Where there is no
`redis-server`, streams are kept in memory, in one process, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Final

import attrs

from benchmarks.machine import describe_machine
from benchmarks.measuring import ROOT, replay_server
from benchmarks.pinning import SERVER_CORE
from benchmarks.relay_process import RelayJob
from benchmarks.report import replace_between_marks
from benchmarks.workload import Workload

__all__ = ["Row", "on_paper", "table"]

PAGE: Final = ROOT / "docs" / "relay.md"
TASK_SECONDS: Final = 60
RATE: Final = 10.0
"""Events a second in each stream: two cores carry a hundred such streams, and all that is measured around them."""

EVENTS: Final = 40
ADD_UP: Final = """
local bytes = 0
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do bytes = bytes + redis.call('MEMORY', 'USAGE', key) end
return bytes
"""

MANY: Final = 100_000

CASES: Final = ((1, 1), (1, 10), (1, 100), (10, 1), (100, 1))
"""How many streams, and how many followers has each."""


@attrs.frozen(kw_only=True)
class Row:
    """What was measured of so many streams with so many followers each; all of one chunk, but for the memory.

    Args:
        streams: how many.
        followers: of each.
        direct_cpu_us: CPU time to read one.
        publish_cpu_us: the same, published.
        follow_cpu_us: of the followers' process, for one chunk of one follower. In memory it is in the one before.
        redis_cpu_us: of Redis; `None` where there is none.
        direct_ms: from the server's write to the reader, without a relay: the median.
        follow_ms: from there to a follower: the median.
        commands: that Redis obeyed.
        kib: memory in Redis of one stream.
    """

    streams: int
    followers: int
    direct_cpu_us: float
    publish_cpu_us: float
    follow_cpu_us: float | None
    redis_cpu_us: float | None
    direct_ms: float
    follow_ms: float
    commands: float | None
    kib: float | None


class Redis:
    """A Redis server of the benchmark's own, asked in its own words."""

    def __init__(self, directory: str, program: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", directory]
        self.process = subprocess.Popen(  # noqa: S603  # found by its name
            [program, *where, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL
        )
        if hasattr(os, "sched_setaffinity") and SERVER_CORE in os.sched_getaffinity(0):
            os.sched_setaffinity(self.process.pid, {SERVER_CORE})

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def spent(self) -> dict[str, float]:
        """CPU seconds, and commands obeyed, those within scripts included."""
        told = dict(line.split(":", 1) for line in self._ask("INFO").split("\r\n") if ":" in line)
        return {
            "cpu": float(told["used_cpu_user"]) + float(told["used_cpu_sys"]),
            "commands": float(told["total_commands_processed"]),
        }

    def bytes_of(self, prefix: str) -> int:
        """Memory of the streams whose names begin so."""
        return int(self._ask("EVAL", ADD_UP, "0", f"{prefix}:*:stream-*"))

    def wait_ready(self) -> None:
        """Until it answers."""
        for _ in range(500):
            try:
                self._ask("PING")
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise RuntimeError("redis-server does not start")

    def _ask(self, *words: str) -> str:
        command = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        address = ("127.0.0.1", self.port)
        with socket.create_connection(address) as connection, connection.makefile("rb") as said:
            connection.sendall(f"*{len(words)}\r\n{command}".encode())
            first = said.readline().decode().strip()
            return said.read(int(first[1:])).decode() if first.startswith("$") else first[1:]


@contextmanager
def running_redis() -> Iterator[Redis | None]:
    """A server for the length of the block; `None` where there is no program for one."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with TemporaryDirectory() as directory:
        redis = Redis(directory, program)
        try:
            redis.wait_ready()
            yield redis
        finally:
            redis.process.kill()
            redis.process.wait()


def measure_direct(job: RelayJob) -> Mapping[str, float]:
    """Read the streams, and no more."""
    with _process("direct", job) as process:
        return _figures(process)


def measure(job: RelayJob, redis: Redis | None, direct: Mapping[str, float]) -> Row:
    """Read, publish and follow the streams."""
    before: dict[str, float] = {}
    with _process("publish", job) as publisher:
        if redis is None:
            published, followed = _figures(publisher), {}
        else:
            with _process("follow", job) as follower:
                assert follower.stdout is not None
                if follower.stdout.readline() != "found\n":
                    raise RuntimeError("the followers found nothing to follow")
                before = redis.spent()
                assert publisher.stdin is not None
                publisher.stdin.write("start\n")
                publisher.stdin.flush()
                published, followed = _figures(publisher), _figures(follower)
    after = redis.spent() if redis else {}
    chunks = job.workload.streams * job.workload.events
    spent = {name: after[name] - before[name] for name in after}
    return Row(
        streams=job.workload.streams,
        followers=job.followers,
        direct_cpu_us=direct["cpu_us_per_event"],
        publish_cpu_us=published["cpu_us_per_event"],
        follow_cpu_us=followed.get("cpu_us_per_event"),
        redis_cpu_us=spent["cpu"] / chunks * 1e6 if spent else None,
        direct_ms=direct["latency_p50_ms"],
        follow_ms=(followed or published)["latency_p50_ms"],
        commands=spent["commands"] / chunks if spent else None,
        kib=redis.bytes_of(job.prefix) / job.workload.streams / 1024 if redis else None,
    )


def _process(role: str, job: RelayJob) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-m", "benchmarks.relay_process", role, job.to_json()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _figures(process: subprocess.Popen[str]) -> dict[str, float]:
    said, _ = process.communicate(timeout=TASK_SECONDS)
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    if figures.get("complete") != 1.0:
        raise RuntimeError(f"not all was read: {figures}")
    return figures


def table(rows: list[Row], *, memory: bool) -> str:
    """The rows as Markdown."""
    lines = [
        "| streams | followers of each | CPU to read a chunk | and to publish it | to follow it, each | in Redis | "
        "later than the reader | commands to Redis, for a chunk | memory in Redis, for a stream |",
        "| --- " * 9 + "|",
    ]
    for row in rows:
        cells = [
            str(row.streams),
            str(row.followers),
            f"{row.direct_cpu_us:.0f} µs",
            f"+ {row.publish_cpu_us - row.direct_cpu_us:.0f} µs ({row.publish_cpu_us / row.direct_cpu_us:.2f} times)",
            _cell(row.follow_cpu_us, "{:.0f} µs"),
            _cell(row.redis_cpu_us, "{:.0f} µs"),
            f"{row.follow_ms - row.direct_ms:.2f} ms",
            _cell(row.commands, "{:.1f}"),
            _cell(row.kib, "{:.1f} KiB"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if memory:
        lines.append("\nThere was no `redis-server`: streams were kept in memory, and followed in the same process.")
    return "\n".join(lines)


def on_paper(row: Row) -> str:
    """What `MANY` streams like those of `row` need, by its figures."""
    chunks = MANY * RATE
    commands = row.commands and row.commands * chunks
    gibibytes = row.kib and row.kib * MANY / 1024**2
    lines = [
        f"### On paper: {MANY:,} streams at once\n",
        f"By the last row, with {RATE:g} chunks a second in each and one follower, so {chunks:,.0f} chunks a second:\n",
        "| what | how much |",
        "| --- | --- |",
        f"| CPU to ask the providers and to publish | {_cores(row.publish_cpu_us, chunks)} |",
        f"| CPU to follow | {_cores(row.follow_cpu_us, chunks)} |",
        f"| CPU of Redis, which works on one core: as many servers | {_cores(row.redis_cpu_us, chunks)} |",
        f"| commands to Redis, those within scripts included | {_cell(commands, '{:,.0f} a second')} |",
        f"| memory in Redis, at {EVENTS} chunks in each stream | {_cell(gibibytes, '{:.1f} GiB')} |",
        "| connections | one for each stream to its provider, two for each process to Redis |",
    ]
    return "\n".join(lines)


def _cores(cpu_us: float | None, chunks: float) -> str:
    return _cell(cpu_us and cpu_us * chunks / 1e6, "{:,.0f} cores")


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    """Measure, print the table, and bring the page up to date unless told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first impression; the documentation is left alone")
    options = parser.parse_args()
    direct: dict[int, Mapping[str, float]] = {}
    rows = []
    machine = describe_machine()
    with replay_server(_say) as server, running_redis() as redis:
        for streams, followers in CASES[:1] if options.quick else CASES:
            workload = Workload(kind="paced", events=EVENTS, streams=streams, rate=RATE)
            job = RelayJob(
                url=server.urls["http"],
                redis=redis.url if redis else None,
                prefix=f"bench-{streams}-{followers}",
                workload=workload,
                followers=followers,
            )
            _say(f"streams: {streams}, followers of each: {followers}")
            if streams not in direct:
                direct[streams] = measure_direct(job)
            rows.append(measure(job, redis, direct[streams]))
    text = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['python']}; load {machine['load']} when it began. "
        f"{EVENTS} chunks in each stream, {RATE:g} a second.\n\n{table(rows, memory=redis is None)}"
    )
    if not options.quick:
        text += f"\n\n{on_paper(rows[-1])}"
        PAGE.write_text(replace_between_marks(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
