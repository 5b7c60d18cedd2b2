"""Whom a command asks: the configured providers, or the model on this machine, started for the command.

What can't be asked is told before anything is sent, with what can be asked instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs

from gestura.config import ProviderSettings, StreamingConfig
from gestura.config_file import LoadedConfig, read_config, section_of
from gestura.environment import VARIABLES
from gestura.errors import ConfigError
from gestura.local import LocalModel, open_local_model
from gestura.nearest_names import nearest_name
from gestura.providers import BUILTIN_PROVIDERS, unknown_kind

__all__ = [
    "LOCAL",
    "check_provider",
    "local_settings",
    "open_configuration",
    "problems_of_kinds",
    "read_for_commands",
]

LOCAL: Final = "local"
"""The provider name of the model that gestura starts itself."""


def read_for_commands(path: Path | None) -> LoadedConfig:
    """The user's configuration, for commands, which speak the built-in wire formats only: a program may bring its own.

    Raises:
        ConfigError: as `load_config`.
    """
    loaded = read_config(path)
    unavailable = dict(loaded.config.unavailable)
    for name, problem in problems_of_kinds(loaded.config.providers).items():
        setting = f"{section_of(name)}.kind"
        unavailable[name] = f"{loaded.origins[setting]}: {setting}: {problem}"
    providers = {name: each for name, each in loaded.config.providers.items() if name not in unavailable}
    return attrs.evolve(loaded, config=attrs.evolve(loaded.config, providers=providers, unavailable=unavailable))


def problems_of_kinds(providers: Mapping[str, ProviderSettings]) -> dict[str, str]:
    """Why no command can ask them, by the names of those that speak no built-in wire format."""
    return {
        name: unknown_kind(settings.kind)
        for name, settings in providers.items()
        if settings.kind not in BUILTIN_PROVIDERS
    }


@asynccontextmanager
async def open_configuration(
    provider: str | None, model: str | None, path: Path | None
) -> AsyncIterator[StreamingConfig]:
    """The user's configuration with `provider` as its primary; with the local model for as long as it is asked.

    Args:
        provider: whom the command names; the configuration's own primary where it is `None`.
        model: which model it names.
        path: the configuration file it names.

    Raises:
        ConfigError: there is no such provider, it is not configured, or the local model is another one.
    """
    config = read_for_commands(path).config
    if provider != LOCAL:
        if provider is not None or not config.fallback:
            check_provider(provider or config.primary, config)
        yield attrs.evolve(config, primary=provider or config.primary)
        return
    async with open_local_model() as local:
        if model not in (None, local.model):
            raise ConfigError(
                f"--model: the local model is {local.model}; for other weights, set GESTURA_LOCAL_MODEL to their file"
            )
        providers = {**config.providers, LOCAL: local_settings(local)}
        yield attrs.evolve(config, primary=LOCAL, fallback=(), providers=providers)


def check_provider(name: str, config: StreamingConfig) -> None:
    """See to it that a provider can be asked.

    Raises:
        ConfigError: there is no such provider, or it is not configured; the message says what there is.
    """
    if name in config.providers:
        return
    if name in config.unavailable:
        raise ConfigError(config.unavailable[name])
    if name == LOCAL:
        raise ConfigError("the local model is not running: begin with `--provider local`")
    if name not in VARIABLES:
        known = dict.fromkeys((*VARIABLES, *config.providers, *config.unavailable, LOCAL))
        raise ConfigError(f"there is no provider {name!r}{nearest_name(name, known)}")
    keys = " or ".join(VARIABLES[name].api_key)
    raise ConfigError(
        f"{name} is not configured: set {keys}; `gestura providers` lists whom you can ask, and "
        "`--provider local` asks a model on this machine, without a key"
    )


def local_settings(model: LocalModel) -> ProviderSettings:
    """How a client reaches the model on this machine."""
    return ProviderSettings(
        kind="openai_chat",
        model=model.model,
        api_key=model.api_key,
        base_url=model.url,
        context_window=model.context_window,
    )
