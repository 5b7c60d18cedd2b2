"""Figures, goals, tables and the chart, from measurements that are made up."""

from __future__ import annotations

import json
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import CHART, PAGE, RESULTS
from benchmarks.chart import svg
from benchmarks.clients import CLIENTS, FLOOR, GESTURA
from benchmarks.goals import goals
from benchmarks.measuring import Measurement
from benchmarks.report import goals_table, markdown, replace_between_marks
from benchmarks.results import Figure, Results
from benchmarks.task import FULL, QUICK, Plan, Task, shuffled

URLS: Any = {"http": "http://127.0.0.1:1", "https": "https://127.0.0.1:2"}

METRICS = {
    "complete": 1.0,
    "cpu_us_per_event": 100.0,
    "latency_p50_ms": 1.0,
    "latency_p99_ms": 2.0,
    "kib_per_stream": 32.0,
    "opening_us_per_stream": 500.0,
    "load_carried": 1.0,
    "load_offered": 1.0,
    "import_ms": 400.0,
    "first_text_ms": 500.0,
    "mb_per_second": 50.0,
    "us_per_event": 5.0,
    **{f"cpu_us_until_{10**power}": 5.0 for power in range(3, 8)},
}

both_plans = pytest.mark.parametrize("plan", [FULL, QUICK], ids=["full", "quick"])


def measured(client: str, number: int = 0, subject: str = "burst, plain", **values: float) -> Measurement:
    return Measurement(round=number, group="openai_chat", subject=subject, client=client, values=values)


def made_up(plan: Plan, **changed: float) -> list[Measurement]:
    """A measurement for every task of a plan, in which gestura's differ from the others' by `changed`."""
    return [
        Measurement(
            round=0,
            group=task.group,
            subject=task.subject,
            client=task.client,
            values={**METRICS, **(changed if task.client == GESTURA else {})},
        )
        for task in plan.tasks(URLS)
    ]


def results_of(plan: Plan) -> dict[str, Any]:
    results = Results(made_up(plan))
    judged = goals(results)
    return {
        "machine": {"cpu": "a CPU", "cores": 2, "system": "Linux 6", "python": "CPython 3.11", "load": 0.1},
        "versions": {"gestura": "0.1.0"},
        "rounds": 1,
        "skipped": {"litellm": "not installed"},
        "goals": [goal.as_json() for goal in judged],
        "worst_cases": {goal.name: goal.where for goal in judged},
        "figures": results.as_json(),
    }


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_figure_is_the_median_with_its_spread(values: list[float]) -> None:
    """The lowest and the highest of the runs stand beside it."""

    assert Figure(median(values), min(values), max(values), len(values)) == Figure.of(values)


def test_a_ratio_is_taken_within_a_round() -> None:
    """A round in which the machine was slow for all is as good as any other."""
    rounds = [(1.0, 2.0), (10.0, 20.0), (100.0, 200.0)]
    results = Results(
        [
            measured(client, number, cpu_us_per_event=value)
            for number, pair in enumerate(rounds)
            for client, value in zip((FLOOR, GESTURA), pair, strict=True)
        ]
    )

    assert Figure(2.0, 2.0, 2.0, 3) == results.ratio("openai_chat", "burst, plain", GESTURA, FLOOR, "cpu_us_per_event")


def test_what_one_of_them_did_not_finish_makes_no_ratio() -> None:
    """A round counts where both have the figure."""
    results = Results([measured(FLOOR, 0, cpu_us_per_event=1.0), measured(GESTURA, 1, cpu_us_per_event=2.0)])

    assert results.ratio("openai_chat", "burst, plain", GESTURA, FLOOR, "cpu_us_per_event") is None


def test_the_full_plan_measures_every_goal() -> None:
    """None is left without a figure where all clients are installed."""

    assert [] == [goal.name for goal in goals(Results(made_up(FULL))) if goal.holds is None]


def test_a_goal_is_judged_by_its_worst_case() -> None:
    """One wire format that misses it is enough."""
    results = made_up(FULL, cpu_us_per_event=100.0)
    late = [each for each in results if each.client == GESTURA and each.group == "anthropic"]
    for each in late:
        each.values["cpu_us_per_event"] = 160.0
    judged = {goal.name: goal for goal in goals(Results(results))}
    burst = judged["burst, plain: CPU to the floor"]

    assert (1.6, False, "anthropic, burst") == (burst.measured, burst.holds, burst.where)
    assert judged["50 streams, TLS: CPU to the floor"].holds


def test_less_than_every_peer_is_less_than_each() -> None:
    """A peer that takes less in one workload is found."""
    measurements = made_up(FULL, cpu_us_per_event=50.0)
    for each in measurements:
        if (each.subject, each.client) == ("burst, TLS", "httpx-sse"):
            each.values["cpu_us_per_event"] = 49.0
    [goal] = [goal for goal in goals(Results(measurements)) if goal.name.startswith("less CPU than every peer")]

    assert goal.holds is False
    assert goal.where.endswith("burst, TLS, httpx-sse")


def test_what_was_not_measured_neither_holds_nor_fails() -> None:
    """A quick run judges what it has measured."""

    assert {None} == {goal.holds for goal in goals(Results([]))}


@both_plans
def test_a_plan_asks_a_client_for_what_it_speaks(plan: Plan) -> None:
    """And names each process once."""
    tasks = list(plan.tasks(URLS))
    keys = [(task.group, task.subject, task.client) for task in tasks]

    assert len(keys) == len(set(keys))
    assert all(task.group in CLIENTS[task.client].wires for task in tasks if task.group in ("openai_chat", "anthropic"))


@given(st.integers(0, 100))
def test_a_round_shuffles_clients_and_keeps_subjects_together(seed: int) -> None:
    """All that is compared runs one after the other, whoever comes first."""
    tasks = list(QUICK.tasks(URLS))
    order = shuffled(tasks, seed)

    def subjects(tasks: list[Task]) -> list[tuple[str, str]]:
        return [(task.group, task.subject) for task in tasks]

    assert subjects(tasks) == subjects(order)
    assert set(tasks) == set(order)


@both_plans
def test_every_figure_of_a_workload_is_in_a_table(plan: Plan) -> None:
    """Each client has a row, each workload a column, and each goal a line."""
    results = results_of(plan)
    text = markdown(results)

    assert all(CLIENTS[client].title in text for client in plan.clients)
    assert all(f"| {workload} |" in text for workload in plan.workloads)
    assert all(goal["name"] in text for goal in results["goals"] if goal["holds"] is not None)


def test_a_failed_client_is_not_an_empty_cell() -> None:
    """A reader sees that it was tried."""
    results = results_of(FULL)
    results["figures"]["openai_chat"]["burst, plain"]["litellm"] = {"failure": "exit code 1"}

    assert "| litellm | failed |" in markdown(results)


def test_goals_that_fail_stand_out() -> None:
    """In the table of the goals."""
    failing = goals(Results(made_up(FULL, cpu_us_per_event=1e6)))
    table = goals_table([goal.as_json() for goal in failing], {goal.name: goal.where for goal in failing})

    assert "**no**" in table
    assert "(openai_chat, burst)" in table


def test_a_goal_is_told_by_four_fields() -> None:
    """Whoever reads the results finds what is aimed at, what was measured, and whether that is enough."""
    assert {("name", "target", "measured", "holds")} == {tuple(goal) for goal in results_of(QUICK)["goals"]}


@both_plans
def test_what_goals_compare_is_measured_in_every_round(plan: Plan) -> None:
    """gestura and the floor, everybody in a burst, and the two imports; the rest in fewer."""
    fewer = [task for task in plan.tasks(URLS) if (task.rounds or plan.rounds) < plan.rounds]

    assert not [task for task in fewer if task.subject.startswith("burst")]
    assert not [
        task for task in fewer if task.group in ("openai_chat", "anthropic") and task.client in (GESTURA, FLOOR)
    ]
    assert not [task for task in fewer if task.subject == "import" and "gestura" in task.client]


@both_plans
def test_the_chart_is_well_formed(plan: Plan) -> None:
    """It is XML, and every bar lies inside of it."""
    root = ET.fromstring(svg(results_of(plan)))  # noqa: S314  # our own
    bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if "x" in bar.attrib]

    assert bars
    assert all(float(bar.attrib["x"]) + float(bar.attrib["width"]) <= float(root.attrib["width"]) for bar in bars)


def test_results_replace_results() -> None:
    """The rest of the page stays as it is, and doing it twice changes nothing."""
    page = PAGE.read_text(encoding="utf-8")
    once = replace_between_marks(page, "| new |\n")

    assert "| new |" in once
    assert once == replace_between_marks(once, "| new |\n")
    assert page.split("<!--")[0] == once.split("<!--")[0]


@pytest.mark.skipif(not RESULTS.exists(), reason="`make bench` has not been run")
def test_the_page_shows_the_results() -> None:
    """The tables and the chart of the documentation are those of `results.json`."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")

    assert page == replace_between_marks(page, markdown(results))
    assert svg(results) == CHART.read_text(encoding="utf-8")
