"""Providers: how to ask, and how to read what comes back. One file each.

A provider knows its wire format and nothing of connections, retries or channels. What it makes of a request is an
`HttpRequest`; what it reads is frames, which its decoder turns into deltas. A user's own provider is any class with
these members, given to the client by the `kind` that settings name. A built-in one is imported when it is first asked
for: hardly any program speaks to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Final, Protocol

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.limits import Limits
from gestura.nearest_names import nearest_name
from gestura.stages import Stage
from gestura.stages.deltas import Delta, Frame
from gestura.transport import HttpRequest

__all__ = ["BUILTIN_PROVIDERS", "Provider", "ProviderFactory", "biller", "display_name", "unknown_kind"]


class Provider(Protocol):
    """One way of speaking to a model, under one set of settings.

    One whose models are slow to wake may have `waiting_words`, too: see `gestura.providers.waiting`.
    """

    @property
    def settings(self) -> ProviderSettings:
        """Its address, key and model."""

    @property
    def think_tags(self) -> tuple[str, ...]:
        """Names of the tags that enclose reasoning in its text; none where it keeps reasoning apart."""

    def ask(self, request: Request) -> HttpRequest:
        """The HTTP request that puts `request` to the model. Its `Accept` names the media types that are an answer.

        Raises:
            ConfigError: the settings are incomplete, or this provider can't express the request.
        """

    def framing(self, limits: Limits) -> Stage[bytes, Frame]:
        """A new stage that splits the body into frames."""

    def decoder(self) -> Stage[Frame, Delta]:
        """A new wire decoder, for one answer."""


ProviderFactory = Callable[[ProviderSettings], Provider]
"""Makes the provider for one stream. May choose by the settings: the same name, another wire for another model."""

_HOMES: Final = {
    "openai": ("openai", "openai"),
    "openai_chat": ("openai_chat", "OpenAIChat"),
    "openai_responses": ("openai_responses", "OpenAIResponses"),
    "anthropic": ("anthropic", "AnthropicMessages"),
    "gemini": ("gemini", "Gemini"),
    "grok": ("grok", "grok"),
    "grok_chat": ("grok", "grok_chat"),
    "grok_responses": ("grok", "grok_responses"),
    "ollama": ("ollama", "Ollama"),
}
"""The module of this package, and the name in it, of each kind's factory."""


class _Builtin(Mapping[str, ProviderFactory]):
    def __getitem__(self, kind: str) -> ProviderFactory:
        module, name = _HOMES[kind]
        factory: ProviderFactory = getattr(import_module(f"{__name__}.{module}"), name)
        return factory

    def __contains__(self, kind: object) -> bool:
        return kind in _HOMES

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


BUILTIN_PROVIDERS: Final[Mapping[str, ProviderFactory]] = _Builtin()
"""What gestura speaks, by the `kind` that settings name."""

_DISPLAY_NAMES: Final = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
    "grok": "Grok",
    "ollama": "Ollama",
}

_BILLERS: Final = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "grok": "grok",
    "grok_chat": "grok",
    "grok_responses": "grok",
    "ollama": "ollama",
}


def unknown_kind(kind: str, known: Iterable[str] = BUILTIN_PROVIDERS) -> str:
    """What is wrong with a kind that is not among the `known` ones.

    >>> unknown_kind("openai-chat")
    "'openai-chat' is no wire format; did you mean 'openai_chat'?"
    """
    return f"{kind!r} is no wire format{nearest_name(kind, sorted(known))}"


def display_name(name: str) -> str:
    """A configured provider's name as messages write it."""
    return _DISPLAY_NAMES.get(name, name)


def biller(name: str, settings: ProviderSettings) -> str:
    """Who counts and bills the tokens of the provider that is configured as `name`.

    A kind that only one provider speaks tells it; for the kinds that many servers speak the name has to.
    """
    return _BILLERS.get(settings.kind, name)
