"""`python -m benchmarks`: measure, write the results, print the tables, and say which goals hold."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.chart import svg
from benchmarks.clients import CLIENTS
from benchmarks.goals import goals
from benchmarks.machine import describe_machine, versions
from benchmarks.measuring import ROOT, load_measurements, measure
from benchmarks.report import goals_table, markdown, replace_between_marks
from benchmarks.results import Results
from benchmarks.task import FULL, QUICK, Plan

RESULTS: Final = ROOT / "benchmarks" / "results.json"
PAGE: Final = ROOT / "docs" / "performance.md"
CHART: Final = ROOT / "docs" / "performance.svg"
SCRATCH: Final = ROOT / "build" / "benchmarks"


def main() -> None:
    """Obey the command line. Exits with 0 whether or not all goals hold: figures are for people to judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first impression; the documentation is left alone")
    parser.add_argument("--continue", action="store_true", dest="go_on", help="go on with the run that was broken off")
    parser.add_argument("--rounds", type=int, help="how often everything is measured")
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this client (may be repeated)")
    parser.add_argument(
        "--workload", action="append", choices=FULL.workloads, help="only this workload (may be repeated)"
    )
    options = parser.parse_args()

    plan = _chosen(QUICK if options.quick else FULL, options)
    partial = bool(options.quick or options.client or options.workload)
    name = "quick" if options.quick else "partial" if partial else "full"
    samples = SCRATCH / f"{name}.jsonl"
    if not options.go_on:
        samples.unlink(missing_ok=True)
    skipped = {client: reason for client in plan.clients if (reason := CLIENTS[client].missing())}
    for client, reason in skipped.items():
        _say(f"{client} is skipped: {reason}")
    plan = attrs.evolve(plan, clients=[client for client in plan.clients if client not in skipped])
    machine = describe_machine()
    if not options.quick:
        _say("If this is broken off, `--continue` goes on with it.")
    measure(plan, samples, _say)

    results = _results(samples, machine, skipped)
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if partial:
        (SCRATCH / f"{name}.json").write_text(text, encoding="utf-8")
    else:
        RESULTS.write_text(text, encoding="utf-8")
        write_page(results)
    sys.stdout.write(markdown(results) + "\n")
    sys.stdout.write(_verdict(results["goals"], results["worst_cases"]))


def _chosen(plan: Plan, options: argparse.Namespace) -> Plan:
    """The part of the plan that was asked for."""
    if options.rounds:
        plan = attrs.evolve(plan, rounds=options.rounds, rounds_of_others=options.rounds, seconds=float("inf"))
    if options.workload:
        workloads = {name: FULL.workloads[name] for name in options.workload}
        plan = attrs.evolve(plan, workloads=workloads, beside=False)
    if options.client:
        plan = attrs.evolve(plan, clients=options.client)
    return plan


def _results(samples: Path, machine: dict[str, Any], skipped: dict[str, str]) -> dict[str, Any]:
    measurements = load_measurements(samples)
    results = Results(measurements)
    judged = goals(results)
    return {
        "machine": machine,
        "versions": versions(),
        "rounds": len({each.round for each in measurements}),
        "skipped": skipped,
        "goals": [goal.as_json() for goal in judged],
        "worst_cases": {goal.name: goal.where for goal in judged},
        "figures": results.as_json(),
    }


def write_page(results: dict[str, Any]) -> None:
    """Bring the page of the documentation and its chart up to date."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(replace_between_marks(page, markdown(results)), encoding="utf-8")
    CHART.write_text(svg(results), encoding="utf-8")


def _verdict(told: list[dict[str, Any]], worst_cases: dict[str, str]) -> str:
    judged = [goal for goal in told if goal["holds"] is not None]
    failed = [goal for goal in judged if not goal["holds"]]
    summary = f"{len(judged) - len(failed)} of {len(judged)} goals hold; {len(told) - len(judged)} were not measured.\n"
    return summary + (f"\nThose that don't:\n\n{goals_table(failed, worst_cases)}" if failed else "")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
