"""What an answer cost in tokens.

A count that the provider did not tell is `None`, never zero: unknown and free are different things.
"""

from __future__ import annotations

import enum

import attrs

__all__ = ["TokenUsage", "TokenUsageStatus"]


class TokenUsageStatus(enum.Enum):
    """How full the context window is."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@attrs.frozen(kw_only=True)
class TokenUsage:
    """Token counts of one answer, as its provider told them.

    What is a part of what differs: `cached_input_tokens` and `cache_write_tokens` are parts of `input_tokens`, but come
    on top of them with Anthropic; `reasoning_tokens` are a part of `output_tokens`, but come on top of them with xAI
    and Gemini. `total_tokens` is everything, told or added up.
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
