"""Figures made of measurements: the median of the rounds, with the lowest and the highest beside it.

A ratio is taken within each round, of two processes that ran shortly after one another; the median of these ratios is
the figure, not the ratio of the medians.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

import attrs

from benchmarks.clients import FLOOR
from benchmarks.measuring import Measurement

__all__ = ["Figure", "Results"]

COMPARED_TO_FLOOR = ("cpu_us_per_event", "latency_p50_ms", "latency_p99_ms", "kib_per_stream")


@attrs.frozen
class Figure:
    """One figure and its spread."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Figure | None:
        """The figure of several runs; `None` of none.

        >>> Figure.of([3.0, 1.0, 2.0])
        Figure(median=2.0, low=1.0, high=3.0, runs=3)
        """
        known = sorted(values)
        return cls(median(known), known[0], known[-1], len(known)) if known else None


class Results:
    """All measurements of a run, asked for by group, subject, client and metric."""

    def __init__(self, measurements: Sequence[Measurement]) -> None:
        self._all: dict[tuple[str, str, str], list[Measurement]] = {}
        for each in measurements:
            self._all.setdefault((each.group, each.subject, each.client), []).append(each)

    def subjects(self, group: str) -> list[str]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(subject for of, subject, _ in self._all if of == group))

    def clients(self, group: str, subject: str | None = None) -> set[str]:
        """Those of whom there are measurements, failed ones included."""
        return {client for of, about, client in self._all if of == group and subject in (None, about)}

    def _by_round(self, group: str, subject: str, client: str, metric: str) -> dict[int, float]:
        measured = self._all.get((group, subject, client), [])
        return {each.round: each.values[metric] for each in measured if metric in each.values}

    def figure(self, group: str, subject: str, client: str, metric: str) -> Figure | None:
        """One figure, if it was measured."""
        return Figure.of(self._by_round(group, subject, client, metric).values())

    def ratio(self, group: str, subject: str, client: str, other: str, metric: str) -> Figure | None:
        """How many times the other's figure this client's is."""
        ours = self._by_round(group, subject, client, metric)
        theirs = self._by_round(group, subject, other, metric)
        return Figure.of(ours[number] / theirs[number] for number in ours if theirs.get(number))

    def growth(self, group: str, subject: str, client: str, early: str, late: str) -> Figure | None:
        """How many times one of its metrics another one of the same client is."""
        before = self._by_round(group, subject, client, early)
        after = self._by_round(group, subject, client, late)
        return Figure.of(after[number] / before[number] for number in after if before.get(number))

    def failure(self, group: str, subject: str, client: str) -> str | None:
        """Why there are no figures, if there are none."""
        failures = [each.failure for each in self._all.get((group, subject, client), [])]
        return failures[-1] if failures and all(failures) else None

    def as_json(self) -> dict[str, Any]:
        """Every figure: group, subject, client, metric. A metric ending in `_to_floor` is a ratio."""
        out: dict[str, Any] = {}
        for (group, subject, client), measured in self._all.items():
            metrics = dict.fromkeys(metric for each in measured for metric in each.values)
            figures: dict[str, Any] = {}
            for metric in metrics:
                figures[metric] = self.figure(group, subject, client, metric)
                if metric in COMPARED_TO_FLOOR and (ratio := self.ratio(group, subject, client, FLOOR, metric)):
                    figures[f"{metric}_to_floor"] = ratio
            told: dict[str, Any] = {name: attrs.asdict(figure) for name, figure in figures.items()}
            if failure := self.failure(group, subject, client):
                told["failure"] = failure
            out.setdefault(group, {}).setdefault(subject, {})[client] = told
        return out
