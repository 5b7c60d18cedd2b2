"""How much to reason, said the other way: an effort as a budget in tokens, and a budget as an effort.

Some providers know only the one, some only the other. The budgets are those that Google's own translation of OpenAI's
efforts has (ai.google.dev/gemini-api/docs/openai, "Thinking").
"""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["EFFORT_BUDGETS", "Effort", "budget_of", "effort_of"]

Effort = Literal["low", "medium", "high"]

EFFORT_BUDGETS: Final[dict[Effort, int]] = {"low": 1024, "medium": 8192, "high": 24_576}
"""Tokens."""


def budget_of(reasoning: Effort | int) -> int:
    """The tokens to spend.

    >>> budget_of("medium"), budget_of(2000)
    (8192, 2000)
    """
    return reasoning if isinstance(reasoning, int) else EFFORT_BUDGETS[reasoning]


def effort_of(reasoning: Effort | int) -> Effort:
    """The highest effort that a budget is enough for, or the lowest.

    >>> effort_of("medium"), effort_of(100), effort_of(10_000)
    ('medium', 'low', 'medium')
    """
    if not isinstance(reasoning, int):
        return reasoning
    return max((name for name, budget in EFFORT_BUDGETS.items() if budget <= reasoning), key=budget_of, default="low")
