"""The simulator: a loopback server that speaks like a provider, with pacing and faults.

    async with open_simulator([Scenario(model="hello", steps=(Text("Hello!"),))]) as simulator:
        ...  # POST to simulator.url + "/v1/chat/completions", then look at simulator.requests

A request passes: `server` finds the scenario -> `fitting` makes it fit what is asked -> a voice renders it to wire
events -> `plan` makes actions of them -> `sending` obeys. All but the first and the last are pure; what serves brings
an HTTP library, when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.simulator.faults import BreakHttp, Fault, Garbage, HttpError, Reset, Stall, Truncate
from gestura.simulator.scenario import Comment, Scenario, Sending, Step, StreamError, ToolCall
from gestura.simulator.scenario_files import built_in_scenarios, load_scenario, parse_scenario
from gestura.simulator.seen import Outcome, SeenRequest
from gestura.simulator.voices import VOICES, Voice

if TYPE_CHECKING:
    from gestura.simulator.opening import open_simulator, run
    from gestura.simulator.server import Simulator, serving

__all__ = [
    "VOICES",
    "BreakHttp",
    "Comment",
    "Fault",
    "FinishReason",
    "Garbage",
    "HttpError",
    "Outcome",
    "Refusal",
    "Reset",
    "Scenario",
    "SeenRequest",
    "Sending",
    "Simulator",
    "Stall",
    "Step",
    "StreamError",
    "Text",
    "Thinking",
    "ToolCall",
    "Truncate",
    "Voice",
    "built_in_scenarios",
    "load_scenario",
    "open_simulator",
    "parse_scenario",
    "run",
    "serving",
]

_SERVING = {"open_simulator": "opening", "run": "opening", "Simulator": "server", "serving": "server"}


def __getattr__(name: str) -> Any:
    if name not in _SERVING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SERVING[name]}"), name)
