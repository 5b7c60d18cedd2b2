"""The goals, and whether the figures meet them, each in its worst case over the wire formats, plain and TLS apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import attrs

from benchmarks.clients import CLIENTS, FLOOR, GESTURA
from benchmarks.results import Figure, Results
from benchmarks.task import SCHEMES

__all__ = ["Goal", "goals"]

WIRES = ("openai_chat", "anthropic")
CPU = "cpu_us_per_event"


@attrs.frozen(kw_only=True)
class Goal:
    """One goal.

    Args:
        name: what is looked at.
        target: in words.
        measured: the median, in the worst case; `None` where it was not measured.
        holds: whether that meets the target.
        where: which case that is.
    """

    name: str
    target: str
    measured: float | None
    holds: bool | None
    where: str = ""

    def as_json(self) -> dict[str, Any]:
        """As the results tell it, which say the case apart."""
        return attrs.asdict(self, filter=attrs.filters.exclude("where"))


Case = tuple[str, Figure | None]
"""Where a figure comes from, and the figure."""


def goals(results: Results) -> list[Goal]:
    """All goals, those that were not measured included."""
    return [
        *(goal for scheme in SCHEMES.values() for goal in _by_scheme(results, scheme)),
        _at_least(1.0, "less CPU than every peer, in every workload", list(_peers(results)), unit="× less"),
        *_flatness(results),
        _at_most(
            450 / 380,
            "import gestura, to importing trio, trio_asyncio, aiohttp, msgspec and attrs",
            [("", results.ratio("cold", "import", "gestura", "what gestura is made of", "import_ms"))],
            unit="×",
        ),
    ]


def _by_scheme(results: Results, scheme: str) -> Iterator[Goal]:
    def to(other: str, name: str, metric: str = CPU, *, inverse: bool = False) -> list[Case]:
        subject = f"{name}, {scheme}"
        ends = (other, GESTURA) if inverse else (GESTURA, other)
        return [(f"{wire}, {name}", results.ratio(wire, subject, *ends, metric)) for wire in WIRES]

    def of(name: str, metric: str) -> list[Case]:
        return [(f"{wire}, {name}", results.figure(wire, f"{name}, {scheme}", GESTURA, metric)) for wire in WIRES]

    some = ("50 × 50/s", "100 × 50/s") if scheme == "plain" else ("50 × 50/s",)
    title = f"{' and '.join(name.split()[0] for name in some)} streams, {scheme}"
    many = "1000 × 10/s"
    yield _at_most(1.5, f"burst, {scheme}: CPU to the floor", to(FLOOR, "burst"), unit="×")
    yield _at_least(40, f"burst, {scheme}: CPU below openai", to("openai", "burst", inverse=True), unit="× less")
    yield _at_least(150, f"burst, {scheme}: CPU below litellm", to("litellm", "burst", inverse=True), unit="× less")
    if scheme == "plain":
        yield _at_most(1.5, f"single, {scheme}: CPU to the floor", to(FLOOR, "single"), unit="×")
    yield _at_most(2.0, f"{title}: CPU to the floor", [case for name in some for case in to(FLOOR, name)], unit="×")
    yield _at_most(
        5.0, f"{title}: added latency, p99", [case for name in some for case in of(name, "latency_p99_ms")], unit=" ms"
    )
    yield _at_least(0.98, f"1,000 streams, {scheme}: share of the load carried", of(many, "load_carried"))
    yield _at_most(2.0, f"1,000 streams, {scheme}: CPU to the floor", to(FLOOR, many), unit="×")
    yield _at_most(100.0, f"1,000 streams, {scheme}: added latency, p99", of(many, "latency_p99_ms"), unit=" ms")
    yield _at_most(64.0, f"1,000 streams, {scheme}: memory per stream", of(many, "kib_per_stream"), unit=" KiB")


def _peers(results: Results) -> Iterator[Case]:
    """How many times more CPU than gestura each peer takes, in each workload."""
    peers = [name for name, client in CLIENTS.items() if client.peer]
    for wire, peer in product(WIRES, peers):
        for subject in results.subjects(wire):
            yield f"{wire}, {subject}, {peer}", results.ratio(wire, subject, peer, GESTURA, CPU)


def _flatness(results: Results) -> Iterator[Goal]:
    """What an event costs late in a long stream, to what it costs early."""
    early, late = "cpu_us_until_10000", "cpu_us_until_1000000"
    length, argument = "length of the stream", "length of a tool argument"
    yield _at_most(
        1.25,
        "an event after 100,000 others, to one of the first 10,000",
        [("", results.growth("growth", length, GESTURA, early, late))],
        unit="×",
    )
    yield _at_most(
        1.25,
        "a 1-byte fragment of a 10 MB tool argument, to one of the first 10,000",
        [("", results.growth("growth", argument, GESTURA, early, "cpu_us_until_10000000"))],
        unit="×",
    )
    one, thousand = (results.figure("growth", f"{streams} streams", GESTURA, CPU) for streams in (1, 1000))
    wider = Figure.of([thousand.median / one.median] if one and thousand else [])
    yield _at_most(1.5, "an event in one of 1,000 streams, to one in a single stream", [("", wider)], unit="×")


def _at_most(limit: float, name: str, cases: Iterable[Case], unit: str = "") -> Goal:
    return _judge(name, f"at most {limit:.3g}{unit}", cases, max, lambda measured: measured <= limit)


def _at_least(limit: float, name: str, cases: Iterable[Case], unit: str = "") -> Goal:
    return _judge(name, f"at least {limit:.3g}{unit}", cases, min, lambda measured: measured >= limit)


def _judge(
    name: str,
    target: str,
    cases: Iterable[Case],
    worst: Callable[..., tuple[str, float]],
    meets: Callable[[float], bool],
) -> Goal:
    known = [(where, figure.median) for where, figure in cases if figure is not None]
    if not known:
        return Goal(name=name, target=target, measured=None, holds=None)
    where, measured = worst(known, key=lambda case: case[1])
    return Goal(name=name, target=target, measured=round(measured, 3), holds=meets(measured), where=where)
