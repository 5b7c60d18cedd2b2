"""Runs a plan: the replay server, then task after task, round after round. What they measured is kept line by line.

A task that fails is kept with its reason and does not end the run. What was measured is not measured again, so a run
that was broken off goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from compileall import compile_dir
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import attrs

from benchmarks.client import SPAWNED_AT
from benchmarks.task import Plan, Scheme, Task, shuffled

__all__ = ["Measurement", "RunningServer", "load_measurements", "measure", "replay_server", "run_task"]

ROOT: Final = Path(__file__).parents[1]

SOURCES: Final = (ROOT / "gestura", ROOT / "benchmarks")
"""What is linked rather than installed. pip compiles what it installs, so all others have their bytecode already."""

TASK_SECONDS: Final = 300
"""After which a process is given up: one that is pacing the slowest client takes half a minute."""


@attrs.frozen(kw_only=True)
class Measurement:
    """What one process measured.

    Args:
        round: in which round, from 0.
        group: see `Task`.
        subject: see `Task`.
        client: see `Task`.
        values: by metric.
        failure: why there are none.
    """

    round: int
    group: str
    subject: str
    client: str
    values: dict[str, float] = attrs.field(factory=dict)
    failure: str | None = None


def load_measurements(path: Path) -> list[Measurement]:
    """All that the file holds; none if there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Measurement(**json.loads(line)) for line in lines]


def measure(plan: Plan, path: Path, say: Callable[[str], None]) -> None:
    """Measure everything in `plan` that `path` has no measurement of, and append it there.

    Args:
        plan: what.
        path: a file of JSON lines, one for each process.
        say: told what is going on.

    Raises:
        RuntimeError: the server has died, and with it all that would be measured after.
    """
    known = load_measurements(path)
    done = {(each.round, each.group, each.subject, each.client) for each in known if each.failure is None}
    for directory in SOURCES:
        compile_dir(directory, quiet=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    longest = 0.0
    with replay_server(say) as server, path.open("a", encoding="utf-8") as file:
        tasks = list(plan.tasks(server.urls))
        for number in range(plan.rounds):
            began = time.monotonic()
            if number and began + longest - start > plan.seconds:
                say(f"Time is up after {number} of {plan.rounds} rounds.")
                break
            for place, task in enumerate(shuffled(tasks, seed=number), 1):
                if (number, task.group, task.subject, task.client) in done or number >= (task.rounds or plan.rounds):
                    continue
                say(
                    f"{(time.monotonic() - start) / 60:.0f} min, round {number + 1}/{plan.rounds}, "
                    f"{place}/{len(tasks)}: {task.group}, {task.subject}, {task.client}"
                )
                measured = run_task(task, number, server.environment)
                if server.process.poll() is not None:
                    raise RuntimeError(f"the replay server has died (exit code {server.process.returncode})")
                file.write(json.dumps(attrs.asdict(measured)) + "\n")
                file.flush()
            longest = max(longest, time.monotonic() - began)


def run_task(task: Task, number: int, environment: dict[str, str]) -> Measurement:
    """Run one process and return what it printed, or why it printed nothing."""
    measured = Measurement(round=number, group=task.group, subject=task.subject, client=task.client)
    try:
        run = subprocess.run(  # noqa: S603  # our own programs
            [sys.executable, *task.arguments],
            cwd=ROOT,
            env={**environment, SPAWNED_AT: str(time.monotonic())},
            capture_output=True,
            text=True,
            check=True,
            timeout=TASK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return attrs.evolve(measured, failure=f"given up after {TASK_SECONDS} s")
    except subprocess.CalledProcessError as error:
        last_line = (error.stderr.strip() or f"exit code {error.returncode}").splitlines()[-1]
        return attrs.evolve(measured, failure=last_line[:200])
    try:
        return attrs.evolve(measured, values=json.loads(run.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return attrs.evolve(measured, failure="it ended without a figure")


@attrs.frozen
class RunningServer:
    """The replay server's URLs, the environment for those who ask it, and its process."""

    urls: dict[Scheme, str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes]


@contextmanager
def replay_server(say: Callable[[str], None]) -> Iterator[RunningServer]:
    """A running server. Without the `openssl` command it has no TLS."""
    with TemporaryDirectory() as directory:
        certificate = _make_certificate(Path(directory))
        if certificate is None:
            say("The openssl command is not there to make a certificate: nothing is measured over TLS.")
        command = [sys.executable, "-m", "benchmarks.server", *([str(certificate)] if certificate else [])]
        with subprocess.Popen(  # noqa: S603  # our own program
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            ports: dict[Scheme, int] = json.loads(server.stdout.readline())
            try:
                urls = {scheme: f"{scheme}://127.0.0.1:{port}" for scheme, port in ports.items()}
                yield RunningServer(urls, _environment(certificate), server)
            finally:
                server.stdin.close()


def _make_certificate(directory: Path) -> Path | None:
    """A certificate for 127.0.0.1 that nobody signed, with its key, in one file."""
    if (openssl := shutil.which("openssl")) is None:
        return None
    file = directory / "certificate.pem"
    command = (
        f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=loopback "
        f"-addext subjectAltName=IP:127.0.0.1 -out {directory}/only.pem -keyout {file}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)  # noqa: S603  # a constant command
    with file.open("a") as both:
        both.write((directory / "only.pem").read_text())
    return file


def _environment(certificate: Path | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    # litellm fetches a price list when imported, and opens 500 connections at most, unless told otherwise.
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": "0"}
    if certificate is not None:
        environment["SSL_CERT_FILE"] = str(certificate)
    return environment
