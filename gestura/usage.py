"""What an answer cost in tokens.

A count that the provider did not tell is `None`, never zero: unknown and free are different things. Providers differ in
which of their counts are parts of others; `TokenUsage.parts` is the one place that knows.
"""

from __future__ import annotations

import enum
from typing import Any, Final

import attrs

__all__ = ["MOST_TOKENS", "TokenParts", "TokenUsage", "TokenUsageStatus"]

MOST_TOKENS: Final = 10**12
"""No answer takes so many. The price of a number of any size would be none that a float can hold."""


class TokenUsageStatus(enum.Enum):
    """How full the context window is."""

    GREEN = "green"
    """Below 70 %."""

    YELLOW = "yellow"
    """From 70 %."""

    RED = "red"
    """From 90 %."""

    @classmethod
    def of(cls, percentage: int) -> TokenUsageStatus:
        """The status of a window that is `percentage` full.

        >>> TokenUsageStatus.of(89)
        <TokenUsageStatus.YELLOW: 'yellow'>
        """
        if percentage < 70:
            return cls.GREEN
        return cls.YELLOW if percentage < 90 else cls.RED


@attrs.frozen(kw_only=True)
class TokenParts:
    """Token counts that do not overlap, which is what prices are made for.

    Args:
        input: what the model read anew.
        cached_input: what it had read before, and took from a cache.
        cache_write: what it read and put into a cache.
        output: what it wrote, reasoning included.
    """

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0

    @property
    def read(self) -> int:
        """All that the model read, from wherever."""
        return self.input + self.cached_input + self.cache_write

    @property
    def total(self) -> int:
        """All of them: what the answer takes of the context window."""
        return self.read + self.output


@attrs.frozen(kw_only=True)
class TokenUsage:
    """Token counts of one answer, as its provider told them.

    What is a part of what differs: `cached_input_tokens` and `cache_write_tokens` are parts of `input_tokens`, but come
    on top of them with Anthropic; `reasoning_tokens` are a part of `output_tokens`, but come on top of them with
    Gemini and with xAI's Chat Completions. `total_tokens` is everything, told or added up. `provider` is who counts in
    this way and bills by it: `openai`, `anthropic`, `gemini`, `grok`, `ollama`, or the name of another in the
    configuration.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    provider: str | None = None
    model: str | None = None

    def updated(self, later: TokenUsage) -> TokenUsage:
        """These counts, with those that `later` tells in their place: the last word on each count wins."""
        told = {
            field.name: value for field in attrs.fields(TokenUsage) if (value := getattr(later, field.name)) is not None
        }
        return attrs.evolve(self, **told)

    def without_impossible(self) -> TokenUsage:
        """These counts, without those that can't be: negative ones, and ones of more than `MOST_TOKENS`.

        >>> TokenUsage(input_tokens=-1, output_tokens=7).without_impossible().input_tokens is None
        True
        """
        told = (getattr(self, name) for name in _COUNTS)
        if all(count is None or 0 <= count <= MOST_TOKENS for count in told):
            return self
        counts = ((name, getattr(self, name)) for name in _COUNTS)
        return attrs.evolve(self, **{n: None for n, count in counts if count and not 0 <= count <= MOST_TOKENS})

    def __add__(self, other: TokenUsage) -> TokenUsage:
        """The counts of both answers together. A count that only one was told is that one's.

        Who counted is told where it was the same for both.

        >>> (TokenUsage(input_tokens=5, output_tokens=1) + TokenUsage(input_tokens=2)).input_tokens
        7
        """

        def together(one: Any, two: Any) -> Any:
            if isinstance(one, str) or isinstance(two, str):
                return one if one == two else None
            return one + two if one is not None and two is not None else one if two is None else two

        names = [field.name for field in attrs.fields(TokenUsage)]
        return TokenUsage(**{name: together(getattr(self, name), getattr(other, name)) for name in names})

    def parts(self) -> TokenParts:
        """The counts taken apart, so that no token is in two of them. What was not told counts as none.

        What the total holds beyond the other counts was read: results of tools on the provider's side (Gemini).

        >>> TokenUsage(input_tokens=10, cached_input_tokens=4, output_tokens=7, reasoning_tokens=5).parts()
        TokenParts(input=6, cached_input=4, cache_write=0, output=7)
        """
        read, written = _count(self.input_tokens), _count(self.output_tokens)
        cached, cache_write = _count(self.cached_input_tokens), _count(self.cache_write_tokens)
        reasoning = _count(self.reasoning_tokens)
        if self.provider == "anthropic":
            read += cached + cache_write
        cached = min(cached, read)
        cache_write = min(cache_write, read - cached)
        if reasoning and self._reasons_on_top(read + written, reasoning):
            written += reasoning
        written = max(written, reasoning)
        read = max(read, _count(self.total_tokens) - written)
        return TokenParts(
            input=read - cached - cache_write,
            cached_input=cached,
            cache_write=cache_write,
            output=written,
        )

    def _reasons_on_top(self, without: int, reasoning: int) -> bool:
        """Whether reasoning is missing from the output count: the total tells, else who counts."""
        if self.total_tokens is not None:
            return self.total_tokens >= without + reasoning
        return self.provider in ("gemini", "grok")


_COUNTS: Final = tuple(field.name for field in attrs.fields(TokenUsage) if field.name.endswith("_tokens"))


def _count(told: int | None) -> int:
    return max(told or 0, 0)
