"""A run keeps what it measured, goes on where it was broken off, and ends when its server does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

import attrs
import pytest

from benchmarks import measuring
from benchmarks.measuring import Measurement, RunningServer, load_measurements, measure, run_task
from benchmarks.task import QUICK, Plan, Task

PLAN = attrs.evolve(
    QUICK, workloads={}, clients=(), curves={}, imports=(), stages=("tool calls", "think tags"), rounds=2
)


FAILS_ONCE = (0, "tool calls")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Rounds and subjects of the tasks that were run; none of them really is."""
    ran: list[tuple[int, str]] = []

    def run(task: Task, number: int, _environment: dict[str, str]) -> Measurement:
        ran.append((number, task.subject))
        failure = "it is not its day" if ran[-1] == FAILS_ONCE and ran.count(FAILS_ONCE) == 1 else None
        return Measurement(round=number, group=task.group, subject=task.subject, client=task.client, failure=failure)

    monkeypatch.setattr(measuring, "run_task", run)
    return ran


def test_every_task_runs_in_every_round(asked: list[tuple[int, str]], tmp_path: Path) -> None:
    """And what it measured is in the file, failures too."""
    measure(PLAN, tmp_path / "samples.jsonl", print)
    kept = load_measurements(tmp_path / "samples.jsonl")

    assert {(number, name) for number in range(2) for name in PLAN.stages} == set(asked)
    assert asked == [(each.round, each.subject) for each in kept]


def test_what_was_measured_is_not_measured_again(asked: list[tuple[int, str]], tmp_path: Path) -> None:
    """A second run over the same file tries what failed, and that alone."""
    measure(PLAN, tmp_path / "samples.jsonl", print)
    asked[:] = [FAILS_ONCE]
    measure(PLAN, tmp_path / "samples.jsonl", print)

    assert [FAILS_ONCE, FAILS_ONCE] == asked


def test_no_round_begins_that_has_no_time(asked: list[tuple[int, str]], tmp_path: Path) -> None:
    """The first always does."""
    measure(attrs.evolve(PLAN, seconds=0.0), tmp_path / "samples.jsonl", print)

    assert {0} == {number for number, _ in asked}


def test_what_is_to_be_measured_once_is(asked: list[tuple[int, str]], tmp_path: Path, monkeypatch) -> None:
    """In the first round; the others are spared it."""
    once = [attrs.evolve(task, rounds=1 if task.subject == "think tags" else None) for task in PLAN.tasks({"http": ""})]
    monkeypatch.setattr(Plan, "tasks", lambda *_: once)
    measure(PLAN, tmp_path / "samples.jsonl", print)

    assert [(0, "think tags")] == [each for each in asked if each[1] == "think tags"]
    assert [(0, "tool calls"), (1, "tool calls")] == [each for each in asked if each[1] == "tool calls"]


def test_nothing_that_is_measured_is_compiled_on_the_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Even where Python is told to write no bytecode: an import would take a quarter longer."""
    module = tmp_path / "package" / "module.py"
    module.parent.mkdir()
    module.touch()
    monkeypatch.setattr(measuring, "SOURCES", (module.parent,))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    measure(attrs.evolve(PLAN, stages=()), tmp_path / "samples.jsonl", print)

    assert Path(cache_from_source(str(module))).exists()


@pytest.mark.parametrize("program", ["pass", "print('no figure')"])
def test_a_client_that_tells_nothing_has_failed(program: str) -> None:
    """It is noted, and the run goes on."""
    task = Task(group="stages", subject="tool calls", client="gestura", arguments=("-c", program))

    assert "it ended without a figure" == run_task(task, 0, {}).failure


@pytest.mark.usefixtures("asked")
def test_a_run_ends_with_its_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What would be measured without one is not kept."""
    real = measuring.replay_server

    @contextmanager
    def dying_server(say: Callable[[str], None]) -> Iterator[RunningServer]:
        with real(say) as server:
            server.process.kill()
            server.process.wait()
            yield server

    monkeypatch.setattr(measuring, "replay_server", dying_server)
    with pytest.raises(RuntimeError, match="server has died"):
        measure(PLAN, tmp_path / "samples.jsonl", print)

    assert [] == load_measurements(tmp_path / "samples.jsonl")
