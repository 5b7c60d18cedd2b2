"""The pure stages by themselves: `python -m benchmarks.stages NAME` prints MB/s and µs per event of one of them.

No event loop, no socket: what reads of 64 KiB hold goes through a stage, answer after answer, until enough CPU time is
spent. MB and events are those of the wire, for the stages behind the framing, too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import attrs

from benchmarks.pinning import CLIENT_CORE, pin
from benchmarks.workload import TOKENS
from gestura.chunks import Text
from gestura.config import ProviderSettings
from gestura.limits import Limits
from gestura.providers import BUILTIN_PROVIDERS
from gestura.simulator import VOICES, Scenario, Step, ToolCall
from gestura.stages import Stage, fuse
from gestura.stages.think_tags import ThinkTagParser
from gestura.stages.tool_calls import ToolCallAssembler

__all__ = ["STAGES"]

READ_BYTES: Final = 64 * 1024
CPU_SECONDS: Final = 0.3
LIMITS: Final = Limits()

PROSE: Final = "".join(TOKENS) * 50
THOUGHTS: Final = ("<think>" + "".join(TOKENS) + "</think>" + "".join(TOKENS)) * 25
ARGUMENTS: Final = json.dumps([{"city": "Oslo", "unit": "celsius", "day": day} for day in range(400)])


@attrs.frozen
class Stretch:
    """One or more neighbouring stages of a pipeline that reads one wire format.

    Args:
        wire: the wire format.
        step: what is said in it.
        first: how many stages of the pipeline come before.
        last: where the stretch ends; all if `None`.
    """

    wire: str
    step: Step
    first: int
    last: int | None


_WIRES: Final = tuple(VOICES)

STAGES: Final = {
    "framing: server-sent events": Stretch("openai_chat", Text(PROSE), 0, 1),
    "framing: NDJSON": Stretch("ollama", Text(PROSE), 0, 1),
    **{f"decoding: {wire}": Stretch(wire, Text(PROSE), 1, 2) for wire in _WIRES},
    "think tags": Stretch("openai_chat", Text(THOUGHTS), 2, 3),
    "tool calls": Stretch("openai_chat", ToolCall("call_1", "forecast", ARGUMENTS), 3, 4),
    **{f"all: {wire}": Stretch(wire, Text(PROSE), 0, None) for wire in _WIRES},
}
"""What is measured, by its name in the table."""


def pipeline(wire: str) -> list[Stage[Any, Any]]:
    """New stages, as an attempt has them."""
    provider = BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model="any"))
    return [provider.framing(LIMITS), provider.decoder(), ThinkTagParser(("think",)), ToolCallAssembler(LIMITS)]


def measure(stretch: Stretch) -> dict[str, float]:
    """MB/s and µs per event."""
    scenario = Scenario(model="any", steps=(stretch.step,))
    events = VOICES[stretch.wire].render(scenario, {"stream": True})
    body = b"".join(events)
    batches: list[Sequence[Any]] = [(body[at : at + READ_BYTES],) for at in range(0, len(body), READ_BYTES)]
    for stage in pipeline(stretch.wire)[: stretch.first]:
        batches = [*map(stage.feed, batches), stage.close()]
    passes = 0
    start = time.process_time()
    while (spent := time.process_time() - start) < CPU_SECONDS:
        stage = fuse(*pipeline(stretch.wire)[stretch.first : stretch.last])
        for batch in batches:
            stage.feed(batch)
        stage.close()
        passes += 1
    return {"mb_per_second": passes * len(body) / 1e6 / spent, "us_per_event": spent / passes / len(events) * 1e6}


def main() -> None:
    """Measure one stretch and print its figures."""
    pin(CLIENT_CORE)
    sys.stdout.write(json.dumps(measure(STAGES[sys.argv[1]])) + "\n")


if __name__ == "__main__":
    main()
