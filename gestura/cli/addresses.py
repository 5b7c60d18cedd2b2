"""Which API a model would be asked over, and where: what settings come to, without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError
from gestura.messages import user
from gestura.providers import BUILTIN_PROVIDERS, Provider, unknown_kind
from gestura.providers.anthropic import AnthropicMessages
from gestura.providers.gemini import Gemini
from gestura.providers.ollama import Ollama
from gestura.providers.openai_chat import OpenAIChat
from gestura.providers.openai_responses import OpenAIResponses

__all__ = ["Address", "address_of"]

_APIS: Final[Mapping[type[Provider], str]] = {
    OpenAIChat: "Chat Completions",
    OpenAIResponses: "Responses",
    AnthropicMessages: "Messages",
    Gemini: "streamGenerateContent",
    Ollama: "Ollama chat",
}


@attrs.frozen
class Address:
    """Where a model is asked.

    Args:
        api: the API, as its provider calls it.
        host: with the port, where the URL has one. No more of the URL: what else users put there may be secret.
    """

    api: str
    host: str


def address_of(settings: ProviderSettings) -> Address:
    """Where the provider of `settings` asks its model.

    Raises:
        ConfigError: it can't be asked.
    """
    if settings.kind not in BUILTIN_PROVIDERS:
        raise ConfigError(f"kind: {unknown_kind(settings.kind)}")
    provider = BUILTIN_PROVIDERS[settings.kind](settings)
    asked = provider.ask(Request(messages=(user("Hi"),)))
    return Address(api=_APIS[type(provider)], host=urlsplit(asked.url).netloc)
