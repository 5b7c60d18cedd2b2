"""What those clients need that read the wire by themselves: how to ask, and the text of an event's data."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.workload import Wire

__all__ = ["PATHS", "PROMPT", "request_body", "text_of"]

PROMPT: Final = "Why is the sky blue?"

PATHS: Final[dict[Wire, str]] = {"openai_chat": "/v1/chat/completions", "anthropic": "/v1/messages"}


def request_body(wire: Wire, model: str) -> dict[str, Any]:
    """The JSON of a request."""
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
    return body if wire == "openai_chat" else {**body, "max_tokens": 1024}


def text_of(wire: Wire, event: dict[str, Any]) -> str:
    """The text that an event carries; blank if it carries none."""
    if wire == "openai_chat":
        choices = event["choices"]
        return (choices[0]["delta"].get("content") or "") if choices else ""
    return event["delta"].get("text", "") if event["type"] == "content_block_delta" else ""
