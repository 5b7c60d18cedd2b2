"""What an answer cost in money, and how much a model's context window holds.

Both come from the price list of `genai-prices` where that is installed (`pip install 'gestura[prices]'`): it is kept by
others, ships its data and is never asked to fetch newer. It is optional because it brings pydantic and an HTTP client;
importing it takes 0.2 s, so that is left to the first question, or to a thread before it. The table below stands in for
it, and for what it lacks: list prices without the surcharges for long prompts and the rebates for batches. What neither
knows costs `DEFAULT`. Models that run on the user's own machine cost nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import attrs

from gestura.usage import TokenParts, TokenUsage

__all__ = ["context_window", "estimate_cost", "is_price_known", "load_price_list"]

MILLION: Final = 1_000_000

LONGEST_ID: Final = 300
"""Characters of a model's id. Paths of fine-tuned models in clouds come to half of that."""

FREE: Final = frozenset({"ollama", "local"})
"""Providers that bill nobody."""

_IDS_IN_THE_LIST: Final = {"gemini": "google", "grok": "x-ai"}


@attrs.frozen
class Price:
    """A model's context window in tokens, and its prices in US dollars per million tokens.

    Input from a cache and into it is priced as other input unless told.
    """

    window: int
    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None

    def of(self, parts: TokenParts) -> float:
        """What `parts` cost, in US dollars."""
        cached_input = self.input if self.cached_input is None else self.cached_input
        cache_write = self.input if self.cache_write is None else self.cache_write
        dollars_per_million = (
            parts.input * self.input
            + parts.cached_input * cached_input
            + parts.cache_write * cache_write
            + parts.output * self.output
        )
        return dollars_per_million / MILLION


DEFAULT: Final = Price(128_000, 1.00, 3.00)
"""For models that nobody knows."""

_TABLE: Final = {
    "gpt-3.5-turbo": Price(16_385, 0.50, 1.50),
    "gpt-4": Price(8_192, 30.00, 60.00),
    "gpt-4-turbo": Price(128_000, 10.00, 30.00),
    "gpt-4o": Price(128_000, 2.50, 10.00, 1.25),
    "gpt-4o-mini": Price(128_000, 0.15, 0.60, 0.075),
    "gpt-4.1": Price(1_000_000, 2.00, 8.00, 0.50),
    "gpt-4.1-mini": Price(1_000_000, 0.40, 1.60, 0.10),
    "gpt-4.1-nano": Price(1_000_000, 0.10, 0.40, 0.025),
    "gpt-5": Price(400_000, 1.25, 10.00, 0.125),
    "gpt-5-mini": Price(400_000, 0.25, 2.00, 0.025),
    "gpt-5-nano": Price(400_000, 0.05, 0.40, 0.005),
    "gpt-5.1-codex-mini": Price(400_000, 0.25, 2.00, 0.025),
    "gpt-5.2": Price(400_000, 1.75, 14.00, 0.175),
    "gpt-5.3": Price(128_000, 1.75, 14.00, 0.175),
    "gpt-5.3-codex": Price(400_000, 1.75, 14.00, 0.175),
    "gpt-5.4": Price(1_050_000, 2.50, 15.00, 0.25),
    "gpt-5.4-mini": Price(400_000, 0.75, 4.50, 0.075),
    "gpt-5.4-nano": Price(400_000, 0.20, 1.25, 0.02),
    "gpt-5.5": Price(1_000_000, 5.00, 30.00, 0.50),
    "o1": Price(200_000, 15.00, 60.00, 7.50),
    "o3": Price(200_000, 2.00, 8.00, 0.50),
    "o3-mini": Price(200_000, 1.10, 4.40, 0.55),
    "o4-mini": Price(200_000, 1.10, 4.40, 0.275),
    "codex-mini": Price(200_000, 1.50, 6.00, 0.375),
    "claude-3-haiku": Price(200_000, 0.25, 1.25, 0.03, 0.30),
    "claude-3-opus": Price(200_000, 15.00, 75.00, 1.50, 18.75),
    "claude-3-5-haiku": Price(200_000, 0.80, 4.00, 0.08, 1.00),
    "claude-3-5-sonnet": Price(200_000, 3.00, 15.00, 0.30, 3.75),
    "claude-3-7-sonnet": Price(200_000, 3.00, 15.00, 0.30, 3.75),
    "claude-haiku-4-5": Price(200_000, 1.00, 5.00, 0.10, 1.25),
    "claude-haiku-5-5": Price(1_000_000, 0.10, 0.50, 0.01, 0.125),
    "claude-sonnet-4": Price(200_000, 3.00, 15.00, 0.30, 3.75),
    "claude-sonnet-4-6": Price(1_000_000, 3.00, 15.00, 0.30, 3.75),
    "claude-sonnet-5": Price(1_000_000, 2.00, 10.00, 0.20, 2.50),
    "claude-sonnet-5-5": Price(1_000_000, 2.00, 10.00, 0.10, 2.50),
    "claude-opus-4": Price(200_000, 15.00, 75.00, 1.50, 18.75),
    "claude-opus-4-5": Price(200_000, 5.00, 25.00, 0.50, 6.25),
    "claude-opus-4-6": Price(1_000_000, 5.00, 25.00, 0.50, 6.25),
    "claude-opus-4-7": Price(1_000_000, 5.00, 25.00, 0.50, 6.25),
    "claude-opus-4-8": Price(1_000_000, 5.00, 25.00, 0.50, 6.25),
    "claude-opus-5": Price(1_000_000, 5.00, 25.00, 0.50, 6.25),
    "claude-opus-5-5": Price(1_000_000, 4.00, 20.00, 0.20, 5.00),
    "gemini-2.0-flash": Price(1_048_576, 0.10, 0.40, 0.025),
    "gemini-2.5-flash": Price(1_048_576, 0.30, 2.50, 0.03),
    "gemini-2.5-flash-lite": Price(1_048_576, 0.10, 0.40, 0.01),
    "gemini-2.5-pro": Price(1_048_576, 1.25, 10.00, 0.125),
    "gemini-3-flash": Price(1_048_576, 0.50, 3.00, 0.05),
    "gemini-3-pro": Price(1_048_576, 2.00, 12.00, 0.20),
    "gemini-3.1-flash-lite": Price(1_048_576, 0.25, 1.50, 0.025),
    "gemini-3.1-pro": Price(1_048_576, 2.00, 12.00, 0.20),
    "gemini-3.5-flash": Price(1_048_576, 1.50, 9.00, 0.15),
    "gemini-3.5-flash-lite": Price(1_048_576, 0.30, 2.50, 0.03),
    "grok-3": Price(131_072, 3.00, 15.00, 0.75),
    "grok-3-mini": Price(131_072, 0.30, 0.50, 0.075),
    "grok-4": Price(256_000, 3.00, 15.00, 0.75),
    "grok-4-fast": Price(2_000_000, 0.20, 0.50, 0.05),
    "grok-4-1-fast": Price(2_000_000, 0.20, 0.50, 0.05),
    "grok-4.1-fast": Price(2_000_000, 0.20, 0.50, 0.05),
    "grok-4.20": Price(1_000_000, 1.25, 2.50, 0.20),
    "grok-4.3": Price(1_000_000, 1.25, 2.50, 0.20),
    "grok-4.5": Price(500_000, 2.00, 6.00, 0.30),
    "grok-code-fast": Price(256_000, 0.20, 1.50, 0.02),
    "smollm2": Price(8_192, 0.00, 0.00),
}
"""Prices of late 2026 by the beginning of the model's id; the longest that fits counts."""


def estimate_cost(usage: TokenUsage) -> float:
    """What an answer cost, in US dollars, as far as public list prices tell.

    Args:
        usage: its counts, with the provider and the model that they are of.

    >>> estimate_cost(TokenUsage(input_tokens=1_000_000, output_tokens=1_000_000, model="a model nobody knows"))
    4.0
    """
    if usage.provider in FREE:
        return 0.0
    parts = usage.parts()
    model = _id(usage.model)
    if found := _find_in_list(usage.provider, model):
        return _listed_cost(found, parts)
    return _find_in_table(model).of(parts)


def is_price_known(provider: str | None, model: str | None) -> bool:
    """Whether `estimate_cost` goes by a price of the model, or by one for models that nobody knows.

    Args:
        provider: who serves it, as in `context_window`.
        model: its id.

    >>> is_price_known("openai", "gpt-4o"), is_price_known("openai", "a model nobody knows")
    (True, False)
    """
    if provider in FREE:
        return True
    return _find_in_list(provider, _id(model)) is not None or _find_in_table(_id(model)) is not DEFAULT


def context_window(provider: str | None, model: str | None) -> int:
    """How many tokens the model can hold, prompt and answer together; 128,000 where nobody knows.

    It is the model's own window: a server that runs it may have made less room.

    Args:
        provider: who serves it: a provider of gestura's, or any that the price list knows.
        model: its id.
    """
    found = _find_in_list(provider, _id(model)) if provider not in FREE else None
    return found.window if found and found.window else _find_in_table(_id(model)).window


def load_price_list() -> bool:
    """Import the price list now, so that no stream has to stop for it. False where it is not installed.

    It may be called in any thread. A question that is asked in another meanwhile waits for it.
    """
    try:
        import genai_prices
    except ImportError:
        return False
    genai_prices.calc_price(genai_prices.Usage(), "gpt-4o", provider_id="openai")  # its data load with the first price
    return True


@attrs.frozen
class _Listed:
    """Where the list has a model: under which provider (`None` for a model that tells its own) and id."""

    provider: str | None
    model: str
    window: int | None


@lru_cache(maxsize=256)
def _find_in_list(provider: str | None, model: str) -> _Listed | None:
    if not load_price_list():
        return None
    import genai_prices

    provider_id = _IDS_IN_THE_LIST.get(provider or "", provider)
    for candidate in dict.fromkeys((provider_id, None)):
        for name in dict.fromkeys((model, _without_path(model))):
            try:
                price = genai_prices.calc_price(genai_prices.Usage(), name, provider_id=candidate)
            except LookupError:
                continue
            return _Listed(candidate, name, price.model.context_window)
    return None


def _listed_cost(found: _Listed, parts: TokenParts) -> float:
    import genai_prices

    usage = genai_prices.Usage(
        input_tokens=parts.read,
        cache_read_tokens=parts.cached_input,
        cache_write_tokens=parts.cache_write,
        output_tokens=parts.output,
    )
    return float(genai_prices.calc_price(usage, found.model, provider_id=found.provider).total_price)


def _find_in_table(model: str) -> Price:
    name = _without_path(model).lower().removeprefix("ft:")
    fitting = [beginning for beginning in _TABLE if name.startswith(beginning)]
    return _TABLE[max(fitting, key=len)] if fitting else DEFAULT


def _id(model: str | None) -> str:
    """The id, if it may be one: what is longer is nobody's, and not to be remembered."""
    return model if model and len(model) <= LONGEST_ID else ""


def _without_path(model: str) -> str:
    """The id without what gateways and Google write in front of it: `anthropic/claude-…`, `models/gemini-…`."""
    return model.rsplit("/", 1)[-1]
