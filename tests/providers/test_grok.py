"""Grok: xAI's address, its reasoning, its way of counting; over Chat Completions unless Responses is asked for."""

from __future__ import annotations

import json

import pytest

from gestura.chunks import Done, Text, Thinking
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing.replay import replay
from gestura.usage import TokenParts

CHAT, RESPONSES = "https://api.x.ai/v1/chat/completions", "https://api.x.ai/v1/responses"


def provider(kind: str = "grok", model: str = "grok-4.3", **settings):
    return BUILTIN_PROVIDERS[kind](ProviderSettings(kind=kind, model=model, **settings))


@pytest.mark.parametrize(
    ("kind", "model", "url"),
    [
        ("grok", "grok-3", CHAT),
        ("grok", "grok-4.3", CHAT),
        ("grok", "grok-code-fast-1", CHAT),
        ("grok", "grok-4.20-multi-agent", RESPONSES),
        ("grok", "Grok-4.20-Multi-Agent-0309", RESPONSES),
        ("grok", "gpt-5", CHAT),  # OpenAI's rules on names are not xAI's
        ("grok", "davinci", CHAT),
        ("grok_chat", "grok-4.20-multi-agent", CHAT),
        ("grok_responses", "grok-3", RESPONSES),
    ],
)
def test_the_api_is_chosen_by_the_settings_or_by_the_model(kind, model, url):
    """Multi-agent models answer over Responses alone; the kinds that name an API use it for every model."""
    assert url == provider(kind, model).ask(Request.of("Hi")).url


@pytest.mark.parametrize("kind", ["grok_chat", "grok_responses"])
def test_another_address_may_be_told(kind):
    """A base URL in the settings goes before xAI's own."""
    asked = provider(kind, base_url="https://gateway.example/xai/v1").ask(Request.of("Hi"))

    assert asked.url.startswith("https://gateway.example/xai/v1/")


@pytest.mark.parametrize("kind", ["grok_chat", "grok_responses"])
def test_it_is_asked_with_a_bearer_key(kind):
    """The key goes into the header, and the model into the body."""
    asked = provider(kind, model=" grok-4.3 ", api_key="xai-canary").ask(Request.of("Hi"))

    assert "Bearer xai-canary" == asked.headers["Authorization"]
    assert "xai-canary" not in asked.url
    assert "grok-4.3" == json.loads(asked.body)["model"]


def test_reasoning_and_its_count():
    """Reasoning comes as `reasoning_content`, and is counted on top of the output."""
    body = b"".join(
        b"data: " + json.dumps(event).encode() + b"\n\n"
        for event in (
            {"model": "grok-3-mini", "choices": [{"index": 0, "delta": {"reasoning_content": "Hm."}}]},
            {"choices": [{"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}]},
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 2,
                    "total_tokens": 112,
                    "completion_tokens_details": {"reasoning_tokens": 100},
                },
            },
        )
    )
    thinking, text, _update, done = replay([body, b"data: [DONE]\n\n"], provider("grok_chat", model="grok-3-mini"))

    assert (Thinking("Hm."), Text("Yes.")) == (thinking, text)
    assert isinstance(done, Done)
    assert done.usage is not None
    assert ("grok", "grok-3-mini") == (done.usage.provider, done.usage.model)
    assert TokenParts(input=10, output=102) == done.usage.parts()


def test_what_xai_counts_adds_up(recordings):
    """In every answer of xAI, over either API, the parts make the total that it tells."""
    told = 0
    for recording in recordings("openai_chat", "openai_responses"):
        if recording.manifest["provider"] == "xai":
            *_, done = replay([recording.read()], provider(recording.wire.replace("openai", "grok")))

            assert isinstance(done, Done)
            if done.usage is not None:
                told += 1
                assert done.usage.total_tokens == done.usage.parts().total
    assert told >= 6
