"""`gestura config`: where the configuration is, what it says, and whether it works."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import click

from gestura.chat_dialect import ChatDialect
from gestura.cli.checking import Finding, check_providers
from gestura.cli.display.streams import columns_of, is_styled
from gestura.cli.display.waiting import open_waiting_line
from gestura.cli.display.word_wrap import wrapped
from gestura.cli.help import examples
from gestura.cli.interrupts import run_until_interrupted
from gestura.cli.options import config_option
from gestura.cli.terminal_text import visible_line
from gestura.cli.whom import problems_of_kinds, read_for_commands
from gestura.config import ProviderSettings, StreamingConfig
from gestura.config_file import DEFAULT, LoadedConfig, default_path, read_config, section_of
from gestura.environment import VARIABLES
from gestura.errors import ConfigError

__all__ = ["config"]

SECRETS: Final = frozenset({"api_key", "headers", "keys", "redis_url"})
HIDDEN: Final = "(set, not shown)"

NOTES_COLUMN: Final = 40
"""Where it is told what comes from where, if there is room."""

NEW_FILE: Final = """\
# The configuration of gestura. The environment goes before it; `gestura config show` tells what comes from where.

# Whom to ask where no other is named, and whom to ask when that fails.
# primary = "openai"
# fallback = ["anthropic"]

# Providers whose variables are set need no section. A key is best left in a variable.
# [openai]
# model = "{openai}"
# api_key_env = "OPENAI_API_KEY"

# [anthropic]
# model = "{anthropic}"

# Any server that speaks one of the wire formats, under a name of your own.
# [providers.groq]
# kind = "openai_chat"
# base_url = "https://api.groq.com/openai/v1"
# model = "llama-3.3-70b-versatile"
# api_key_env = "GROQ_API_KEY"

# [retry]
# max_attempts = 3

# Seconds.
# [timeouts]
# first_content = 300
# idle = 120
"""


@click.group(
    epilog=examples(
        ("gestura config show", "what somebody has set, and where"),
        ("gestura config init", "a file to begin with"),
        ("gestura config check", "ask each provider for a word"),
    )
)
def config() -> None:
    """Show, begin or check the configuration."""


@config.command(
    epilog=examples(
        ("gestura config show", "as a file of TOML"),
        ("gestura config show --all", "with what nobody has set"),
        ("gestura config show --json | jq -r .setting", "the names of what is set"),
    )
)
@config_option
@click.option("--all", "show_all", is_flag=True, help="Print also the values that nobody has set.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per value.")
def show(config_path: Path | None, show_all: bool, as_json: bool) -> None:
    """Print what is set, and where it is; whom it makes the primary provider, in any case.

    Keys and headers are not shown.
    """
    loaded = read_config(config_path)
    problems = {f"{section_of(name)}.kind": each for name, each in problems_of_kinds(loaded.settings).items()}
    where = str(loaded.path) if loaded.path else f"none; it would be {default_path()}"
    if not as_json:
        click.echo(f"# file: {visible_line(where)}")
    columns = columns_of(sys.stdout)
    narrow = columns is not None and columns < 2 * NOTES_COLUMN
    section, left_out = "", 0
    for path, value in _values(loaded):
        origin = loaded.origins.get(path, DEFAULT)
        if origin == DEFAULT and not show_all and path != "primary":
            left_out += 1
            continue
        _, is_set = loaded.key_variables.get(path, (None, None))
        problem = problems.get(path)
        if as_json:
            told = {"setting": path, "value": value, "origin": origin, "is_set": is_set, "problem": problem}
            click.echo(json.dumps({name: each for name, each in told.items() if each is not None}))
            continue
        if is_set is not None:
            origin += "; the variable is set" if is_set else "; the variable is not set"
        if problem is not None:
            origin += f"; {problem}"
        before, _, name = path.rpartition(".")
        if before != section:
            section = before
            click.echo(f"\n[{section}]")
        line = f"{name} = {json.dumps(value, ensure_ascii=False)}".ljust(0 if narrow else NOTES_COLUMN)
        note = f"# {visible_line(origin)}"
        click.echo(visible_line(line) + " " + (click.style(note, dim=True) if is_styled(sys.stdout) else note))
    if left_out and not as_json:
        click.echo(f"\n# {left_out} values that nobody has set are left out: --all shows them")


@config.command(
    epilog=examples(
        ("gestura config init", "in your directory for configurations"),
        ("gestura config init --config ./gestura.toml", "elsewhere; GESTURA_CONFIG makes it the one that is read"),
    )
)
@config_option
def init(config_path: Path | None) -> None:
    """Write a configuration file to begin with. One that is there is left alone."""
    path = config_path or default_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    models = {name: variables.default_model for name, variables in VARIABLES.items()}
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(NEW_FILE.format(**models))
    except FileExistsError:
        raise ConfigError(f"{path} is there already") from None
    path.chmod(0o600)  # somebody may write a key into it
    click.echo(f"Wrote {path}")


@config.command(
    epilog=examples(("gestura config check", "a line for each"), ("gestura config check --json", "as JSON"))
)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per provider.")
@click.pass_context
def check(context: click.Context, config_path: Path | None, as_json: bool) -> None:
    """Ask each configured provider for a word, and tell which answer."""
    loaded = read_for_commands(config_path)
    names = [name for name in loaded.config.providers if _is_told(loaded, name)] + [*loaded.config.unavailable]
    if not names:
        raise ConfigError("no provider is configured: `gestura providers` tells what to set")
    if not run_until_interrupted(partial(_check, loaded.config, names, as_json)):
        context.exit(1)


async def _check(config: StreamingConfig, names: Sequence[str], as_json: bool) -> bool:
    awaited = list(names)
    async with open_waiting_line(f"waiting for {', '.join(awaited)}") as waiting:

        def tell(finding: Finding) -> None:
            awaited.remove(finding.provider)
            waiting.vanish()
            told = attrs.asdict(finding, filter=lambda _, value: value is not None)
            click.echo(json.dumps(told) if as_json else wrapped(_in_words(finding), columns_of(sys.stdout)))
            waiting.what = f"waiting for {', '.join(awaited)}"
            waiting.wait()

        return await check_providers(config, names, tell)


def _in_words(finding: Finding) -> str:
    if finding.ok:
        return visible_line(f"{finding.provider}: ok, {finding.model or 'some model'} in {finding.seconds:.1f} s")
    return visible_line(f"{finding.provider}: {finding.kind}: {finding.problem}")


def _is_told(loaded: LoadedConfig, name: str) -> bool:
    """Whether somebody configured the provider, or it is there by itself."""
    return any(origin != DEFAULT for path, origin in loaded.origins.items() if path.startswith(f"{section_of(name)}."))


def _values(loaded: LoadedConfig) -> Iterator[tuple[str, Any]]:
    """Every value that is set, by its path, with secrets hidden."""
    told = loaded.config
    for name in ("primary", "fallback", "after_output", "hedge_after", "transport", "fused"):
        yield from _value(name, getattr(told, name))
    for name, settings in loaded.settings.items():
        yield from _provider(section_of(name), settings)
        key_variable = f"{section_of(name)}.api_key_env"
        if key_variable in loaded.key_variables:
            yield key_variable, loaded.key_variables[key_variable][0]
    for section in ("retry", "timeouts", "limits"):
        for field, value in attrs.asdict(getattr(told, section), recurse=False).items():
            yield from _value(f"{section}.{field}", value)
    for field, value in attrs.asdict(loaded.serve, recurse=False).items():
        yield from [(f"serve.{field}", HIDDEN)] if field in SECRETS and value else _value(f"serve.{field}", value)


def _provider(path: str, settings: ProviderSettings) -> Iterator[tuple[str, Any]]:
    for field, value in attrs.asdict(settings, recurse=False).items():
        if field in SECRETS:
            if value:
                yield f"{path}.{field}", HIDDEN
        elif isinstance(value, ChatDialect):
            for name, part in attrs.asdict(value, recurse=False).items():
                yield from _value(f"{path}.{field}.{name}", part)
        else:
            yield from _value(f"{path}.{field}", value)


def _value(path: str, value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, tuple):
        value = list(value)
    if value is not None:
        yield path, value
