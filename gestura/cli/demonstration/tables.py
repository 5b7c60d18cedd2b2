"""The tables that close a demonstration."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from gestura._actors.statistics import StreamStatistics

__all__ = ["actor_table", "new_table"]


def new_table(title: str, first: str, *others: str) -> Table:
    """An empty table: names at the left, never broken, and figures at the right."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def actor_table(streams: Iterable[StreamStatistics]) -> Table:
    """What the actors did in all of `streams` together, in the order of the flow."""
    streams = list(streams)
    title = f"What the actors of these {len(streams)} streams did"
    table = new_table(title, "actor", "batches in", "made", "deepest queue", "dropped")
    table.columns[2].no_wrap = True
    made = {"HTTP reader": "bytes", "line splitter": "frames", "forwarder": "chunks"}
    names = dict.fromkeys(actor.name for stream in streams for actor in stream.actors)
    dropped = sum(sum(stream.dropped.values()) for stream in streams)
    for name in names:
        actors = [actor for stream in streams for actor in stream.actors if actor.name == name]
        table.add_row(
            name,
            f"{sum(actor.batches for actor in actors):,}",
            f"{sum(actor.items for actor in actors):,} {made.get(name, 'deltas')}",
            f"{max(actor.deepest_queue for actor in actors):,}" if name != "HTTP reader" else "",  # it has none
            f"{dropped:,}" if name == "forwarder" else "",  # the only actor that may
        )
    table.add_row("your task", "", "", f"{max((stream.deepest_queue for stream in streams), default=0):,}", "")
    return table
