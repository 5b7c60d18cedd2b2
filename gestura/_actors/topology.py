"""The actors of an attempt, as data: which stages, in which order, under which names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from gestura._actors.redaction import redactor_of_events
from gestura.limits import Limits
from gestura.providers import Provider
from gestura.stages import Stage, fuse
from gestura.stages.joining import TextJoiner
from gestura.stages.raw import RawEvents
from gestura.stages.think_tags import ThinkTagParser
from gestura.stages.tool_calls import ToolCallAssembler

__all__ = ["LINE_SPLITTER", "THINK_TAG_PARSER", "TOOL_CALL_ASSEMBLER", "WIRE_DECODER", "StageActor", "stage_actors"]

LINE_SPLITTER = "line splitter"
WIRE_DECODER = "wire decoder"
THINK_TAG_PARSER = "think-tag parser"
TOOL_CALL_ASSEMBLER = "tool-call assembler"


@attrs.frozen
class StageActor:
    """One stage of an attempt, and the name its actor goes by."""

    name: str
    stage: Stage[Any, Any]


def stage_actors(provider: Provider, limits: Limits, *, raw: bool = False) -> Sequence[StageActor]:
    """New stages for one answer of `provider`, between the HTTP reader and the forwarder.

    Args:
        provider: what reads the answer.
        limits: how much to hold.
        raw: show the provider's own events beside what is made of them.
    """
    decoder: Stage[Any, Any] = provider.decoder()
    decoder = RawEvents(decoder, redactor_of_events(provider.settings)) if raw else fuse(decoder, TextJoiner())
    actors = [
        StageActor(LINE_SPLITTER, provider.framing(limits)),
        StageActor(WIRE_DECODER, decoder),
    ]
    if tags := provider.think_tags:
        parser = ThinkTagParser(tags, starts_inside=provider.settings.starts_thinking)
        actors.append(StageActor(THINK_TAG_PARSER, parser))
    actors.append(StageActor(TOOL_CALL_ASSEMBLER, ToolCallAssembler(limits)))
    return actors
