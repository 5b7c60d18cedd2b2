"""Voices: one per wire format, each turning what was meant into the bytes a provider would send.

A voice is pure, so "voice to decoder to what was meant" can be tested without a server, and the server knows no wire
format. A new one is a module here and an entry in `VOICES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from gestura.simulator.scenario import Scenario
from gestura.simulator.voices.anthropic import AnthropicVoice
from gestura.simulator.voices.gemini import GeminiVoice
from gestura.simulator.voices.ollama import OllamaVoice
from gestura.simulator.voices.openai_chat import OpenAIChatVoice
from gestura.simulator.voices.openai_responses import OpenAIResponsesVoice

__all__ = ["VOICES", "Voice"]


class Voice(Protocol):
    """What a provider's streaming endpoint says.

    `path` is a route pattern of aiohttp's; what its braces match comes to `model_of` as `parameters`.
    """

    @property
    def path(self) -> str:
        """Where the provider listens for POST requests."""

    @property
    def content_type(self) -> str:
        """Of a stream."""

    def model_of(self, parameters: Mapping[str, str], body: Mapping[str, Any]) -> str:
        """The model that a request asks for; `""` where it names none."""

    def render(self, scenario: Scenario, body: Mapping[str, Any]) -> list[bytes]:
        """The answer to a request with that body: its wire events, in order, each with its terminator."""

    def error(self, status: int, message: str, code: str | None) -> bytes:
        """The body of an HTTP error, JSON as the provider writes it."""


VOICES: Final[Mapping[str, Voice]] = {
    "openai_chat": OpenAIChatVoice(),
    "openai_responses": OpenAIResponsesVoice(),
    "anthropic": AnthropicVoice(),
    "gemini": GeminiVoice(),
    "ollama": OllamaVoice(),
}
"""Every voice by the name of its wire format."""
