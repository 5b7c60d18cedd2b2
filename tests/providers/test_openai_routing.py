"""`openai` asks each model over the API that it speaks, and refuses those that hold no conversation."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind
from gestura.providers import BUILTIN_PROVIDERS
from gestura.providers.faults import fault_of_response
from gestura.providers.model_names import can_converse, speaks_responses
from gestura.providers.openai_chat import OpenAIChat
from gestura.providers.openai_responses import OpenAIResponses

CHAT, RESPONSES, REFUSED = "/v1/chat/completions", "/v1/responses", None

ENDPOINTS = {
    "": CHAT,
    # Names that OpenAI gave, in any case and with blanks around them.
    "gpt-4o": CHAT,
    "gpt-4.1-nano": CHAT,
    "gpt-4-turbo-2024-04-09": CHAT,
    "gpt-3.5-turbo": CHAT,
    "chatgpt-4o-latest": CHAT,
    "o1": CHAT,
    "o3": CHAT,
    "o3-mini": CHAT,
    "o4-mini": CHAT,
    "o5-preview": RESPONSES,
    "o5": CHAT,
    "gpt-5": RESPONSES,
    " GPT-5 ": RESPONSES,
    "gpt-5-mini": RESPONSES,
    "gpt-5.3-codex": RESPONSES,
    "gpt-5.1-codex-mini": RESPONSES,
    "gpt-50": RESPONSES,
    "codex-1": RESPONSES,
    "codex-mini-latest": CHAT,
    "codex-mini": RESPONSES,
    # Fine-tuned.
    "ft:gpt-4o:x": CHAT,
    "ft:gpt-5:x": CHAT,
    "ft:o4-mini:my-org::id": CHAT,
    "ft:codex-1:x": CHAT,
    "ft:gpt-5.3-codex:x": RESPONSES,
    # No conversations: texts completed, images, sound, vectors, judgements.
    "ada": REFUSED,
    "babbage": REFUSED,
    "curie": REFUSED,
    "davinci": REFUSED,
    "babbage-002": REFUSED,
    "davinci-002": REFUSED,
    "Davinci-002": REFUSED,
    "gpt-3.5-turbo-instruct": REFUSED,
    "gpt-3.5-turbo-instruct-0914": REFUSED,
    "ft:davinci-002:x": REFUSED,
    "ft:gpt-3.5-turbo-instruct:x": REFUSED,
    "davinci:ft-x": REFUSED,
    "curie:ft-my-org-2023": REFUSED,
    "text-davinci-003": REFUSED,
    "text-embedding-3-small": REFUSED,
    "text-moderation-latest": REFUSED,
    "code-davinci-002": REFUSED,
    "code-llama": REFUSED,
    "gpt-image-1": REFUSED,
    "gpt-4o-transcribe": REFUSED,
    "gpt-4o-audio-preview": REFUSED,
    "gpt-realtime": REFUSED,
    "gpt-5-realtime": REFUSED,
    "gpt-4o-mini-tts": REFUSED,
    "ft:gpt-4o-audio:x": REFUSED,
    # Names that are not OpenAI's pass, whatever is in them: deployments, other servers' models.
    "whisper-1": CHAT,
    "dall-e-3": CHAT,
    "tts-1": CHAT,
    "omni-moderation-latest": CHAT,
    "codellama": CHAT,
    "qwen2.5-7b-instruct": CHAT,
    "my-embedding-model": CHAT,
    "davinci-2": CHAT,
    "ada-lovelace": CHAT,
    "ft:davinci-003:x": CHAT,
    "my-codex-model": RESPONSES,
    "gpt-oss:20b": CHAT,
    "grok-3": CHAT,
}


def settings(model: str, kind: str = "openai") -> ProviderSettings:
    return ProviderSettings(kind=kind, model=model)


@pytest.mark.parametrize(("model", "endpoint"), ENDPOINTS.items())
def test_each_model_is_asked_where_it_answers(model, endpoint):
    """The table of ids and endpoints. A refused one is the user's mistake, told before anything is sent."""
    if endpoint is REFUSED:
        with pytest.raises(ConfigError) as caught:
            BUILTIN_PROVIDERS["openai"](settings(model))

        assert ErrorKind.BAD_REQUEST is caught.value.kind
    else:
        asked = BUILTIN_PROVIDERS["openai"](settings(model)).ask(Request.of("Hi"))

        assert f"https://api.openai.com{endpoint}" == asked.url


def test_a_refusal_names_the_model_and_better_ones():
    """The message has the model's name as it was given, and models that would do, which are not refused themselves."""
    with pytest.raises(ConfigError, match=r"'gpt-4o-transcribe' can't hold a conversation.* such as") as caught:
        BUILTIN_PROVIDERS["openai"](settings(" gpt-4o-transcribe "))

    suggested = ["gpt-5-mini", "gpt-4.1", "o4-mini", "gpt-5.3-codex"]
    assert all(model in str(caught.value) and can_converse(model) for model in suggested)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "davinci-002", "code-llama"])
@pytest.mark.parametrize(("kind", "endpoint"), [("openai_chat", CHAT), ("openai_responses", RESPONSES)])
def test_an_explicit_kind_overrides(kind, endpoint, model):
    """The kinds that name an API use it for every model, and refuse none."""
    asked = BUILTIN_PROVIDERS[kind](settings(model, kind)).ask(Request.of("Hi"))

    assert f"https://api.openai.com{endpoint}" == asked.url


def test_the_model_is_sent_without_blanks():
    """What routing overlooks is not sent: the model goes out as OpenAI would know it, in the case it was written in."""
    provider = BUILTIN_PROVIDERS["openai"](settings(" GPT-5 "))

    assert "GPT-5" == provider.settings.model
    assert b'"GPT-5"' in provider.ask(Request.of("Hi")).body


@given(st.text(max_size=20) | st.text("-:atxfgptodein 5", max_size=12))
def test_any_name_has_its_way(model):
    """Whatever a model is called, it is asked over one of the two APIs, or refused."""
    try:
        provider = BUILTIN_PROVIDERS["openai"](settings(model))
    except ConfigError:
        assert not can_converse(model)
        return

    assert isinstance(provider, OpenAIResponses if speaks_responses(model) else OpenAIChat)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "This is not a chat model and thus not supported in the v1/chat/completions endpoint. '
        b'Did you mean to use v1/completions?", "type": "invalid_request_error", "param": "model", "code": null}}',
        b"This is not a chat model",
    ],
)
def test_a_model_at_the_wrong_endpoint_is_told_both(body):
    """The 404 that says so becomes an error that names both endpoints, and how to choose."""
    fault = fault_of_response("OpenAI /v1/chat/completions", 404, CIMultiDict(), body, datetime.now(UTC))

    assert fault.message.startswith("OpenAI /v1/chat/completions HTTP 404: This is not a chat model")
    assert all(word in fault.message for word in (CHAT, RESPONSES, "openai_chat", "openai_responses"))
    assert ErrorKind.BAD_REQUEST is fault.kind


def test_other_refusals_are_told_as_they_are():
    """The advice stands beside that 404 alone."""
    body = b'{"error": {"message": "The model does not exist", "code": "model_not_found"}}'
    fault = fault_of_response("OpenAI /v1/responses", 404, CIMultiDict(), body, datetime.now(UTC))

    assert "OpenAI /v1/responses HTTP 404: The model does not exist" == fault.message
