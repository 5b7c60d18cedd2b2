"""OpenAI, over the API that the model speaks: Chat Completions or Responses, chosen by its id.

The kinds `openai_chat` and `openai_responses` choose outright, and refuse no name.
"""

from __future__ import annotations

import attrs

from gestura.config import ProviderSettings
from gestura.errors import ConfigError, ErrorKind
from gestura.providers.model_names import can_converse, speaks_responses
from gestura.providers.openai_chat import OpenAIChat
from gestura.providers.openai_responses import OpenAIResponses

__all__ = ["openai"]


def openai(settings: ProviderSettings) -> OpenAIChat | OpenAIResponses:
    """The provider for the model that the settings name.

    Raises:
        ConfigError: the model is known to hold no conversation.
    """
    model = settings.model.strip()
    if not can_converse(model):
        raise ConfigError(
            f"OpenAI model '{model}' can't hold a conversation: choose one that can, such as gpt-5-mini, gpt-4.1, "
            "o4-mini or gpt-5.3-codex (for another server's model of this name, set the kind to openai_chat)",
            kind=ErrorKind.BAD_REQUEST,
        )
    provider = OpenAIResponses if speaks_responses(model) else OpenAIChat
    return provider(attrs.evolve(settings, model=model))
