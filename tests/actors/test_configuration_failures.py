"""What can't be asked ends with a status and an error that say what to do, and nothing is sent."""

from __future__ import annotations

import pytest

import gestura
from gestura.chunks import Error, Status
from gestura.config import ProviderSettings, StreamingConfig
from gestura.errors import ErrorKind
from gestura.transport.scripted import ScriptedTransport


async def asked(config: StreamingConfig, provider: str):
    transport = ScriptedTransport([])
    async with (
        gestura.open_client(config, transport=transport) as client,
        client.stream("Hi", provider=provider) as got,
    ):
        chunks = [chunk async for chunk in got]

    assert [] == transport.exchanges
    return chunks


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("openai", ["OPENAI_API_KEY"]),
        ("anthropic", ["ANTHROPIC_API_KEY"]),
        ("gemini", ["GOOGLE_API_KEY", "GEMINI_API_KEY"]),
        ("grok", ["XAI_API_KEY"]),
        ("ollama", ["OLLAMA_HOST"]),
        ("mine", []),
    ],
)
async def test_a_provider_that_is_not_configured(name, variables):
    """A status and an error say that it isn't configured, and which variables or settings would do it."""
    status, error = await asked(StreamingConfig(), name)

    assert isinstance(status, Status)
    assert isinstance(error, Error)
    assert (ErrorKind.NOT_CONFIGURED, name, False) == (error.kind, error.provider, error.retryable)
    assert error.message.startswith(f"LLM provider '{name}' is not configured: ")
    assert all(word in error.message for word in [*variables, "StreamingConfig.providers"])
    assert error.message in status.message


async def test_a_model_that_holds_no_conversation():
    """A refused model is a request that can't be put to the provider."""
    settings = ProviderSettings(kind="openai", model="gpt-4o-transcribe")
    status, error = await asked(StreamingConfig(providers={"openai": settings}), "openai")

    assert isinstance(status, Status)
    assert isinstance(error, Error)
    assert ErrorKind.BAD_REQUEST is error.kind
    assert "gpt-4o-transcribe" in error.message


async def test_a_kind_that_nobody_knows():
    """The error names the kinds that there are."""
    config = StreamingConfig(providers={"mine": ProviderSettings(kind="telepathy", model="m")})
    *_, error = await asked(config, "mine")

    assert isinstance(error, Error)
    assert ErrorKind.NOT_CONFIGURED is error.kind
    assert all(word in error.message for word in ("telepathy", "openai_chat", "grok", "ollama"))
