"""Settings are checked where they are made, and no repr shows a secret."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.config import ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.conversation import Request
from gestura.environment import how_to_configure
from gestura.errors import ConfigError
from gestura.limits import Limits
from gestura.providers import BUILTIN_PROVIDERS

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


KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "grok": "XAI_API_KEY",
    "ollama": "OLLAMA_API_KEY",
}
BASE_URLS = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "gemini": "GOOGLE_GEMINI_BASE_URL",
    "grok": "XAI_BASE_URL",
    "ollama": "OLLAMA_HOST",
}
MODELS = {
    "openai": "OPENAI_MODEL",
    "anthropic": "ANTHROPIC_MODEL",
    "gemini": "GEMINI_MODEL",
    "grok": "XAI_MODEL",
    "ollama": "OLLAMA_MODEL",
}


def from_environment(**environment) -> StreamingConfig:
    return StreamingConfig.from_environment(environment)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_in_the_environment_configures_its_provider(name):
    """The key alone is enough: the provider's own address, and a model of its own that it can be asked."""
    config = from_environment(**{KEYS[name]: KEY})
    provider = config.providers[name]

    assert {name, "ollama"} == set(config.providers)
    assert (name, KEY, None) == (provider.kind, provider.api_key, provider.base_url)
    assert provider.model
    assert name == config.primary
    assert provider.kind in BUILTIN_PROVIDERS
    assert BUILTIN_PROVIDERS[name](provider).ask(Request.of("Hi")).url.startswith("http")


@pytest.mark.parametrize("name", KEYS)
def test_address_and_model_come_from_the_environment(name):
    """Both can be told, under the names that the official packages use for the address."""
    variables = {KEYS[name]: KEY, BASE_URLS[name]: "https://h.example/v1", MODELS[name]: "m"}
    provider = from_environment(**variables).providers[name]

    assert ("https://h.example/v1", "m") == (provider.base_url, provider.model)


@pytest.mark.parametrize("name", KEYS)
def test_blank_variables_are_not_there(name):
    """A variable without a value counts as not set, and blanks around a value are none of it."""
    blank = {KEYS[name]: f" {KEY}\n", BASE_URLS[name]: "", MODELS[name]: " "}

    assert from_environment(**{KEYS[name]: KEY}) == from_environment(**blank)
    assert from_environment() == from_environment(**{KEYS[name]: " "})


def test_without_keys_there_is_ollama():
    """Ollama needs no key. It is not the primary one unasked: the error of the one that is says which key to set."""
    config = from_environment()

    assert ["ollama"] == list(config.providers)
    assert "openai" == config.primary


@pytest.mark.parametrize("variable", [KEYS["ollama"], BASE_URLS["ollama"], MODELS["ollama"]])
def test_ollama_is_primary_where_only_it_is_told_of(variable):
    """Any of its variables says that Ollama is meant."""
    assert "ollama" == from_environment(**{variable: "127.0.0.1"}).primary


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_none_names_its_variable(name):
    """Of five keys in the environment, the message says which to look at."""
    with pytest.raises(ConfigError, match=f"^{KEYS[name]}: a key is "):
        from_environment(**{KEYS[name]: "k\x7f3y"})


def test_googles_name_for_the_key_goes_first():
    """With both variables set, `GOOGLE_API_KEY` counts, as in the official package."""
    both = from_environment(GOOGLE_API_KEY="google", GEMINI_API_KEY="gemini")

    assert "google" == both.providers["gemini"].api_key
    assert "google" == from_environment(GOOGLE_API_KEY="google").providers["gemini"].api_key


@given(st.sets(st.sampled_from(sorted(KEYS))))
def test_the_primary_provider_is_the_first_in_order(names):
    """OpenAI, Anthropic, Gemini, Grok, Ollama: the first that a variable tells of is asked where nothing is said."""
    config = from_environment(**{KEYS[name]: KEY for name in names})

    assert next((name for name in KEYS if name in names), "openai") == config.primary


@pytest.mark.parametrize("name", KEYS)
def test_what_is_missing_is_told_by_its_variable(name):
    """How to configure a provider names the variable that does it."""
    variable = BASE_URLS[name] if name == "ollama" else KEYS[name]

    assert variable in how_to_configure(name)
    assert name in from_environment(**{variable: "127.0.0.1"}).providers
    assert "StreamingConfig.providers" in how_to_configure("mine")


@pytest.mark.parametrize("field", attrs.fields(Limits), ids=lambda field: field.name)
def test_each_limit_has_a_variable(field):
    """`GESTURA_MAX_…` sets it, blank is unset, and what is no number above zero is refused by name."""
    variable = f"GESTURA_{field.name.upper()}"

    assert Limits(**{field.name: 77}) == StreamingConfig.from_environment({variable: " 77 "}).limits
    assert Limits() == StreamingConfig.from_environment({variable: " "}).limits
    for wrong in ("0", "-1", "8MiB", "1e6", "²", "9" * 5000):
        with pytest.raises(ConfigError, match=f"^{variable}: "):
            StreamingConfig.from_environment({variable: wrong})


@pytest.mark.parametrize("field", attrs.fields(Limits), ids=lambda field: field.name)
@pytest.mark.parametrize("wrong", [0, -1])
def test_a_limit_admits_something(field, wrong):
    """No limit is zero or less."""
    with pytest.raises(ValueError, match=field.name):
        Limits(**{field.name: wrong})


def test_the_limits_are_those_of_the_documentation():
    """A frame of 8 MiB, an argument of 16 MiB, an answer that holds two of these."""
    limits = Limits()

    assert (8 << 20, 16 << 20, 32 << 20) == (
        limits.max_frame_bytes,
        limits.max_tool_argument_bytes,
        limits.max_answer_bytes,
    )


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"X-Team": "canary\n"}, "'X-Team' is to be one line"),
        ({"X-Team": "canary\r\nX-Other: 1"}, "'X-Team' is to be one line"),
        ({"X-Team": "can\0ary"}, "'X-Team' is to be one line"),
        ({"X-Team": "can\x7fary"}, "'X-Team' is to be one line"),
        ({"X-Team": None}, "'X-Team' is to be one line"),
        ({"X-Team\n": "canary"}, "such as X-Team"),
        ({"canary: X": "canary"}, "such as X-Team"),
        ({"": "canary"}, "such as X-Team"),
        ({"X-Té": "canary"}, "such as X-Team"),
    ],
)
def test_a_header_that_would_become_two_is_refused(headers, words):
    """When the settings are made, in words that say what would be right and do not show the value."""
    with pytest.raises(ConfigError, match=words) as caught:
        ProviderSettings(kind="openai", model="m", headers=headers)

    assert "canary" not in str(caught.value)


def test_headers_may_hold_what_headers_do():
    """Blanks, tabs, punctuation and other letters than ASCII's."""
    headers = {"X-Team": 'a b\tc; d="é"', "x_odd.name~!": ""}

    assert headers == ProviderSettings(kind="openai", model="m", headers=headers).headers


@pytest.mark.parametrize("kind", sorted(BUILTIN_PROVIDERS))
def test_plain_http_is_for_those_who_allow_it(kind):
    """To another machine, with a key: refused, unless the settings say that the network is trusted."""
    secret = {"kind": kind, "model": "m", "api_key": "key", "base_url": "http://10.0.0.1:8000/v1"}
    with pytest.raises(ConfigError, match="use https, or set allow_plain_http"):
        BUILTIN_PROVIDERS[kind](ProviderSettings(**secret)).ask(Request.of("Hi"))
    allowed = BUILTIN_PROVIDERS[kind](ProviderSettings(**secret, allow_plain_http=True)).ask(Request.of("Hi"))

    assert allowed.url.startswith("http://10.0.0.1:8000/v1")
