"""Names of models, as callers of OpenAI's API give them: `provider/model`, or a configured model or provider."""

from __future__ import annotations

from typing import Any

from gestura.config import StreamingConfig
from gestura.serving.refused import Refused

__all__ = ["check_provider", "choose", "model_list", "model_object"]


def choose(name: str, config: StreamingConfig) -> tuple[str, str | None]:
    """The provider and the model that a name stands for; the model is `None` for the provider's own.

    `provider/model` goes first; so that a model whose own name has a slash is found even where its first half names
    another provider, put its provider before it.

    Raises:
        Refused: it stands for none.
    """
    provider, slash, model = name.partition("/")
    if slash and model and provider in config.providers:
        return provider, model
    if name in config.providers:
        return name, None
    order = dict.fromkeys((config.primary, *config.fallback, *config.providers))
    for each in order:
        if each in config.providers and config.providers[each].model == name:
            return each, None
    raise Refused(
        f"there is no model {name[:100]!r}; ask for PROVIDER/MODEL with one of the providers "
        f"{', '.join(config.providers) or '(none is configured)'}",
        status=404,
        path="model",
        code="model_not_found",
    )


def check_provider(name: str | None, config: StreamingConfig) -> None:
    """See to it that a provider can be asked.

    Raises:
        Refused: there is no such provider.
    """
    if name is not None and name not in config.providers:
        known = ", ".join(config.providers) or "none: no provider is configured"
        raise Refused(f"provider: there is no {name[:100]!r}; there are {known}", path="provider")


def model_list(config: StreamingConfig) -> dict[str, Any]:
    """The configured models, as `GET /v1/models` tells them."""
    return {"object": "list", "data": [model_object(name, config) for name in _names(config)]}


def model_object(name: str, config: StreamingConfig) -> dict[str, Any]:
    """One model.

    Raises:
        Refused: there is none of that name.
    """
    provider, _ = choose(name, config)
    return {"id": name, "object": "model", "created": 0, "owned_by": provider}


def _names(config: StreamingConfig) -> list[str]:
    return [f"{name}/{settings.model}" for name, settings in config.providers.items()]
