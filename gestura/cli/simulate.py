"""`gestura simulate`: a provider on this machine that says what it is told to, and fails when it is told to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gestura import simulator
from gestura.errors import ConfigError
from gestura.simulator import built_in_scenarios, load_scenario

if TYPE_CHECKING:
    from gestura.simulator import Simulator

__all__ = ["simulate"]

OTHERWISE = "hello"
"""The model that answers for those that are not here, so that the default model of any provider can be asked."""


@click.command()
@click.argument(
    "scenarios", nargs=-1, metavar="[SCENARIO.toml]...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On 127.0.0.1; a free one unless told.")
def simulate(scenarios: Sequence[Path], port: int) -> None:
    """Play a provider on this machine, until Ctrl-C.

    It serves the models that come with gestura, and one for each SCENARIO.toml. Any other says hello.
    """
    try:
        served = [*built_in_scenarios(), *map(load_scenario, scenarios)]
        simulator.run(served, port=port, otherwise=OTHERWISE, announce=_announce)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"can't listen on port {port}: {error.strerror or error}") from error


def _announce(playing: Simulator) -> None:
    models = playing.models
    click.echo(f"Listening on {playing.url} (Ctrl-C ends it)")
    click.echo(f"Models: {', '.join(models)}")
    click.echo(f"Try: OPENAI_BASE_URL={playing.url} OPENAI_API_KEY=any gestura ask --model {models[-1]} Hi")
    sys.stdout.flush()
