"""Whom a command asks: the providers of the environment, or the model on this machine, started for the command.

What can't be asked is told before anything is sent, with what can be asked instead.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs

from gestura.config import ProviderSettings, StreamingConfig
from gestura.environment import VARIABLES, how_to_configure
from gestura.errors import ConfigError
from gestura.local import LocalModel, open_local_model

__all__ = ["LOCAL", "check_provider", "local_settings", "open_configuration"]

LOCAL: Final = "local"
"""The provider name of the model that gestura starts itself."""


@asynccontextmanager
async def open_configuration(provider: str | None, model: str | None = None) -> AsyncIterator[StreamingConfig]:
    """The environment's configuration with `provider` as its primary; with the local model for as long as it is asked.

    Args:
        provider: whom to ask; the first that the environment configures unless told.
        model: which model the command names.

    Raises:
        ConfigError: there is no such provider, it is not configured, or the local model is another one.
    """
    config = StreamingConfig.from_environment()
    if provider != LOCAL:
        check_provider(provider or config.primary, config)
        yield attrs.evolve(config, primary=provider or config.primary)
        return
    async with open_local_model() as local:
        if model not in (None, local.model):
            raise ConfigError(
                f"--model: the local model is {local.model}; for other weights, set GESTURA_LOCAL_MODEL to their file"
            )
        providers = {**config.providers, LOCAL: local_settings(local)}
        yield attrs.evolve(config, primary=LOCAL, providers=providers)


def check_provider(name: str, config: StreamingConfig) -> None:
    """See to it that a provider can be asked.

    Raises:
        ConfigError: there is no such provider, or it is not configured; the message says what there is.
    """
    if name in config.providers:
        return
    if name == LOCAL:
        raise ConfigError("the local model is not running: begin with `--provider local`")
    if name not in VARIABLES:
        raise ConfigError(f"there is no provider {name!r}; known are {', '.join((*VARIABLES, LOCAL))}")
    how = how_to_configure(name).partition(",")[0]
    raise ConfigError(
        f"{name} is not configured: {how}; `gestura providers` lists whom you can ask, and `--provider local` asks a "
        "model on this machine, without a key"
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
