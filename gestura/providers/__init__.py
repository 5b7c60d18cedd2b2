"""Providers: how to ask, and how to read what comes back. One file each.

A provider knows its wire format and nothing of connections, retries or channels. What it makes of a request is an
`HttpRequest`; what it reads is frames, which its decoder turns into deltas. A user's own provider is any class with
these members, given to the client by the `kind` that settings name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.limits import Limits
from gestura.providers.anthropic import AnthropicMessages
from gestura.providers.gemini import Gemini
from gestura.providers.grok import grok, grok_chat, grok_responses
from gestura.providers.ollama import Ollama
from gestura.providers.openai import openai
from gestura.providers.openai_chat import OpenAIChat
from gestura.providers.openai_responses import OpenAIResponses
from gestura.stages import Stage
from gestura.stages.deltas import Delta, Frame
from gestura.transport import HttpRequest

__all__ = ["BUILTIN_PROVIDERS", "Provider", "ProviderFactory", "biller", "display_name"]


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

BUILTIN_PROVIDERS: Final[Mapping[str, ProviderFactory]] = MappingProxyType(
    {
        "openai": openai,
        "openai_chat": OpenAIChat,
        "openai_responses": OpenAIResponses,
        "anthropic": AnthropicMessages,
        "gemini": Gemini,
        "grok": grok,
        "grok_chat": grok_chat,
        "grok_responses": grok_responses,
        "ollama": Ollama,
    }
)
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


def display_name(name: str) -> str:
    """A configured provider's name as messages write it."""
    return _DISPLAY_NAMES.get(name, name)


def biller(name: str, settings: ProviderSettings) -> str:
    """Who counts and bills the tokens of the provider that is configured as `name`.

    A kind that only one provider speaks tells it; for the kinds that many servers speak the name has to.
    """
    return _BILLERS.get(settings.kind, name)
