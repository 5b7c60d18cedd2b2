"""A base URL, as users have it, becomes an endpoint's URL or a `ConfigError`, and never gives a secret away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.errors import ConfigError
from gestura.providers.endpoints import endpoint_url


def url(base_url: str) -> str:
    return endpoint_url(base_url, "v1", "chat/completions")


@pytest.mark.parametrize(
    ("base_url", "joined"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
        ("  https://api.openai.com/v1 ", "https://api.openai.com/v1/chat/completions"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://api.z.ai/api/paas/v4", "https://api.z.ai/api/paas/v4/chat/completions"),
        ("https://h.example/openai/v1?api-version=2", "https://h.example/openai/v1/chat/completions?api-version=2"),
        ("https://h.example?a=b", "https://h.example/v1/chat/completions?a=b"),
        ("https://h.example/v1#part", "https://h.example/v1/chat/completions"),
        ("HTTPS://h.example:8443", "https://h.example:8443/v1/chat/completions"),
        ("http://localhost:8080", "http://localhost:8080/v1/chat/completions"),
        ("http://model.localhost", "http://model.localhost/v1/chat/completions"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions"),
        ("http://127.9.9.9", "http://127.9.9.9/v1/chat/completions"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/chat/completions"),
    ],
)
def test_the_endpoint_is_joined_below_the_base_url(base_url, joined):
    """A base URL without a path gets the version, one with a path has named it; slashes and queries are minded."""
    assert joined == url(base_url)


@pytest.mark.parametrize(
    ("base_url", "joined"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/api/chat"),
        ("https://h.example/", "https://h.example/api/chat"),
        ("https://h.example/ollama/", "https://h.example/ollama/api/chat"),
    ],
)
def test_an_api_without_a_version_is_joined_directly(base_url, joined):
    """Where no version is asked for, the endpoint's path follows the base URL, with one slash between."""
    assert joined == endpoint_url(base_url, "", "api/chat")


@pytest.mark.parametrize(
    ("base_url", "joined"),
    [
        ("https://h.example", "https://h.example/v1/models/m:stream?alt=sse"),
        ("https://h.example/v2/?", "https://h.example/v2/models/m:stream?alt=sse"),
        ("https://h.example/?tenant=a", "https://h.example/v1/models/m:stream?tenant=a&alt=sse"),
    ],
)
def test_an_endpoint_may_be_asked_with_a_query(base_url, joined):
    """The endpoint's query stands at the end, behind the one that the base URL has."""
    assert joined == endpoint_url(base_url, "v1", "models/m:stream", query="alt=sse")


def test_plain_http_may_carry_what_is_no_secret():
    """A server on another machine may be asked over plain HTTP where neither a key nor a header goes along."""
    lan = "http://192.168.0.9:11434"

    assert f"{lan}/api/chat" == endpoint_url(lan, "", "api/chat", sends_secrets=False)


@pytest.mark.parametrize(
    ("base_url", "reason"),
    [
        ("", "expected http"),
        ("api.openai.com", "expected http"),
        ("localhost:8080", "expected http"),
        ("file:///etc/passwd", "expected http"),
        ("https://", "expected http"),
        ("https:///v1", "expected http"),
        ("https://[::1", "the host or the port"),
        ("https://h.example:port", "the host or the port"),
        ("https://h.example:99999", "the host or the port"),
        ("https://user:s3cret@h.example", "does not belong in a URL"),
        ("https://s3cret@h.example", "does not belong in a URL"),
        ("https://user:s3cret", "the host or the port"),
        ("http://api.openai.com", "in the clear"),
        ("http://192.168.0.9:8080", "in the clear"),
        ("http://localhost.example", "in the clear"),
        ("http://127.0.0.1.example", "in the clear"),
    ],
)
def test_what_is_no_safe_base_url_is_refused(base_url, reason):
    """No URL, a password in it, and plain HTTP to another machine are told in words that show no secret."""
    with pytest.raises(ConfigError, match=f"base_url: .*{reason}") as caught:
        url(base_url)

    assert "s3cret" not in str(caught.value)


@given(st.text() | st.text("htps:/[]@?#%.1v\\ ", max_size=20).map("https://".__add__))
def test_any_base_url_is_joined_or_refused(base_url):
    """Whatever a base URL is, an endpoint's URL or a `ConfigError` comes of it."""
    try:
        joined = url(base_url)
    except ConfigError:
        return

    assert joined.startswith(("https://", "http://"))
