"""Where the CPU time of one client goes: `python -m benchmarks.profiling CLIENT WIRE WORKLOAD`.

    python -m benchmarks.profiling gestura openai_chat "50 × 50/s"

One run under cProfile, over plain HTTP, sorted by the time that functions spend themselves. The profiler makes small
functions look dearer than they are, and sees the main thread only: this finds places to look at, no figures.
"""

from __future__ import annotations

import argparse
import pstats
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from benchmarks.client import Job
from benchmarks.clients import CLIENTS
from benchmarks.measuring import ROOT, replay_server
from benchmarks.task import FULL

LINES = 40


def main() -> None:
    """Profile what the command line says and print the dearest functions."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profiling")
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("wire", choices=("openai_chat", "anthropic"))
    parser.add_argument("workload", choices=FULL.workloads)
    options = parser.parse_args()

    with TemporaryDirectory() as directory, replay_server(print) as server:
        job = Job(url=server.urls["http"], wire=options.wire, workload=FULL.workloads[options.workload])
        patient = attrs.evolve(job, patience=100.0)  # a process that is stopped leaves no profile
        profile = Path(directory) / "profile"
        client = ["-m", "benchmarks.client", options.client, patient.to_json()]
        command = [sys.executable, "-m", "cProfile", "-o", str(profile), *client]
        subprocess.run(command, cwd=ROOT, env=server.environment, check=True)  # noqa: S603  # our own program
        pstats.Stats(str(profile)).strip_dirs().sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    main()
