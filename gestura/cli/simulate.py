"""`gestura simulate`: a provider on this machine that says what it is told to, and fails when it is told to."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gestura import simulator
from gestura.cli.help import examples
from gestura.simulator import built_in_scenarios, load_scenario

if TYPE_CHECKING:
    from gestura.simulator import Simulator

__all__ = ["simulate"]

OTHERWISE = "hello"
"""The model that answers for those that are not here, so that the default model of any provider can be asked."""


@click.command(
    epilog=examples(
        ("gestura simulate --port 8000", "the models that come with gestura"),
        ("OPENAI_BASE_URL=http://127.0.0.1:8000 OPENAI_API_KEY=any gestura ask --model tools Hi", "ask one of them"),
        ("gestura simulate mine.toml", "a model of yours beside them"),
    )
)
@click.argument(
    "scenarios", nargs=-1, metavar="[SCENARIO.toml]...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On 127.0.0.1; a free one unless told.")
@click.option("--json", "as_json", is_flag=True, help="Tell where it is and which models it has as one JSON object.")
def simulate(scenarios: Sequence[Path], port: int, as_json: bool) -> None:
    """Play a provider on this machine, until Ctrl-C.

    It serves the models that come with gestura, and one for each SCENARIO.toml. Any other says hello.
    """
    try:
        served = [*built_in_scenarios(), *map(load_scenario, scenarios)]
        simulator.run(served, port=port, otherwise=OTHERWISE, announce=_announce_as_json if as_json else _announce)
    except OSError as error:
        raise click.ClickException(f"can't listen on port {port}: {error.strerror or error}") from error


def _announce_as_json(playing: Simulator) -> None:
    click.echo(json.dumps({"url": playing.url, "models": list(playing.models)}))
    sys.stdout.flush()


def _announce(playing: Simulator) -> None:
    models = playing.models
    click.echo(f"Listening on {playing.url} (Ctrl-C ends it)")
    click.echo(f"Models: {', '.join(models)}")
    click.echo(f"Try: OPENAI_BASE_URL={playing.url} OPENAI_API_KEY=any gestura ask --model {models[-1]} Hi")
    sys.stdout.flush()
