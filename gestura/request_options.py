"""What a request asks for beside its messages: tools, and how the model shall answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs

from gestura.parts import CacheTime

__all__ = ["NamedTool", "Reasoning", "ResponseFormat", "Sampling", "Tool", "ToolChoice", "ToolShape"]

ToolShape = Literal["openai", "openai_responses", "anthropic", "gemini"]
"""Ways to write a tool. `openai` is that of Chat Completions, and so of Ollama and most servers."""


@attrs.frozen(kw_only=True)
class Tool:
    """A function the model may call.

    Args:
        name: letters, digits, `_` and `-`, at most 64.
        description: what it does and when to call it, for the model.
        parameters: a JSON Schema of type `object`. `None` is for a tool of the provider's own, which it runs itself:
            `schemas` says how it is asked for.
        schemas: the tool as certain wire formats write it, sent to them as it is; see `gestura.tool_schemas`.
        cache: asks the provider to keep all tools up to and including this one; see `gestura.parts`.
        strict: whether the provider shall hold the model to the schema, where it can; `None` leaves it to the provider.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | None = attrs.field(factory=lambda: {"type": "object", "properties": {}})
    schemas: Mapping[ToolShape, Mapping[str, Any]] = attrs.field(factory=dict, kw_only=True)
    cache: CacheTime | None = None
    strict: bool | None = None


@attrs.frozen
class NamedTool:
    """As `Request.tool_choice`: the model has to call the tool of this name."""

    name: str


ToolChoice = Literal["auto", "required", "none"] | NamedTool
"""Whether the model calls tools: as it likes, at least one, none, or a certain one."""

Reasoning = Literal["off", "low", "medium", "high"] | int
"""How much a model that can reason shall: an effort, or a budget in tokens."""


def _words(stop: Iterable[str]) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop)


@attrs.frozen(kw_only=True)
class Sampling:
    """How the model picks its words. What is `None` is left to the provider and not sent."""

    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = attrs.field(default=(), converter=_words)


@attrs.frozen(kw_only=True)
class ResponseFormat:
    """The shape that the answer's text shall have, as JSON.

    Args:
        name: what to call it: letters, digits, `_` and `-`.
        schema: a JSON Schema of type `object`.
        description: what it is for, for the model.
        strict: the provider shall hold the model to the schema, where it can.
    """

    name: str
    schema: Mapping[str, Any]
    description: str = ""
    strict: bool = True
