"""The options that several commands have, each with the same name and the same words everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from click.shell_completion import CompletionItem

from gestura.cli.whom import LOCAL
from gestura.config_file import load_config
from gestura.environment import VARIABLES
from gestura.errors import ConfigError
from gestura.nearest_names import nearest_name

__all__ = [
    "NamedChoice",
    "chunks_as_json",
    "config_option",
    "model_option",
    "plain_option",
    "provider_option",
    "record_option",
]

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


class NamedChoice(click.Choice[str]):
    """One of a few names; another is refused with the nearest of them."""

    def convert(self, value: str, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """The name that `value` is."""
        if value not in self.choices:
            self.fail(f"{value!r} is none{nearest_name(value, self.choices)}", parameter, context)
        return value


class Option(Protocol):
    """What makes an option of a command."""

    def __call__(self, command: Command, /) -> Command: ...


def _providers(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """What a shell may complete a provider's name to: those that are configured."""
    try:
        names = [*load_config().providers, LOCAL]
    except ConfigError:
        names = [*VARIABLES, LOCAL]
    return [CompletionItem(name) for name in names if name.startswith(begun)]


provider_option: Option = click.option(
    "--provider",
    metavar="NAME",
    shell_complete=_providers,
    help="Which provider to ask; `local` starts a small model on this machine.",
)

model_option: Option = click.option(
    "--model", metavar="NAME", help="Which model to ask; the provider's configured one unless told."
)

config_option: Option = click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The configuration file; the one that GESTURA_CONFIG names unless told.",
)

record_option: Option = click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what passes over the wire to this file, without secrets.",
)

chunks_as_json: Option = click.option(
    "--json", "as_json", is_flag=True, help="Print one tagged JSON chunk per line, the ending last."
)

plain_option: Option = click.option(
    "--plain", is_flag=True, help="Show the answer as the model wrote it, also where it is Markdown."
)
