"""Every client reads the same events from the replay server and counts the same text, plain and over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.client import Job, read
from benchmarks.clients import CLIENTS, Client
from benchmarks.measuring import RunningServer, replay_server, run_task
from benchmarks.probe import Probe
from benchmarks.task import Scheme, client_task
from benchmarks.workload import Wire, Workload

CASES = [pytest.param(name, wire, id=f"{name}-{wire}") for name, client in CLIENTS.items() for wire in client.wires]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A running server."""
    with replay_server(print) as running:
        yield running


def installed(name: str) -> Client:
    """The client; the test is skipped where it is not installed."""
    client = CLIENTS[name]
    return client if (reason := client.missing()) is None else pytest.skip(f"{name}: {reason}")


def run(server: RunningServer, client: str, wire: Wire, scheme: Scheme, **job: Any) -> dict[str, float]:
    """What one client process measures."""
    installed(client)
    if scheme not in server.urls:
        pytest.skip("the openssl command is needed to make a certificate")
    task = client_task("any", "any", client, Job(url=server.urls[scheme], wire=wire, **job))
    measured = run_task(task, 0, server.environment)

    assert measured.failure is None
    return measured.values


def run_here(server: RunningServer, client: str, wire: Wire, workload: Workload) -> dict[str, float]:
    """The same, measured in this process, which has most of the clients loaded already."""
    probe = Probe(workload)
    read(installed(client), Job(url=server.urls["http"], wire=wire, workload=workload), probe)
    return probe.values()


@pytest.mark.parametrize(("client", "wire"), CASES)
def test_a_client_reads_a_burst_to_its_last_character(server: RunningServer, client: str, wire: Wire) -> None:
    """It counts every character of it, those included that JSON escapes or that are not ASCII."""
    values = run_here(server, client, wire, Workload(kind="burst", events=1_000))

    assert values["complete"] == 1.0
    assert values["cpu_us_per_event"] > 0


PACED = Workload(kind="paced", events=5, streams=3, rate=50.0)


@pytest.mark.parametrize(("client", "wire"), CASES)
def test_a_client_reads_paced_streams(server: RunningServer, client: str, wire: Wire) -> None:
    """It reads several at once, and knows of each event how late it came."""
    values = run_here(server, client, wire, PACED)

    assert values["complete"] == 1.0
    assert 0 < values["latency_p50_ms"] <= values["latency_p99_ms"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_reads_over_tls(server: RunningServer, client: str) -> None:
    """In the process that a benchmark starts for it, where it trusts the server's certificate."""
    values = run(server, client, CLIENTS[client].wires[0], "https", workload=PACED)

    assert values["complete"] == 1.0


def test_a_cold_client_tells_when_its_first_text_came(server: RunningServer) -> None:
    """The time counts from the start of the process."""
    values = run(server, "gestura", "openai_chat", "http", workload=Workload(kind="burst", events=1), cold=True)

    assert values["first_text_ms"] > 0


def test_a_tool_argument_is_measured_on_the_way(server: RunningServer) -> None:
    """A curve has a figure for each power of ten that was passed."""
    workload = Workload(kind="arguments", events=10_000)
    values = run(server, "gestura", "openai_chat", "http", workload=workload, curve=True)

    assert values["complete"] == 1.0
    assert {"cpu_us_until_1000", "cpu_us_until_10000"} == {name for name in values if name.startswith("cpu_us_until_")}


def test_a_client_that_fails_tells_why(server: RunningServer) -> None:
    """Its failure is kept and ends nothing else."""
    job = Job(url="http://127.0.0.1:9", wire="openai_chat", workload=Workload(kind="burst", events=1))
    measured = run_task(client_task("any", "any", "floor-trio", job), 0, server.environment)

    assert measured.values == {}
    assert measured.failure is not None
    assert "all attempts to connect to 127.0.0.1:9 failed" in measured.failure
