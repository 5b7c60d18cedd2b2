"""Token counts: what they say of the context window, and which of them are parts of which."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.usage import TokenParts, TokenUsage, TokenUsageStatus

COUNTS = ("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "cache_write_tokens")


@pytest.mark.parametrize(
    ("percentage", "status"),
    [
        (0, TokenUsageStatus.GREEN),
        (69, TokenUsageStatus.GREEN),
        (70, TokenUsageStatus.YELLOW),
        (89, TokenUsageStatus.YELLOW),
        (90, TokenUsageStatus.RED),
        (100, TokenUsageStatus.RED),
        (258, TokenUsageStatus.RED),
    ],
)
def test_the_status_tells_how_full_the_window_is(percentage, status):
    """Green below 70 %, yellow below 90 %, red from there, however far above."""
    assert status is TokenUsageStatus.of(percentage)


TOLD = {
    "OpenAI tells parts of the whole": (
        {"input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 50, "reasoning_tokens": 30},
        TokenParts(input=60, cached_input=40, output=50),
    ),
    "Anthropic tells its caches on top of the input": (
        {
            "provider": "anthropic",
            "input_tokens": 10,
            "cached_input_tokens": 2_000,
            "cache_write_tokens": 300,
            "output_tokens": 5,
        },
        TokenParts(input=10, cached_input=2_000, cache_write=300, output=5),
    ),
    "Gemini tells thoughts on top of the output": (
        {"provider": "gemini", "input_tokens": 8, "output_tokens": 20, "reasoning_tokens": 300, "total_tokens": 328},
        TokenParts(input=8, output=320),
    ),
    "Gemini without a total": (
        {"provider": "gemini", "input_tokens": 8, "output_tokens": 20, "reasoning_tokens": 300},
        TokenParts(input=8, output=320),
    ),
    "Grok over Chat Completions tells reasoning on top": (
        {
            "provider": "grok",
            "input_tokens": 331,
            "cached_input_tokens": 330,
            "output_tokens": 11,
            "reasoning_tokens": 271,
            "total_tokens": 613,
        },
        TokenParts(input=1, cached_input=330, output=282),
    ),
    "Grok over Responses tells it as a part": (
        {
            "provider": "grok",
            "input_tokens": 289,
            "cached_input_tokens": 128,
            "output_tokens": 171,
            "reasoning_tokens": 163,
            "total_tokens": 460,
        },
        TokenParts(input=161, cached_input=128, output=171),
    ),
    "an unknown server's total tells which it is": (
        {"provider": "mine", "input_tokens": 5, "output_tokens": 5, "reasoning_tokens": 90, "total_tokens": 100},
        TokenParts(input=5, output=95),
    ),
    "Gemini's total holds what its tools gave the model to read": (
        {"provider": "gemini", "input_tokens": 32, "output_tokens": 25, "reasoning_tokens": 37, "total_tokens": 4_704},
        TokenParts(input=4_642, output=62),
    ),
    "a part is no larger than its whole": (
        {"input_tokens": 10, "cached_input_tokens": 99, "cache_write_tokens": 99, "output_tokens": 1},
        TokenParts(cached_input=10, output=1),
    ),
    "what is not told is none": ({}, TokenParts()),
    "a negative count is none": ({"input_tokens": -5, "output_tokens": 3}, TokenParts(output=3)),
}


@pytest.mark.parametrize(("told", "parts"), TOLD.values(), ids=TOLD)
def test_parts_of_what_providers_tell(told, parts):
    """The counts are taken apart by the way in which each provider counts."""
    assert parts == TokenUsage(**told).parts()


@given(
    st.sampled_from(["openai", "anthropic", "gemini", "grok", "ollama", "mine"]),
    st.builds(TokenParts, **dict.fromkeys(attrs.fields_dict(TokenParts), st.integers(0, 10**7))),
    st.integers(0, 10**7),
)
def test_parts_come_back_from_what_is_told_of_them(provider, spent, visible):
    """Whatever was spent, told as each provider tells it, is found again."""
    reasoning = max(spent.output - visible, 0)
    on_top = provider in ("gemini", "grok")
    told = TokenUsage(
        provider=provider,
        input_tokens=spent.input if provider == "anthropic" else spent.total - spent.output,
        cached_input_tokens=spent.cached_input,
        cache_write_tokens=spent.cache_write,
        output_tokens=spent.output - reasoning if on_top else spent.output,
        reasoning_tokens=reasoning,
        total_tokens=spent.total,
    )

    assert spent == told.parts()


@given(st.builds(TokenUsage, **{name: st.none() | st.integers() for name in COUNTS}, reasoning_tokens=st.integers()))
def test_no_count_makes_a_negative_part(usage):
    """Counts that can't be true make parts that could be."""
    assert all(part >= 0 for part in attrs.astuple(usage.parts()))


def test_the_last_word_on_each_count_wins():
    """Counts told later take the place of earlier ones; what was not told again stands."""
    first = TokenUsage(input_tokens=10, output_tokens=1)

    assert TokenUsage(input_tokens=10, output_tokens=7) == first.updated(TokenUsage(output_tokens=7))
    assert TokenUsage(input_tokens=10, output_tokens=0) == first.updated(TokenUsage(output_tokens=0))


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        (TokenUsage(), TokenUsage(), TokenUsage()),
        (TokenUsage(input_tokens=1), TokenUsage(), TokenUsage(input_tokens=1)),
        (TokenUsage(input_tokens=0), TokenUsage(input_tokens=2), TokenUsage(input_tokens=2)),
        (
            TokenUsage(input_tokens=1, cached_input_tokens=1, provider="gemini", model="m"),
            TokenUsage(input_tokens=2, output_tokens=3, provider="gemini", model="n"),
            TokenUsage(input_tokens=3, output_tokens=3, cached_input_tokens=1, provider="gemini"),
        ),
        (TokenUsage(input_tokens=1, provider="gemini"), TokenUsage(input_tokens=1), TokenUsage(input_tokens=2)),
    ],
)
def test_the_counts_of_answers_add_up(one: TokenUsage, two: TokenUsage, both: TokenUsage) -> None:
    """What is unknown of one is no zero; who counted is told where both agree."""
    assert both == one + two == two + one
