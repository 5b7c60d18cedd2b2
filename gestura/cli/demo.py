"""`gestura demo`: the main job on a real model, then a tour of what so small a model can't show."""

from __future__ import annotations

import click
import trio

from gestura import simulator
from gestura._open_client import open_client
from gestura.cli.demonstration.peers import settings_of
from gestura.cli.demonstration.readers import Visit
from gestura.cli.demonstration.show import Show
from gestura.cli.demonstration.side_by_side import show_side_by_side
from gestura.cli.demonstration.tables import actor_table
from gestura.cli.demonstration.tour import TOUR, Stop
from gestura.cli.help import examples
from gestura.cli.interrupts import run_until_interrupted
from gestura.cli.terminal_text import visible_line
from gestura.cli.whom import LOCAL, local_settings
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.local import open_local_model
from gestura.messages import user
from gestura.request_options import Sampling

__all__ = ["demo"]

BREATH = 0.8  # seconds between a stop's title and its stream
QUESTION = Request(
    messages=(user("What is a river? Answer in one sentence."),),
    # The likeliest words: a model of this size does better with them, and the demo is the same each time.
    sampling=Sampling(temperature=0.0, max_output_tokens=120),
)


@click.command(
    epilog=examples(
        ("gestura demo", "a real model, then the tour: a minute or two"),
        ("gestura demo --all", "six providers side by side: five seconds"),
    )
)
@click.option("--all", "side_by_side", is_flag=True, help="Six simulated providers at once, side by side.")
def demo(side_by_side: bool) -> None:
    """Watch a real model answer, then tour what simulated ones do.

    The real model runs on this machine, where it is installed; nothing outside of it is asked, and no key is needed.
    """
    run_until_interrupted(show_side_by_side if side_by_side else _show_tour)


async def _show_tour() -> None:
    show = Show()
    await _ask_local_model(show)
    for stop in TOUR:
        await _visit(stop, show)
    show.console.print()
    show.console.print(actor_table(show.seen))


async def _ask_local_model(show: Show) -> None:
    show.title("A real model, live", "llama.cpp in this process, asked over HTTP as any provider is.")
    try:
        async with open_local_model() as model:
            config = StreamingConfig(primary=LOCAL, providers={LOCAL: local_settings(model)})
            async with open_client(config) as client:
                show.say(f"> {QUESTION.messages[-1].text}", style="bold")
                async with client.stream(QUESTION) as chunks:
                    await show.stream(chunks)
    except ConfigError as error:
        show.say(f"Not on this machine: {visible_line(str(error))}")


async def _visit(stop: Stop, show: Show) -> None:
    show.title(stop.title, stop.note)
    await trio.sleep(BREATH)
    show.say(f"> {stop.request.messages[-1].text}", style="bold")
    async with simulator.open_simulator(peer.scenario for peer in stop.peers) as playing:
        primary, *others = (peer.name for peer in stop.peers)
        config = StreamingConfig(
            primary=primary,
            fallback=tuple(others),
            providers=settings_of(stop.peers, playing.url),
            hedge_after=stop.hedge_after,
        )
        async with open_client(config) as client:
            await stop.reader(Visit(client=client, simulator=playing, request=stop.request, show=show))
