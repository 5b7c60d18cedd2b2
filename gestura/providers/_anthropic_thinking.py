"""How much an Anthropic model is asked to think, and what goes with it: one place for `Request.reasoning`, for
`ProviderSettings.thinking_budget_tokens`, which stands in where a request says nothing, and for `max_tokens`.

There are two ways to ask (platform.claude.com, "Troubleshooting thinking", has them by model). Up to Claude 4.5 a model
takes a budget in tokens. From 4.7 on it thinks as much as it deems fit and takes an effort. Those between take both, as
do, for all we know, models of other names: each is told in the terms of the request.
"""

from __future__ import annotations

import enum
import re
from typing import Any, Final

import attrs

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.providers._reasoning import Effort, budget_of, effort_of
from gestura.providers._translation import cannot_say
from gestura.request_options import NamedTool

__all__ = ["DEFAULT_MAX_TOKENS", "ThinkingFields", "ThinkingMode", "thinking_fields", "thinking_mode"]

DEFAULT_MAX_TOKENS: Final = 8192
"""The provider demands a limit. This is the highest that every model since Claude 3.5 admits."""

LEAST_BUDGET: Final = 1024
"""Tokens. From Anthropic's API reference, as is the rule that `max_tokens` must be above the budget."""

LEAST_TOP_P: Final = 0.95
"""From Anthropic's guide to thinking, as are the rules for the temperature and for tools that must be called."""

ALWAYS_THINKING: Final = ("claude-fable", "claude-mythos")
"""Families of models that refuse not to think."""

_VERSION: Final = re.compile(r"claude-(?:[a-z]+-)*(\d+)(?:[-.](\d{1,2})(?!\d))?")


class ThinkingMode(enum.Enum):
    """In which terms a model can be told how much to think."""

    BUDGET = "budget"
    EFFORT = "effort"
    EITHER = "either"


@attrs.frozen
class ThinkingFields:
    """What of the body has to do with thinking."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] = attrs.field(factory=dict)


def thinking_mode(model: str) -> ThinkingMode:
    """In which terms the model can be told, by its name.

    >>> thinking_mode("claude-sonnet-4-20250514"), thinking_mode("anthropic.claude-opus-4-6-v1")
    (<ThinkingMode.BUDGET: 'budget'>, <ThinkingMode.EITHER: 'either'>)
    >>> thinking_mode("anthropic/claude-sonnet-5"), thinking_mode("my-deployment")
    (<ThinkingMode.EFFORT: 'effort'>, <ThinkingMode.EITHER: 'either'>)
    """
    found = _VERSION.search(model.lower())
    if found is None:
        return ThinkingMode.EITHER
    version = int(found[1]), int(found[2] or 0)
    if version <= (4, 5):
        return ThinkingMode.BUDGET
    return ThinkingMode.EITHER if version == (4, 6) else ThinkingMode.EFFORT


def thinking_fields(request: Request, settings: ProviderSettings) -> ThinkingFields:
    """How much to think, and within which limit of output.

    Raises:
        ConfigError: the model can't be told so, or something else in the request excludes thinking.
    """
    reasoning = settings.thinking_budget_tokens if request.reasoning is None else request.reasoning
    asked = request.sampling.max_output_tokens
    if reasoning is None:
        return ThinkingFields(asked or DEFAULT_MAX_TOKENS)
    if reasoning == "off":
        if any(family in settings.model.lower() for family in ALWAYS_THINKING):
            cannot_say("reasoning", f"{settings.model} can't be kept from thinking; the least is 'low'")
        return ThinkingFields(asked or DEFAULT_MAX_TOKENS, {"type": "disabled"})
    _check_compatible(request)
    mode = thinking_mode(settings.model)
    if mode is ThinkingMode.BUDGET or (mode is ThinkingMode.EITHER and isinstance(reasoning, int)):
        return _within_budget(budget_of(reasoning), asked)
    return _with_effort(effort_of(reasoning), asked)


def _within_budget(budget: int, asked: int | None) -> ThinkingFields:
    """Thinking counts towards `max_tokens`, so a limit that leaves nothing beside the budget is raised by it."""
    if budget < LEAST_BUDGET:
        cannot_say("reasoning", f"Anthropic admits no budget below {LEAST_BUDGET} tokens")
    limit = DEFAULT_MAX_TOKENS if asked is None else asked
    if asked is None or limit <= budget:
        limit += budget
    return ThinkingFields(limit, {"type": "enabled", "budget_tokens": budget})


def _with_effort(effort: Effort, asked: int | None) -> ThinkingFields:
    """As much as the model deems fit. It is shown, which newer models do only when they are told to."""
    limit = DEFAULT_MAX_TOKENS + budget_of(effort) if asked is None else asked
    return ThinkingFields(limit, {"type": "adaptive", "display": "summarized"}, {"effort": effort})


def _check_compatible(request: Request) -> None:
    sampling = request.sampling
    if sampling.temperature not in (None, 1):
        cannot_say("sampling.temperature", "with reasoning, Anthropic admits none but 1")
    if sampling.top_p is not None and sampling.top_p < LEAST_TOP_P:
        cannot_say("sampling.top_p", f"with reasoning, Anthropic admits none below {LEAST_TOP_P}")
    if request.tool_choice == "required" or isinstance(request.tool_choice, NamedTool):
        cannot_say("tool_choice", "with reasoning, Anthropic admits 'auto' and 'none' only")
