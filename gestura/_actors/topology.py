"""The actors of an attempt, as data: which stages, in which order, under which names.

Each stage has an actor, or all together have one, as the configuration says: the stages are the same, and the chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from gestura._actors.redaction import redactor_of_events
from gestura.limits import Limits
from gestura.providers import Provider
from gestura.stages import Stage, fuse
from gestura.stages.joining import TextJoiner
from gestura.stages.raw import RawEvents
from gestura.stages.think_tags import ThinkTagParser
from gestura.stages.tool_calls import ToolCallAssembler

__all__ = [
    "LINE_SPLITTER",
    "PIPELINE",
    "THINK_TAG_PARSER",
    "TOOL_CALL_ASSEMBLER",
    "WIRE_DECODER",
    "StageActor",
    "stage_actors",
]

LINE_SPLITTER = "line splitter"
WIRE_DECODER = "wire decoder"
THINK_TAG_PARSER = "think-tag parser"
TOOL_CALL_ASSEMBLER = "tool-call assembler"
PIPELINE = "pipeline"
"""All of them, fused."""

_TEXT_JOINER: Final = TextJoiner()  # it keeps nothing, so it can be everybody's


@attrs.frozen
class StageActor:
    """One stage of an attempt, and the name its actor goes by."""

    name: str
    stage: Stage[Any, Any]


@attrs.define(eq=False)
class _Overheard:
    """A stage that is told of as it is fed."""

    stage: Stage[Any, Any]
    tell: Callable[[Sequence[Any]], None]

    def feed(self, batch: Sequence[Any]) -> Sequence[Any]:
        self.tell(batch)
        return self.stage.feed(batch)

    def close(self) -> Sequence[Any]:
        return self.stage.close()


def stage_actors(
    provider: Provider,
    limits: Limits,
    *,
    raw: bool = False,
    fused: bool = False,
    on_deltas: Callable[[Sequence[Any]], None] | None = None,
) -> Sequence[StageActor]:
    """New stages for one answer of `provider`, between the HTTP reader and the forwarder.

    Args:
        provider: what reads the answer.
        limits: how much to hold.
        raw: show the provider's own events beside what is made of them.
        fused: one actor for all stages.
        on_deltas: called with what the assembler is about to be given: it holds back calls that wait for their turn.
    """
    decoder: Stage[Any, Any] = provider.decoder()
    decoder = RawEvents(decoder, redactor_of_events(provider.settings)) if raw else fuse(decoder, _TEXT_JOINER)
    actors = [
        StageActor(LINE_SPLITTER, provider.framing(limits)),
        StageActor(WIRE_DECODER, decoder),
    ]
    if tags := provider.think_tags:
        parser = ThinkTagParser(tags, starts_inside=provider.settings.starts_thinking)
        actors.append(StageActor(THINK_TAG_PARSER, parser))
    assembler: Stage[Any, Any] = ToolCallAssembler(limits)
    if on_deltas is not None:
        assembler = _Overheard(assembler, on_deltas)
    actors.append(StageActor(TOOL_CALL_ASSEMBLER, assembler))
    return [StageActor(PIPELINE, fuse(*(actor.stage for actor in actors)))] if fused else actors
