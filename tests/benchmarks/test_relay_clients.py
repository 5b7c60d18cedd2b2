"""What the benchmark of published streams does, on a small scale, and the tables that it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import attrs
import pytest

from benchmarks.measuring import replay_server
from benchmarks.relay import EVENTS, MANY, PAGE, RATE, Row, measure, measure_direct, on_paper, running_redis, table
from benchmarks.relay_process import RelayJob
from benchmarks.report import replace_between_marks
from benchmarks.workload import Workload

ROW = Row(
    streams=10,
    followers=2,
    direct_cpu_us=100.0,
    publish_cpu_us=150.0,
    follow_cpu_us=80.0,
    redis_cpu_us=40.0,
    direct_ms=0.5,
    follow_ms=1.75,
    commands=9.5,
    kib=5.0,
)
IN_MEMORY = attrs.evolve(ROW, follow_cpu_us=None, redis_cpu_us=None, commands=None, kib=None)


def test_the_table_tells_differences() -> None:
    """What publishing adds, as a sum and as a ratio; what was not measured is a dash."""
    *_, row = table([ROW], memory=False).splitlines()
    *_, bare, _, note = table([IN_MEMORY], memory=True).splitlines()

    assert "| 10 | 2 | 100 µs | + 50 µs (1.50 times) | 80 µs | 40 µs | 1.25 ms | 9.5 | 5.0 KiB |" == row
    assert "| 10 | 2 | 100 µs | + 50 µs (1.50 times) | - | - | 1.25 ms | - | - |" == bare
    assert "no `redis-server`" in note


def test_what_many_streams_need_is_multiplied() -> None:
    """By the chunks of all of them in a second."""
    told = on_paper(ROW)

    assert (100_000, 10.0, 40) == (MANY, RATE, EVENTS)
    assert "1,000,000 chunks a second" in told
    assert "| CPU to ask the providers and to publish | 150 cores |" in told
    assert "| CPU of Redis, which works on one core: as many servers | 40 cores |" in told
    assert "9,500,000 a second" in told
    assert "0.5 GiB" in told
    assert "| CPU to follow | - |" in on_paper(IN_MEMORY)


def test_the_page_has_a_place_for_it() -> None:
    """Between the marks."""
    assert "a table" in replace_between_marks(PAGE.read_text(), "a table")


@pytest.fixture(scope="module")
def read() -> Iterator[tuple[RelayJob, Mapping[str, float]]]:
    """Streams of a running server, and what it takes to read them directly."""
    with replay_server(lambda _line: None) as server:
        workload = Workload(kind="paced", events=5, streams=2, rate=20.0)
        job = RelayJob(url=server.urls["http"], redis=None, prefix="test", workload=workload, followers=3)
        yield job, measure_direct(job)


@pytest.mark.parametrize("where", ["memory", "redis"])
def test_every_chunk_that_was_read_was_followed(where: str, read: tuple[RelayJob, Mapping[str, float]]) -> None:
    """Of each stream, by each follower."""
    job, direct = read
    with running_redis() if where == "redis" else nullcontext() as redis:
        if where == "redis" and redis is None:
            pytest.skip("redis-server is not installed")
        row = measure(attrs.evolve(job, redis=redis.url if redis else None), redis, direct)

    assert (2, 3) == (row.streams, row.followers)
    assert row.publish_cpu_us > 0
    assert (redis is None) is (row.commands is None)
    assert redis is None or row.commands
