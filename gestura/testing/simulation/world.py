"""A random world, told by its seed: providers with good and bad hours, and what each request meets.

What a request meets is drawn from the seed, the stream's number and how many requests the stream has made, so it does
not change with the order of tasks.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import attrs
import trio

from gestura.chunks import Text, Thinking
from gestura.config import AfterOutput, ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.limits import Limits
from gestura.simulator.faults import Garbage
from gestura.simulator.scenario import Scenario, ToolCall
from gestura.simulator.voices import VOICES
from gestura.testing.replies import exchange_of
from gestura.testing.simulation.answers import Drawn, draw_answer
from gestura.transport import HttpRequest
from gestura.transport.scripted import ScriptedExchange

__all__ = ["Meant", "World", "prompt_of"]

FIRST_SIGN: Final = 0x4E00
SIGNS: Final = 0x5000
"""The signs are Chinese characters, which are letters of one UTF-8 sequence each, and in none of the words."""

STORM: Final = 0.9
FAIR: Final = 0.25
"""How likely something goes wrong with a request, in a provider's bad hours and in its good ones."""


@attrs.frozen(kw_only=True)
class Meant:
    """What the model meant to answer to one request.

    Args:
        number: of the request in this world, from 0.
        stream: whose it is.
        provider: who was asked.
        model: how the model is called in the answer, which no other is.
        drawn: the answer, and what went wrong with it.
    """

    number: int
    stream: int
    provider: str
    model: str
    drawn: Drawn

    @property
    def exact(self) -> bool:
        """Nothing strange was put between the bytes of the answer."""
        strikes = any(isinstance(strike.what, bytes) for strike in self.drawn.strikes)
        scenario = self.drawn.answer
        return not strikes and not (
            isinstance(scenario, Scenario) and any(isinstance(fault, Garbage) for fault in scenario.faults)
        )

    @property
    def text(self) -> str:
        """All its text."""
        return "".join(step.text for step in self._steps if isinstance(step, Text))

    @property
    def thinking(self) -> str:
        """All its thinking."""
        return "".join(step.text for step in self._steps if isinstance(step, Thinking))

    @property
    def calls(self) -> list[ToolCall]:
        """All its tool calls."""
        return [step for step in self._steps if isinstance(step, ToolCall)]

    @property
    def _steps(self) -> Sequence[object]:
        return self.drawn.answer.steps if isinstance(self.drawn.answer, Scenario) else ()


def sign_of(number: int) -> str:
    """The character that stands before everything that is said to the request of this number."""
    return chr(FIRST_SIGN + number % SIGNS)


def prompt_of(stream: int) -> str:
    """What a stream asks, by which the world knows it."""
    return f"This is stream {stream}."


class World:
    """All that is not the client or its users.

    Args:
        seed: decides everything.
        hours: how long the world lasts.

    Attributes:
        config: what the client is told.
        meant: what was to be answered to each request so far, in their order.
    """

    def __init__(self, seed: int, hours: float) -> None:
        rng = random.Random(f"{seed} world")  # noqa: S311  # dice, no secret
        names = ("p0", "p1", "p2")[: rng.randint(1, 3)]
        self.config: StreamingConfig = _config(rng, names)
        self.meant: list[Meant] = []
        self._seed = seed
        self._asked: Counter[int] = Counter()
        self._storms = {name: _storms(rng, hours) for name in names}

    def meet(self, request: HttpRequest) -> ScriptedExchange:
        """What `request` meets."""
        stream, provider = _sender(request)
        number = len(self.meant)
        rng = random.Random(f"{self._seed} {stream} {self._asked[stream]}")  # noqa: S311
        self._asked[stream] += 1
        stormy = any(begin <= trio.current_time() < end for begin, end in self._storms[provider])
        model = f"model-{number}"
        drawn = draw_answer(rng, sign_of(number), model, fails=rng.random() < (STORM if stormy else FAIR))
        self.meant.append(Meant(number=number, stream=stream, provider=provider, model=model, drawn=drawn))
        return exchange_of(drawn.answer, request, drawn.strikes)


def _sender(request: HttpRequest) -> tuple[int, str]:
    stream = re.search(rb"This is stream (\d+)\.", request.body)
    provider = re.match(r"https://(\w+)\.test\b", request.url)
    if stream is None or provider is None:
        raise AssertionError(f"a request that no stream makes: {request.url}")
    return int(stream[1]), provider[1]


def _config(rng: random.Random, names: Sequence[str]) -> StreamingConfig:
    fallback = [*names[1:], *(["unconfigured"] if rng.random() < 0.2 else [])]
    rng.shuffle(fallback)
    return StreamingConfig(
        primary=names[0],
        fallback=tuple(fallback),
        providers={name: _settings(rng, name) for name in names},
        retry=RetryPolicy(
            max_attempts=rng.choice([1, 2, 3, 4]),
            initial_delay=rng.choice([0.0, 0.5, 1.0]),
            max_delay=rng.choice([1.0, 8.0]),
            jitter=rng.choice([0.0, 0.25, 1.0]),
        ),
        after_output=rng.choice([AfterOutput.END, *AfterOutput]),
        hedge_after=rng.choice([None, None, 0.0, 1.0, 20.0]),
        timeouts=Timeouts(
            connect=rng.choice([3.0, 10.0]),
            first_content=rng.choice([5.0, 60.0, 300.0]),
            idle=rng.choice([2.0, 30.0, 120.0]),
            total=rng.choice([None, None, 20.0, 600.0]),
        ),
        limits=rng.choice([Limits(), Limits(), Limits(max_answer_bytes=200, max_tool_calls=2)]),
    )


def _settings(rng: random.Random, name: str) -> ProviderSettings:
    return ProviderSettings(
        kind=rng.choice(sorted(VOICES)),
        model="m",
        api_key="key",
        base_url=f"https://{name}.test",
        max_concurrent_streams=rng.choice([None, None, 2, 10]),
        requests_per_minute=rng.choice([None, None, None, 60]),
        tokens_per_minute=rng.choice([None, None, None, 20_000]),
    )


def _storms(rng: random.Random, hours: float) -> list[tuple[float, float]]:
    begins = [rng.uniform(0, hours * 3600) for _ in range(rng.randint(0, 4))]
    return [(begin, begin + rng.uniform(10, 1200)) for begin in begins]
