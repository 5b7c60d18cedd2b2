"""How a server of Chat Completions differs from OpenAI's own: `ChatDialect`.

Everybody speaks this wire format, and nobody quite as OpenAI does: fields have other names, and reasoning, which came
later than the imitators, is asked for and sent back in several ways. What differs between servers is said here, as
data, and not guessed from an address; `docs/providers/openai_chat.md` has the values for servers that are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import attrs
from attrs.validators import in_, optional

__all__ = ["ChatDialect"]

AskedIn = Literal["reasoning_effort", "reasoning", "thinking"]
ReturnedIn = Literal["reasoning_content", "reasoning", "reasoning_details"]


@attrs.frozen(kw_only=True)
class ChatDialect:
    """What a server of Chat Completions does otherwise than OpenAI.

    Args:
        field_names: what it calls fields of the body, by OpenAI's name, such as
            `{"max_completion_tokens": "max_tokens"}`.
        reasoning_asked_in: the field that `Request.reasoning` goes into. `reasoning_effort` is an effort. `reasoning`
            is an object with an effort or a number of tokens (OpenRouter, Vercel). `thinking` is a switch, beside which
            `reasoning_effort` tells the effort (DeepSeek).
        reasoning_returned_in: the field of the model's own messages in which it wants its reasoning back, in a later
            turn. `None` is OpenAI's way, which is not to have it.
        cache_control: it takes the `cache` hints of parts and tools, as Anthropic's `cache_control` (OpenRouter,
            Vercel).
        short_call_ids: it takes no id of a tool call but of nine letters and digits (Mistral).
    """

    field_names: Mapping[str, str] = attrs.field(factory=dict)
    reasoning_asked_in: AskedIn = attrs.field(default="reasoning_effort", validator=in_(get_args(AskedIn)))
    reasoning_returned_in: ReturnedIn | None = attrs.field(default=None, validator=optional(in_(get_args(ReturnedIn))))
    cache_control: bool = False
    short_call_ids: bool = False
