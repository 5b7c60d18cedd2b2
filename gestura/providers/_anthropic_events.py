"""The events of Anthropic's stream, as far as they are read: the fields that mean something to a decoder.

All kinds of events share one class, as all kinds of blocks and of deltas do: what belongs to another kind is absent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gestura.providers._decoding import TokenCount

__all__ = ["Block", "Counts", "Event", "EventDelta", "Message", "OutputDetails"]


class Model(msgspec.Struct, gc=False):
    model: str | None = None


class Block(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    to: Model | None = None


class StopDetails(msgspec.Struct, gc=False):
    explanation: str | None = None


class EventDelta(msgspec.Struct, gc=False):
    # Of a block:
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    # Of the message:
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: TokenCount | None = None


class Counts(msgspec.Struct, gc=False):
    input_tokens: TokenCount | None = None
    output_tokens: TokenCount | None = None
    cache_read_input_tokens: TokenCount | None = None
    cache_creation_input_tokens: TokenCount | None = None
    output_tokens_details: OutputDetails | None = None


class Message(msgspec.Struct, gc=False):
    model: str | None = None
    usage: Counts | None = None


class Event(msgspec.Struct, gc=False):
    type: str | None = None
    index: int | None = None
    message: Message | str | None = None
    content_block: Block | None = None
    delta: EventDelta | None = None
    usage: Counts | None = None
    error: dict[str, Any] | str | None = None
    request_id: str | None = None
