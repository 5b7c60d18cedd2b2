"""Results as Markdown, for the terminal and for the page of the documentation: goals first, then every table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.clients import CLIENTS

__all__ = ["goals_table", "markdown", "replace_between_marks"]

BEGIN = "<!-- begin: written by `make bench` -->\n"
END = "<!-- end: written by `make bench` -->\n"

WIRE_TITLES = {"openai_chat": "Chat Completions", "anthropic": "Anthropic Messages"}

Json = Mapping[str, Any]


def markdown(results: Json) -> str:
    """Everything in `results`, the content of `results.json`."""
    return "\n".join(_sections(results))


def replace_between_marks(page: str, text: str) -> str:
    """The page with `text` in the place that it keeps for results."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def goals_table(goals: Iterable[Json], worst_cases: Mapping[str, str]) -> str:
    """Goals that were measured, and whether they hold.

    Args:
        goals: as the results have them.
        worst_cases: in which case each was measured, by its name.
    """
    words = {True: "yes", False: "**no**"}
    rows = [
        [
            goal["name"],
            goal["target"],
            f"{goal['measured']:.3g}" + (f" ({case})" if (case := worst_cases[goal["name"]]) else ""),
            words[goal["holds"]],
        ]
        for goal in goals
    ]
    return _table(["goal", "target", "measured (where it is worst)", "holds"], rows)


def _sections(results: Json) -> Iterator[str]:
    machine = results["machine"]
    yield (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}; load {machine['load']} "
        f"when it began. {results['rounds']} rounds."
    )
    yield ", ".join(f"{name} {version}" for name, version in results["versions"].items()) + ".\n"
    for client, reason in results["skipped"].items():
        yield f"Not measured: {client} ({reason}).\n"
    judged = [goal for goal in results["goals"] if goal["holds"] is not None]
    yield "### Goals\n"
    yield goals_table(judged, results["worst_cases"])
    if unknown := len(results["goals"]) - len(judged):
        yield f"{unknown} more need figures that were not measured.\n"
    figures = results["figures"]
    for wire, title in WIRE_TITLES.items():
        for scheme in ("plain", "TLS"):
            subjects = {name: told for name, told in figures.get(wire, {}).items() if name.endswith(f", {scheme}")}
            if subjects:
                yield from _workload_tables(f"{title}, {scheme}", subjects)
    yield from _growth_section(figures.get("growth", {}))
    yield from _stages_section(figures.get("stages", {}))
    yield from _cold_section(figures.get("cold", {}))


def _workload_tables(title: str, subjects: Json) -> Iterator[str]:
    def rows(names: Sequence[str], cell: Callable[[Json], str]) -> list[list[str]]:
        clients = [client for client in CLIENTS if any(client in subjects[name] for name in names)]
        return [
            [CLIENTS[client].title, *(cell(subjects[name].get(client, {})) for name in names)] for client in clients
        ]

    def header(names: Sequence[str]) -> list[str]:
        return ["", *(name.rpartition(",")[0] for name in names)]

    every = list(subjects)
    paced = [name for name in every if "×" in name]
    yield f"### {title}: CPU µs per event, and how many times the floor's\n"
    yield _table(header(every), rows(every, _cpu_cell))
    if paced:
        yield f"### {title}: added latency in ms, p50 and p99\n"
        yield _table(header(paced), rows(paced, _latency_cell))
        wide = [name for name in paced if not name.startswith(("1 ", "50 "))]
        if wide:
            yield f"### {title}: a stream's memory in KiB, and CPU µs to open it\n"
            yield _table(header(wide), rows(wide, _stream_cell))


def _cpu_cell(told: Json) -> str:
    cell = _spread(told.get("cpu_us_per_event"))
    if ratio := told.get("cpu_us_per_event_to_floor"):
        cell += f", {_short(ratio['median'])}×"
    if (carried := told.get("load_carried")) and carried["median"] < 0.98:
        cell += f"; carries {carried['median']:.0%}"
    if (offered := told.get("load_offered")) and offered["median"] < 0.95:
        cell += f"; the server offered {offered['median']:.0%}"
    return cell or ("failed" if told else "")


def _latency_cell(told: Json) -> str:
    p50, p99 = told.get("latency_p50_ms"), told.get("latency_p99_ms")
    return f"{_short(p50['median'])}, {_spread(p99)}" if p50 and p99 else ""


def _stream_cell(told: Json) -> str:
    memory, opening = told.get("kib_per_stream"), told.get("opening_us_per_stream")
    return f"{_spread(memory)}, {_short(opening['median'])}" if memory and opening else ""


def _growth_section(growth: Json) -> Iterator[str]:
    curves = {name: told for name, told in growth.items() if not name.endswith(" streams")}
    widths = {name: told for name, told in growth.items() if name.endswith(" streams")}
    if curves:
        yield "### Growth: CPU µs per event on the way\n"
        yield "Each column is what one event cost from the power of ten before; the first has the request in it.\n"
        steps = [10**power for power in range(3, 8)]
        yield _table(
            ["", *(f"to {step:,}" for step in steps), "memory, KiB"],
            [
                [
                    f"{name}, {CLIENTS[client].title}",
                    *(_spread(figures.get(f"cpu_us_until_{step}")) for step in steps),
                    _spread(figures.get("kib_per_stream")),
                ]
                for name, told in curves.items()
                for client, figures in told.items()
            ],
        )
    if widths:
        yield "### Growth: CPU µs per event, 2,000 events a second in so many streams\n"
        clients = list(next(iter(widths.values())))
        yield _table(
            ["", *widths],
            [
                [
                    CLIENTS[client].title,
                    *(_spread(told.get(client, {}).get("cpu_us_per_event")) for told in widths.values()),
                ]
                for client in clients
            ],
        )


def _stages_section(stages: Json) -> Iterator[str]:
    if not stages:
        return
    yield "### Stages by themselves\n"
    rows = []
    for name, told in stages.items():
        [figures] = told.values()
        rows.append([name, _spread(figures.get("mb_per_second")), _spread(figures.get("us_per_event"))])
    yield _table(["", "MB/s", "µs per event"], rows)


def _cold_section(cold: Json) -> Iterator[str]:
    if imports := cold.get("import"):
        yield "### Import, in ms\n"
        yield _table(["", "ms"], [[name, _spread(told.get("import_ms"))] for name, told in imports.items()])
    if firsts := cold.get("first text"):
        yield "### From the start of the process to the first text, in ms\n"
        clients = [client for client in CLIENTS if client in firsts]
        yield _table(
            ["", "ms"], [[CLIENTS[client].title, _spread(firsts[client].get("first_text_ms"))] for client in clients]
        )


def _spread(figure: Json | None) -> str:
    if figure is None:
        return ""
    spread = f" [{_short(figure['low'])}–{_short(figure['high'])}]" if figure["runs"] > 1 else ""
    return _short(figure["median"]) + spread


def _short(value: float) -> str:
    """Three digits at most, and no fraction beyond ten.

    >>> _short(4.05), _short(12.34), _short(1234.5)
    ('4.05', '12', '1234')
    """
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
