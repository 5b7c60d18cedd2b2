"""The environment variables that configure providers: those of their official packages, read as these read them.

One table says it all: the configuration is read by it, and a provider that is missing is told by it what to set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

__all__ = ["VARIABLES", "Variables", "how_to_configure", "told_by"]


@attrs.frozen(kw_only=True)
class Variables:
    """What one provider is told by the environment.

    Args:
        api_key: variables that may hold the key; the first that does counts.
        base_url: the variable for its address.
        model: the variable for the model that is asked where a request names none.
        default_model: that model where the variable is not set.
        needs_key: without a key there is no such provider; one that needs none is always there.
    """

    api_key: tuple[str, ...]
    base_url: str
    model: str
    default_model: str
    needs_key: bool = True


VARIABLES: Final = {
    "openai": Variables(
        api_key=("OPENAI_API_KEY",), base_url="OPENAI_BASE_URL", model="OPENAI_MODEL", default_model="gpt-5-mini"
    ),
    "anthropic": Variables(
        api_key=("ANTHROPIC_API_KEY",),
        base_url="ANTHROPIC_BASE_URL",
        model="ANTHROPIC_MODEL",
        default_model="claude-sonnet-5-5",
    ),
    "gemini": Variables(
        api_key=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        base_url="GOOGLE_GEMINI_BASE_URL",
        model="GEMINI_MODEL",
        default_model="gemini-3.5-flash",
    ),
    "grok": Variables(api_key=("XAI_API_KEY",), base_url="XAI_BASE_URL", model="XAI_MODEL", default_model="grok-4.3"),
    "ollama": Variables(
        api_key=("OLLAMA_API_KEY",),
        base_url="OLLAMA_HOST",
        model="OLLAMA_MODEL",
        default_model="llama3.2",
        needs_key=False,
    ),
}
"""By provider; the first that is configured is the one asked where nothing else is said."""


def told_by(environment: Mapping[str, str], name: str) -> dict[str, tuple[str, str]]:
    """What the environment says of the provider called `name`: value and variable by setting.

    >>> told_by({"GEMINI_API_KEY": "k", "GEMINI_MODEL": " "}, "gemini")
    {'api_key': ('k', 'GEMINI_API_KEY')}
    """
    variables = VARIABLES[name]
    settings = {"api_key": variables.api_key, "base_url": (variables.base_url,), "model": (variables.model,)}
    return {
        setting: next((value, variable) for variable in names if (value := environment.get(variable, "").strip()))
        for setting, names in settings.items()
        if any(environment.get(variable, "").strip() for variable in names)
    }


def how_to_configure(name: str) -> str:
    """What to do so that there is a provider called `name`, in words.

    >>> how_to_configure("gemini")
    "set GOOGLE_API_KEY or GEMINI_API_KEY, or give StreamingConfig.providers an entry 'gemini'"
    """
    entry = f"give StreamingConfig.providers an entry {name!r}"
    variables = VARIABLES.get(name)
    if variables is None:
        return entry
    needed = variables.api_key if variables.needs_key else (variables.base_url,)
    return f"set {' or '.join(needed)}, or {entry}"
