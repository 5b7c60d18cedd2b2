"""Grok, xAI's models: OpenAI's two APIs at another address.

Chat Completions, with reasoning as `reasoning_content`, unless the model is asked over Responses alone (those called
multi-agent) or the settings choose: xAI prefers Responses for new programs, so `grok_responses` is there for every
model, and `grok_chat` for those that will move. Both count tokens: Chat Completions tells reasoning on top of the
output, Responses as a part of it.
"""

from __future__ import annotations

import attrs

from gestura.config import ProviderSettings
from gestura.providers.openai_chat import OpenAIChat
from gestura.providers.openai_responses import OpenAIResponses

__all__ = ["grok", "grok_chat", "grok_responses"]


def grok(settings: ProviderSettings) -> OpenAIChat | OpenAIResponses:
    """The provider for the model that the settings name."""
    return grok_responses(settings) if "-multi-agent" in settings.model.lower() else grok_chat(settings)


def grok_chat(settings: ProviderSettings) -> OpenAIChat:
    """Grok over Chat Completions."""
    return OpenAIChat(_at_xai(settings))


def grok_responses(settings: ProviderSettings) -> OpenAIResponses:
    """Grok over Responses."""
    return OpenAIResponses(_at_xai(settings))


def _at_xai(settings: ProviderSettings) -> ProviderSettings:
    return attrs.evolve(settings, base_url=settings.base_url or "https://api.x.ai", model=settings.model.strip())
