"""Settings are checked where they are made, and no repr shows a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.config import ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.errors import ConfigError

KEY = "sk-canary-0123456789"


def settings(api_key: str = "", **fields) -> ProviderSettings:
    return ProviderSettings(kind="openai_chat", model="m", api_key=api_key, **fields)


def test_no_repr_shows_a_key_or_a_header():
    """Settings, and all that holds them, are shown without their secrets."""
    config = StreamingConfig(providers={"openai": settings(KEY, headers={"api-key": KEY})})

    assert KEY not in repr(config) + str(config) + repr(config.providers["openai"])


@pytest.mark.parametrize("key", ["", KEY, "with inner blank"])
def test_a_key_is_printable_ascii(key):
    """Keys that a header can carry are taken, the blank one of a server without keys included."""
    assert key == settings(key).api_key


@pytest.mark.parametrize("key", [" k3y", "k3y\n", "k3y\t", "k\r\n3y", "k3y\x00", "k3y\x7f", "k3yé", "k3y\u200b"])
def test_a_key_that_would_break_a_header_is_refused_unshown(key):
    """Blanks around a key, line ends, control and other characters are a `ConfigError` that does not repeat the key."""
    with pytest.raises(ConfigError, match="api_key") as caught:
        settings(key)

    assert key.strip() not in str(caught.value)


@given(st.text())
def test_any_key_is_kept_or_refused(key):
    """Whatever a key is, it is kept as it is or refused with a `ConfigError`."""
    try:
        kept = settings(key).api_key
    except ConfigError:
        return

    assert key == kept
    kept.encode("ascii")


def test_the_deadlines_are_those_of_the_documentation():
    """Connect 10 s, first content 300 s, idle 120 s; the whole stream has none."""
    assert Timeouts(connect=10.0, first_content=300.0, idle=120.0, total=None) == Timeouts()


@pytest.mark.parametrize(
    "wrong",
    [{"max_attempts": 0}, {"initial_delay": -1.0}, {"max_delay": -1.0}, {"multiplier": 0.5}, {"jitter": 1.5}],
    ids=str,
)
def test_a_retry_policy_has_bounds(wrong):
    """A policy that could not work is refused."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


def test_another_model_leaves_the_rest_as_it_was():
    """`with_model` changes one provider's model in a copy; a name that is not configured changes nothing."""
    config = StreamingConfig(providers={"a": settings(KEY), "b": settings()})
    changed = config.with_model("a", "other")

    assert ("other", KEY, "m") == (
        changed.providers["a"].model,
        changed.providers["a"].api_key,
        config.providers["a"].model,
    )
    assert config.providers["b"] is changed.providers["b"]
    assert config is config.with_model("c", "other")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"OPENAI_API_KEY": KEY}, (KEY, None, "gpt-4o-mini")),
        ({"OPENAI_API_KEY": f" {KEY}\n"}, (KEY, None, "gpt-4o-mini")),
        (
            {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://h.example/v1", "OPENAI_MODEL": "m"},
            (KEY, "https://h.example/v1", "m"),
        ),
        ({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "", "OPENAI_MODEL": ""}, (KEY, None, "gpt-4o-mini")),
    ],
)
def test_the_environment_configures_openai(environment, told):
    """The official package's variables are read, blank ones as if they were not there."""
    openai = StreamingConfig.from_environment(environment).providers["openai"]

    assert told == (openai.api_key, openai.base_url, openai.model)


@pytest.mark.parametrize("environment", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_MODEL": "m"}])
def test_without_a_key_the_environment_configures_nothing(environment):
    """A provider that has no key in the environment is not configured."""
    assert {} == StreamingConfig.from_environment(environment).providers
