"""`gestura demo`: the main job on a real model, then a tour of what so small a model can't show."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import attrs
import click
import trio
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gestura._actors.statistics import StreamStatistics
from gestura._client import Client, open_client
from gestura.chunks import Ending
from gestura.cli.ask import LOCAL, local_settings
from gestura.cli.interrupts import run_until_interrupted
from gestura.cli.streams import is_styled, write_out
from gestura.cli.terminal_text import visible_line
from gestura.cli.tour import TOUR
from gestura.cli.views import Transcript
from gestura.config import ProviderSettings, StreamingConfig
from gestura.conversation import Request, Sampling, user
from gestura.errors import ConfigError
from gestura.local import open_local_model
from gestura.simulator import open_simulator

__all__ = ["demo"]

SIMULATED = "simulated"
BREATH = 0.8  # seconds between a stop's title and its stream
QUESTION = Request(
    messages=(user("Why is the sky blue? Answer in two sentences."),),
    # The likeliest words: a model of this size does better with them, and the demo is the same each time.
    sampling=Sampling(temperature=0.0, max_output_tokens=120),
)


@click.command()
def demo() -> None:
    """Watch a real model answer, then tour a simulated one.

    The real model runs on this machine, where it is installed; nothing outside of it is asked, and no key is needed.
    """
    run_until_interrupted(_Demo().run)


@attrs.define
class _Demo:
    """Shows streams, and remembers what their actors did."""

    _styled: bool = attrs.field(factory=lambda: is_styled(sys.stdout))
    _console: Console = attrs.field(
        factory=lambda: Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    )
    _seen: list[StreamStatistics] = attrs.field(factory=list)

    async def run(self) -> None:
        await self._ask_local_model()
        await self._take_tour()
        self._console.print()
        self._console.print(actor_table(self._seen))

    async def _ask_local_model(self) -> None:
        self._title("A real model, live", "llama.cpp in this process, asked over HTTP as any provider is.")
        try:
            async with open_local_model() as model:
                config = StreamingConfig(primary=LOCAL, providers={LOCAL: local_settings(model)})
                async with open_client(config) as client:
                    await self._show(client, QUESTION, model.model)
        except ConfigError as error:
            self._console.print(f"Not on this machine: {visible_line(str(error))}")

    async def _take_tour(self) -> None:
        async with open_simulator(stop.scenario for stop in TOUR) as simulator:
            settings = ProviderSettings(kind="openai_chat", model="", base_url=simulator.url)
            config = StreamingConfig(primary=SIMULATED, providers={SIMULATED: settings})
            async with open_client(config) as client:
                for stop in TOUR:
                    self._title(stop.title, stop.note)
                    await trio.sleep(BREATH)
                    await self._show(client, stop.request, stop.scenario.model)

    def _title(self, title: str, note: str) -> None:
        self._console.print()
        self._console.rule(Text(title, style="bold"), align="left", characters="-")
        self._console.print(Text(note, style="italic"))
        self._console.print()

    async def _show(self, client: Client, request: Request, model: str) -> None:
        """Ask, and show the answer as it comes."""
        self._console.print(Text(f"> {request.messages[-1].text}", style="bold"))
        transcript = Transcript(styled=self._styled)
        async with client.stream(request, model=model) as chunks:
            async for chunk in chunks:
                await write_out(transcript.feed(chunk))
                if isinstance(chunk, Ending):
                    await write_out(transcript.end(chunk))
            self._seen.append(chunks.statistics())


def actor_table(streams: Iterable[StreamStatistics]) -> Table:
    """What the actors did in all of `streams` together, in the order of the flow."""
    streams = list(streams)
    table = Table(title=f"What the actors of these {len(streams)} streams did", title_justify="left")
    table.add_column("actor")
    for heading in ("batches in", "made", "deepest queue", "dropped"):
        table.add_column(heading, justify="right")
    made = {"HTTP reader": "bytes", "line splitter": "frames", "forwarder": "chunks"}
    names = dict.fromkeys(actor.name for stream in streams for actor in stream.actors)
    dropped = sum(sum(stream.dropped.values()) for stream in streams)
    for name in names:
        actors = [actor for stream in streams for actor in stream.actors if actor.name == name]
        table.add_row(
            name,
            f"{sum(actor.batches for actor in actors):,}",
            f"{sum(actor.items for actor in actors):,} {made.get(name, 'deltas')}",
            f"{max(actor.deepest_queue for actor in actors):,}",
            f"{dropped:,}" if name == "forwarder" else "",  # the only actor that may
        )
    table.add_row("your task", "", "", f"{max((stream.deepest_queue for stream in streams), default=0):,}", "")
    return table
