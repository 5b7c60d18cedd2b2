"""What answers cost, and how much models hold, with the price list and without it."""

from __future__ import annotations

import builtins
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura import pricing
from gestura.chunks import Done
from gestura.config import ProviderSettings
from gestura.pricing import context_window, estimate_cost, load_price_list
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing.replay import replay
from gestura.usage import TokenUsage

MILLION = 1_000_000


def usage(provider=None, model=None, **counts) -> TokenUsage:
    return TokenUsage(provider=provider, model=model, **counts)


@pytest.fixture(params=["the price list", "the built-in table"])
def source(request, monkeypatch):
    """Where prices come from: both sources must give what is asked for."""
    if request.param == "the built-in table":
        monkeypatch.setattr(pricing, "load_price_list", lambda: False)
    elif not load_price_list():
        pytest.skip("genai-prices is not installed")
    pricing._find_in_list.cache_clear()
    yield request.param
    pricing._find_in_list.cache_clear()


COSTS = {
    "OpenAI, a part from the cache": (
        usage("openai", "gpt-4o-2024-08-06", input_tokens=MILLION, cached_input_tokens=400_000, output_tokens=10_000),
        0.6 * 2.50 + 0.4 * 1.25 + 0.01 * 10.00,
    ),
    "Anthropic, caches on top: cheaper to read, dearer to write": (
        usage(
            "anthropic",
            "claude-haiku-4-5-20251001",
            input_tokens=MILLION,
            cached_input_tokens=MILLION,
            cache_write_tokens=MILLION,
            output_tokens=MILLION,
        ),
        1.00 + 0.10 + 1.25 + 5.00,
    ),
    "Gemini, thoughts on top": (
        usage("gemini", "gemini-2.5-flash", input_tokens=MILLION, output_tokens=MILLION, reasoning_tokens=MILLION),
        0.30 + 2 * 2.50,
    ),
    "Gemini's own name for a model": (
        usage("gemini", "models/gemini-2.5-flash", input_tokens=MILLION),
        0.30,
    ),
    "Grok": (usage("grok", "grok-3-mini", input_tokens=MILLION, output_tokens=MILLION), 0.30 + 0.50),
    "a provider with a name of the user's, a model that tells whose it is": (
        usage("work", "gpt-4o-mini", input_tokens=MILLION),
        0.15,
    ),
    "Ollama": (usage("ollama", "gpt-4o", input_tokens=MILLION, output_tokens=MILLION), 0.0),
    "this machine": (usage("local", "SmolLM2-135M-Instruct", input_tokens=MILLION), 0.0),
    "a model that nobody knows": (usage("openai", "x", input_tokens=MILLION, output_tokens=MILLION), 1.00 + 3.00),
    "no model": (usage(input_tokens=MILLION, output_tokens=MILLION), 1.00 + 3.00),
    "nothing told": (usage("openai", "gpt-4o"), 0.0),
}


@pytest.mark.parametrize(("spent", "dollars"), COSTS.values(), ids=COSTS)
def test_what_an_answer_costs(spent, dollars, source):
    """List prices by kind of token; 1.00 and 3.00 dollars a million for unknown models; nothing for local ones."""
    assert pytest.approx(dollars) == estimate_cost(spent)


WINDOWS = [
    ("openai", "gpt-4", 8_192),
    ("openai", "gpt-4o-mini", 128_000),
    ("openai", "gpt-5-mini", 400_000),
    ("anthropic", "claude-haiku-4-5", 200_000),
    ("gemini", "gemini-2.5-flash", 1_048_576),
    ("grok", "grok-4.3", 1_000_000),
    ("openai", "a model that nobody knows", 128_000),
    ("ollama", "llama3.2", 128_000),
    (None, None, 128_000),
]


@pytest.mark.parametrize(("provider", "model", "tokens"), WINDOWS)
def test_how_much_a_model_holds(provider, model, tokens, source):
    """The model's own context window; 128,000 tokens where nobody knows."""
    assert tokens == context_window(provider, model)


@given(st.text(max_size=30) | st.sampled_from(sorted(pricing._TABLE)), st.integers(0, 10**12), st.integers(0, 10**12))
def test_any_model_has_a_price(model, read, written):
    """Whatever a server calls its model, and however much it counts, there is a cost and a window."""
    for provider in ("openai", "gemini", model, None):
        assert estimate_cost(usage(provider, model, input_tokens=read, output_tokens=written)) >= 0
        assert context_window(provider, model) > 0


def test_the_list_goes_before_the_table(monkeypatch):
    """What both know is priced by the list, which others keep up to date."""
    if not load_price_list():
        pytest.skip("genai-prices is not installed")
    pricing._find_in_list.cache_clear()
    monkeypatch.setitem(pricing._TABLE, "gpt-4o", pricing.Price(1, 999, 999))

    assert pytest.approx(2.50) == estimate_cost(usage("openai", "gpt-4o", input_tokens=MILLION))


def test_the_table_stands_in_where_no_list_is_installed(monkeypatch):
    """Without genai-prices nothing fails: the built-in table answers."""
    importing = builtins.__import__

    def without_the_list(name, *args, **kwargs):
        if name.split(".")[0] == "genai_prices":
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_the_list)
    pricing._find_in_list.cache_clear()

    assert not load_price_list()
    assert pytest.approx(2.50) == estimate_cost(usage("openai", "gpt-4o", input_tokens=MILLION))
    pricing._find_in_list.cache_clear()


def test_no_price_is_fetched(monkeypatch):
    """Prices come from what is installed; no connection is opened for them."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    pricing._find_in_list.cache_clear()

    assert estimate_cost(usage("grok", "grok-3", input_tokens=MILLION)) > 0


def test_the_estimate_is_what_was_billed(recordings, source):
    """xAI tells in the stream what it bills, in units of 1e-10 dollars: we come to the same."""
    told = 0
    for recording in recordings("openai_chat", "openai_responses"):
        ticks = re.findall(r'"cost_in_usd_ticks": ?(\d+)', recording.read().decode())
        if recording.manifest["provider"] == "xai" and ticks:
            told += 1
            kind = recording.wire.replace("openai", "grok")
            provider = BUILTIN_PROVIDERS[kind](ProviderSettings(kind=kind, model=""))
            *_, done = replay([recording.read()], provider)

            assert isinstance(done, Done)
            assert pytest.approx(int(ticks[-1]) / 10**10) == estimate_cost(done.usage), recording.path.stem
    assert told >= 6
