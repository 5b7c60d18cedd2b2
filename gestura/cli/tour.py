"""The stops of the tour: what a provider may do, and what a client sees of it. One more stop is one more entry."""

from __future__ import annotations

from typing import Final

import attrs

from gestura.chunks import FinishReason, Text, Thinking
from gestura.conversation import Request, Tool, user
from gestura.simulator import Reset, Scenario, Sending, ToolCall
from gestura.usage import TokenUsage

__all__ = ["TOUR", "Stop"]

PACE: Final = Sending(interval=0.05)  # 20 words a second: fast to read, slow enough to see them come


@attrs.frozen(kw_only=True)
class Stop:
    """One stream of the tour.

    Args:
        title: what it shows.
        note: what to look at, in a sentence.
        request: what is asked.
        scenario: what the simulator does about it.
    """

    title: str
    note: str
    request: Request
    scenario: Scenario


def _ask(prompt: str, *tools: Tool) -> Request:
    return Request(messages=(user(prompt),), tools=tools)


WEATHER: Final = Tool(
    name="get_weather",
    description="The weather in a city now.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)

TOUR: Final = (
    Stop(
        title="Thinking",
        note="The model's reasoning comes in chunks of its own, apart from the answer.",
        request=_ask("Why is the sky blue?"),
        scenario=Scenario(
            model="thinking",
            steps=(
                Thinking(
                    "Sunlight holds all colours. Air scatters short waves far more than long ones, by the inverse "
                    "fourth power: Rayleigh's law. Violet is weaker in sunlight, and our eyes see less of it."
                ),
                Text(
                    "Because air scatters blue light much more than red. The blue part of the sunlight bounces around "
                    "and reaches you from every side of the sky."
                ),
            ),
            usage=TokenUsage(input_tokens=13, output_tokens=71, total_tokens=84, reasoning_tokens=42),
            sending=PACE,
        ),
    ),
    Stop(
        title="A tool call",
        note="Arguments come as they are written, a call at a time, however the provider mixes them.",
        request=_ask("Shall I need an umbrella in Oslo or in Lima?", WEATHER),
        scenario=Scenario(
            model="tools",
            steps=(
                Text("Let me look at the weather in both places."),
                ToolCall("call_oslo", "get_weather", '{"city": "Oslo"}'),
                ToolCall("call_lima", "get_weather", '{"city": "Lima"}'),
            ),
            finish=FinishReason.TOOL_CALLS,
            usage=TokenUsage(input_tokens=74, output_tokens=52, total_tokens=126),
            sending=attrs.evolve(PACE, characters_per_event=4),
        ),
    ),
    Stop(
        title="Usage",
        note="Token counts come with the ending: all that the provider told, and nothing that it did not.",
        request=_ask("Read this long report again, and tell me in a word: is it good?"),
        scenario=Scenario(
            model="usage",
            steps=(Text("Yes. Most of the report came from the provider's cache this time, which is cheaper."),),
            usage=TokenUsage(
                input_tokens=20_480,
                output_tokens=85,
                total_tokens=20_565,
                cached_input_tokens=19_968,
                reasoning_tokens=64,
            ),
            sending=PACE,
        ),
    ),
    Stop(
        title="A burst",
        note="All of it arrives at once. What you have not read yet waits in bounded queues, and then the reads stop.",
        request=_ask("Say it quickly."),
        scenario=Scenario(
            model="burst",
            steps=(
                Text(
                    "A stream that comes faster than it is read has to go somewhere. Without a bound it goes into "
                    "memory, until there is none left. With one it stays where it was: the channels fill, the reader "
                    "of the socket waits, the kernel's buffers fill too, and the server notices that it must slow down."
                ),
            ),
        ),
    ),
    Stop(
        title="A stream broken half-way",
        note="The connection is reset. What was shown stands, and the last chunk says what happened.",
        request=_ask("Tell me the three most important things about streams."),
        scenario=Scenario(
            model="broken",
            steps=(Text("The first is that they may end at any time, even amid a sentence like this one."),),
            sending=PACE,
            faults=(Reset(after_events=13),),
        ),
    ),
)
"""In the order of the tour."""
