"""The chart of the page: CPU per event, one panel for each workload, one bar for each client, on a logarithmic scale.

Written by hand: a few rectangles don't need a plotting library. The spread of the runs is the line across a bar's end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

import attrs

from benchmarks.clients import CLIENTS, GESTURA

__all__ = ["svg"]

PANELS: Final = {
    "burst, plain": "Burst: 20,000 events as fast as possible",
    "50 × 50/s, plain": "Paced: 50 streams, 50 events a second each",
    "1000 × 10/s, plain": "Paced: 1,000 streams, 10 events a second each",
}
"""Subjects of Chat Completions, and what the chart calls them."""

WIDTH: Final = 760
LABELS: Final = 190
SCALE: Final = 470
BAR: Final = 14
ROW: Final = 20
LOWEST, HIGHEST = 1.0, 2000.0
"""µs at the ends of the scale."""

COLOURS: Final = {"ours": "#2f6f4f", "floor": "#8a8a8a", "peer": "#c8793a"}


@attrs.frozen
class _Bar:
    title: str
    colour: str
    median: float
    low: float
    high: float


def svg(results: Mapping[str, Any]) -> str:
    """The chart of `results`, the content of `results.json`."""
    subjects = results["figures"].get("openai_chat", {})
    panels = [(title, list(_bars(subjects[name]))) for name, title in PANELS.items() if name in subjects]
    body: list[str] = []
    y = 10
    for title, bars in panels:
        y += 22
        body.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}</text>')
        top = y + 8
        bottom = top + ROW * len(bars)
        body += _grid(top, bottom)
        for place, bar in enumerate(bars):
            body += _drawn(bar, top + ROW * place)
        y = bottom + 22
    height = y + 16
    body.append(f'<text x="{LABELS}" y="{height - 8}" fill="#555">CPU µs per event, logarithmic; less is better</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" role="img" aria-label="CPU time per event of gestura and its peers">\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _bars(clients: Mapping[str, Any]) -> Iterator[_Bar]:
    for name, client in CLIENTS.items():
        if figure := clients.get(name, {}).get("cpu_us_per_event"):
            sort = "ours" if name.startswith(GESTURA) else "peer" if client.peer else "floor"
            yield _Bar(client.title, COLOURS[sort], figure["median"], figure["low"], figure["high"])


def _x(value: float) -> float:
    share = math.log(min(max(value, LOWEST), HIGHEST) / LOWEST) / math.log(HIGHEST / LOWEST)
    return round(LABELS + SCALE * share, 1)


def _grid(top: int, bottom: int) -> Iterator[str]:
    for power in range(4):
        x = _x(10**power)
        yield f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{bottom + 13}" text-anchor="middle" fill="#555">{10**power}</text>'


def _drawn(bar: _Bar, top: int) -> Iterator[str]:
    middle = top + ROW // 2
    end = _x(bar.median)
    yield f'<text x="{LABELS - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.title)}</text>'
    yield f'<rect x="{LABELS}" y="{middle - BAR // 2}" width="{end - LABELS:.1f}" height="{BAR}" fill="{bar.colour}"/>'
    yield f'<line x1="{_x(bar.low)}" y1="{middle}" x2="{_x(bar.high)}" y2="{middle}" stroke="#222"/>'
    yield f'<text x="{_x(max(bar.high, bar.median)) + 6:.1f}" y="{middle + 4}">{bar.median:.3g}</text>'
