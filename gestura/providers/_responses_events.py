"""The events of OpenAI Responses: which there are, and what of them the decoder reads. All fields may be missing.

One class serves all events, since most have the same few fields. Where several kinds of events or items give one name
to values of different types (`delta`, `arguments`), all of those are declared, so that none counts as strange.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gestura.chunks import Refusal, Text, Thinking
from gestura.providers._decoding import TokenCount

__all__ = [
    "NOT_SHOWN",
    "SHOWN",
    "Event",
    "Incomplete",
    "InputDetails",
    "Item",
    "OutputDetails",
    "Part",
    "Response",
    "ResponseUsage",
]


SHOWN: Final[dict[str, type[Text | Thinking | Refusal]]] = {
    "output_text": Text,
    "refusal": Refusal,
    "reasoning_summary_text": Thinking,
    "reasoning_text": Thinking,
}
"""What the parts become that `response.NAME.delta` tells in pieces and `response.NAME.done` as a whole."""

NOT_SHOWN: Final = frozenset(
    (
        # How the response goes, and what frames the parts.
        *("created", "queued", "in_progress", "compaction", "steer", "audio"),
        *("content_part", "output_text", "reasoning_part", "reasoning_summary_part"),
        # Tools on the provider's side.
        *("additional_tools", "code_interpreter_call", "code_interpreter_call_code", "file_search_call"),
        *("image_generation_call", "mcp_call", "mcp_call_arguments", "mcp_list_tools", "program", "program_output"),
        *("tool_search_call", "tool_search_output", "web_search_call"),
        # Tools on the user's side that no `gestura.Tool` describes; one asks for them by `Request.extra`.
        *("apply_patch_call", "apply_patch_call_output", "computer_call", "computer_call_output"),
        *("custom_tool_call", "custom_tool_call_input", "custom_tool_call_output", "function_call_output"),
        *("local_shell_call", "local_shell_call_output", "mcp_approval_request", "mcp_approval_response"),
        *("shell_call", "shell_call_command", "shell_call_output", "shell_call_output_content"),
    )
)
"""Names of events (`response.NAME…`) and types of items that are known and not shown; raw events have them."""


class Part(msgspec.Struct, gc=False):
    """A part of a message's content, or of a reasoning item's content or summary."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct, gc=False):
    """An item of the answer: a message, reasoning, a call."""

    type: str | None = None
    id: str | None = None
    status: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class InputDetails(msgspec.Struct, gc=False):
    """What the input tokens are made of."""

    cached_tokens: TokenCount | None = None
    cache_write_tokens: TokenCount | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What the output tokens are made of."""

    reasoning_tokens: TokenCount | None = None


class ResponseUsage(msgspec.Struct, gc=False):
    """Token counts."""

    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    total_tokens: TokenCount | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Incomplete(msgspec.Struct, gc=False):
    """Why a response is incomplete."""

    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """The response itself, which its first and its last events hold."""

    model: str | None = None
    output: list[Item] | None = None
    usage: ResponseUsage | None = None
    error: dict[str, Any] | str | None = None
    incomplete_details: Incomplete | None = None


class Event(msgspec.Struct, gc=False):
    """Any event."""

    type: str | None = None
    response: Response | None = None
    item: Item | None = None
    item_id: str | None = None
    call_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | dict[str, Any] | None = None
    text: str | None = None
    refusal: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    # Of an event that tells an error:
    error: dict[str, Any] | str | None = None
    message: Any = None
    code: Any = None
