"""The stops of the tour: what providers may do, and what a client sees of it. One more stop is one more entry."""

from __future__ import annotations

from typing import Final

import attrs

from gestura.chunks import FinishReason, Text, Thinking
from gestura.cli.demonstration.peers import Peer
from gestura.cli.demonstration.readers import (
    ANOTHER,
    WORDS,
    Reader,
    cancel_in_silence,
    look_away,
    pause_and_resume,
    read,
)
from gestura.conversation import Request
from gestura.messages import user
from gestura.request_options import Tool
from gestura.simulator import HttpError, Reset, Scenario, Sending, Stall, ToolCall
from gestura.usage import TokenUsage

__all__ = ["TOUR", "WEATHER", "Stop"]

PACE: Final = Sending(interval=0.05)  # 20 words a second: fast to read, slow enough to see them come


@attrs.frozen(kw_only=True)
class Stop:
    """One stream of the tour.

    Args:
        title: what it shows.
        note: what to look at, in a sentence or two.
        request: what is asked.
        peers: whom: the primary provider, then its fallbacks.
        hedge_after: seconds without a word after which the next of them is asked, too.
        reader: what the user does.
    """

    title: str
    note: str
    request: Request
    peers: tuple[Peer, ...]
    hedge_after: float | None = None
    reader: Reader = read


def _ask(prompt: str, *tools: Tool) -> Request:
    return Request(messages=(user(prompt),), tools=tools)


def _simulated(scenario: Scenario) -> tuple[Peer, ...]:
    return (Peer(name="simulated", kind="openai_chat", scenario=scenario),)


def _silent_after(model: str, text: str) -> Scenario:
    """Falls silent after `WORDS` words, for ever. (The first event of Chat Completions says only who speaks.)"""
    return Scenario(model=model, steps=(Text(text),), sending=PACE, faults=(Stall(after_events=1 + WORDS),))


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
        peers=_simulated(
            Scenario(
                model="thinking",
                steps=(
                    Thinking(
                        "Sunlight holds all colours. Air scatters short waves far more than long ones, by the inverse "
                        "fourth power: Rayleigh's law. Violet is weaker in sunlight, and our eyes see less of it."
                    ),
                    Text(
                        "Because air scatters blue light much more than red. The blue part of the sunlight bounces "
                        "around and reaches you from every side of the sky."
                    ),
                ),
                usage=TokenUsage(input_tokens=13, output_tokens=71, total_tokens=84, reasoning_tokens=42),
                sending=PACE,
            )
        ),
    ),
    Stop(
        title="A tool call",
        note="Arguments come as they are written, a call at a time, however the provider mixes them.",
        request=_ask("Shall I need an umbrella in Oslo or in Lima?", WEATHER),
        peers=_simulated(
            Scenario(
                model="tools",
                steps=(
                    Text("Let me look at the weather in both places."),
                    ToolCall("call_oslo", "get_weather", '{"city": "Oslo"}'),
                    ToolCall("call_lima", "get_weather", '{"city": "Lima"}'),
                ),
                finish=FinishReason.TOOL_CALLS,
                usage=TokenUsage(input_tokens=74, output_tokens=52, total_tokens=126),
                sending=attrs.evolve(PACE, characters_per_event=4),
            )
        ),
    ),
    Stop(
        title="Usage",
        note="Token counts, the share of the context window and the cost come with the stream: all that the provider "
        "told, and nothing that it did not.",
        request=_ask("Read this long report again, and tell me in a word: is it good?"),
        peers=(
            Peer(
                name="anthropic",
                kind="anthropic",
                scenario=Scenario(
                    model="claude-haiku-4-5",
                    steps=(Text("Yes. Most of the report came from the provider's cache this time: it is cheaper."),),
                    usage=TokenUsage(
                        input_tokens=512, output_tokens=85, cached_input_tokens=151_000, cache_write_tokens=0
                    ),
                    sending=PACE,
                ),
            ),
        ),
    ),
    Stop(
        title="A burst, and a reader who looks away",
        note="What is not read waits in bounded queues. When they are full the reads from the socket stop, and the "
        "server has to wait.",
        request=_ask("Tell me everything, quickly."),
        peers=_simulated(
            Scenario(
                model="burst",
                steps=(Text("everything " * 250_000),),  # more than all queues and both kernels' buffers hold
                sending=Sending(characters_per_event=500),
            )
        ),
        reader=look_away,
    ),
    Stop(
        title="A retry",
        note="The provider has no room, and says when to come again. Nothing was shown yet, so the client does.",
        request=_ask("Have you a minute?"),
        peers=_simulated(
            Scenario(
                model="flaky",
                steps=(Text("I have now, thank you for waiting."),),
                sending=PACE,
                faults=(HttpError(status=503, message="Overloaded.", headers={"Retry-After": "1"}, times=1),),
            )
        ),
    ),
    Stop(
        title="A fallback",
        note="OpenAI refuses the key. Anthropic gets the same request, in its own wire format.",
        request=_ask("Who are you?"),
        peers=(
            Peer(
                name="openai",
                kind="openai",
                scenario=Scenario(
                    model="gpt-5-mini", faults=(HttpError(status=401, message="Incorrect API key provided."),)
                ),
            ),
            Peer(
                name="anthropic",
                kind="anthropic",
                scenario=Scenario(
                    model="claude-haiku-4-5",
                    steps=(Text("I am the second in your list, and I speak another API than the first."),),
                    usage=TokenUsage(input_tokens=10, output_tokens=17),
                    sending=PACE,
                ),
            ),
        ),
    ),
    Stop(
        title="A hedge",
        note="Gemini is silent. After half a second Grok is asked beside it; whoever speaks first is heard, and the "
        "other's socket is closed.",
        request=_ask("Is anybody there?"),
        peers=(
            Peer(
                name="gemini", kind="gemini", scenario=Scenario(model="gemini-3.5-flash", faults=(Stall(seconds=60),))
            ),
            Peer(
                name="grok",
                kind="grok",
                scenario=Scenario(
                    model="grok-4.3",
                    steps=(Text("I am. You will not wait for a provider that is having a bad minute."),),
                    sending=PACE,
                ),
            ),
        ),
        hedge_after=0.5,
    ),
    Stop(
        title="A pause",
        note="The token pauses the stream while its provider is silent. Another provider goes on from what was said.",
        request=_ask("Tell me a story in one sentence."),
        peers=(
            Peer(
                name="first",
                kind="openai_chat",
                scenario=_silent_after(
                    "gpt-4.1-mini", "Once upon a time there was a stream that stopped amid a sentence nobody ended"
                ),
            ),
            Peer(
                name=ANOTHER,
                kind="ollama",
                scenario=Scenario(
                    model="llama3.2",
                    steps=(Text("sentence, and was whole again when somebody else had found the rest."),),
                    sending=PACE,
                ),
            ),
        ),
        reader=pause_and_resume,
    ),
    Stop(
        title="A cancellation",
        note="The provider is silent again, and its reader has had enough: the socket is closed at once.",
        request=_ask("How long is the coast of Norway?"),
        peers=_simulated(
            _silent_after("norway", "That depends on how long your ruler is: the shorter it is, the longer they both")
        ),
        reader=cancel_in_silence,
    ),
    Stop(
        title="A stream broken half-way",
        note="The connection is reset. What was shown stands, and the last chunk says what happened.",
        request=_ask("Tell me the three most important things about streams."),
        peers=_simulated(
            Scenario(
                model="broken",
                steps=(Text("The first is that they may end at any time, even amid a sentence like this one."),),
                sending=PACE,
                faults=(Reset(after_events=13),),
            )
        ),
    ),
)
"""In the order of the tour."""
