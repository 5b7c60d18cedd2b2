"""`gestura providers`: whom this environment lets one ask, and what the others lack."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import attrs
import click

from gestura.cli.addresses import address_of
from gestura.cli.display.streams import columns_of, is_styled
from gestura.cli.display.word_wrap import wrapped
from gestura.cli.help import examples
from gestura.cli.options import config_option
from gestura.cli.terminal_text import visible_line
from gestura.cli.whom import LOCAL, read_for_commands
from gestura.config import ProviderSettings, StreamingConfig
from gestura.environment import VARIABLES
from gestura.errors import ConfigError
from gestura.local import INSTALL, find_weights

__all__ = ["providers"]

NAME_COLUMNS = 11


@attrs.frozen(kw_only=True)
class _Entry:
    """One provider, as it is listed.

    Args:
        provider: its name.
        configured: it can be asked; whether it answers, only asking it tells.
        primary: it is the one that is asked where no other is named.
        model: the model that is asked where no other is named.
        api: the API that this model is asked over.
        host: where, in the network.
        key: a key is set; which, is not shown.
        problem: why it can't be asked, and what to do about it.
    """

    provider: str
    configured: bool = True
    primary: bool = False
    model: str | None = None
    api: str | None = None
    host: str | None = None
    key: bool = False
    problem: str | None = None


@click.command(
    epilog=examples(
        ("gestura providers", "whom you can ask"),
        ("gestura providers --json | jq -r 'select(.configured).provider'", "their names"),
    )
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def providers(config_path: Path | None, as_json: bool) -> None:
    """List whom you can ask, and what to do about the others.

    Nobody is asked, and no key is shown.
    """
    config = read_for_commands(config_path).config
    names = dict.fromkeys((*VARIABLES, *config.providers, *config.unavailable))
    for entry in (*(_entry(name, config) for name in names), _local()):
        click.echo(_json(entry) if as_json else _line(entry))


def _entry(name: str, config: StreamingConfig) -> _Entry:
    settings = config.providers.get(name)
    if settings is None and name in config.unavailable:
        problem, is_primary = f"can't be asked: {config.unavailable[name]}", name == config.primary
        return _Entry(provider=name, configured=False, primary=is_primary, problem=problem)
    if settings is None:
        keys = " or ".join(VARIABLES[name].api_key)
        return _Entry(provider=name, configured=False, problem=f"not configured: set {keys}")
    return _configured(name, settings, primary=name == config.primary)


def _configured(name: str, settings: ProviderSettings, *, primary: bool) -> _Entry:
    key = bool(settings.api_key)
    try:
        address = address_of(settings)
    except ConfigError as error:
        return _Entry(provider=name, configured=False, primary=primary, key=key, problem=f"can't be asked: {error}")
    return _Entry(provider=name, primary=primary, model=settings.model, api=address.api, host=address.host, key=key)


def _local() -> _Entry:
    """The model on this machine, which has no settings: it is installed, or not."""
    try:
        weights = find_weights()
    except ConfigError as error:
        return _Entry(provider=LOCAL, configured=False, problem=f"can't be asked: {error}")
    if importlib.util.find_spec("xllamacpp") is None:
        problem = f"can't be asked: the local model's server is not installed: {INSTALL}"
        return _Entry(provider=LOCAL, configured=False, problem=problem)
    return _Entry(provider=LOCAL, model=weights.stem, api="Chat Completions")


def _json(entry: _Entry) -> str:
    return json.dumps(attrs.asdict(entry, filter=lambda _, value: value is not None))


def _line(entry: _Entry) -> str:
    columns = columns_of(sys.stdout)
    words = wrapped(visible_line(_words(entry)), columns and columns - NAME_COLUMNS)
    name = entry.provider.ljust(NAME_COLUMNS)
    if is_styled(sys.stdout):
        name = click.style(name, bold=entry.configured, dim=not entry.configured)
    return name + words.replace("\n", "\n" + " " * NAME_COLUMNS)


def _words(entry: _Entry) -> str:
    if entry.problem is not None:
        return entry.problem
    asked = f"{entry.model} over {entry.api}"
    if entry.host is None:
        return f"{asked}, on this machine"
    key, default = "with a key" if entry.key else "without a key", " (the default)" if entry.primary else ""
    return f"{asked} at {entry.host}, {key}{default}"
