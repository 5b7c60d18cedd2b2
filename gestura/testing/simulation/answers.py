"""Random answers of a model, and random faults: what one request meets, drawn from a generator of random numbers.

A model writes a sign of its own before everything it says: a character that stands nowhere else and can't be torn. So
for each word of a stream it can be told which request it came from.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from gestura.chunks import FinishReason, Text, Thinking
from gestura.simulator.faults import BreakHttp, Fault, Garbage, HttpError, Reset, Stall, Truncate
from gestura.simulator.scenario import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.testing.faults import CutOff, Phase, Strike
from gestura.transport.scripted import Break, Hang, Pause, Wait
from gestura.usage import TokenUsage

__all__ = ["Drawn", "draw_answer"]

WORDS: Final = ("the", "sky", "is", "blue", "naïve", "€5", "😀", "\n", '"so"', "back\\slash", "données", ":", "{}")

REFUSALS: Final = (
    *(
        HttpError(status=status)
        for status in (302, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
    ),
    *(
        HttpError(status=429, headers={"Retry-After": hint})
        for hint in ("0", "7", "119", "3600", "-1", "nan", "1e400", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")
    ),
    HttpError(status=503, headers={"x-should-retry": "false"}),
    HttpError(status=400, headers={"x-should-retry": "true"}),
    HttpError(status=429, body='{"error":{"message":"No credit.","code":"insufficient_quota"}}'),
    HttpError(status=400, body='{"error":{"message":"Too long.","code":"context_length_exceeded"}}'),
    HttpError(status=200, body="<html>Please log in.</html>", headers={"Content-Type": "text/html"}),
    HttpError(status=200, body='{"error":{"message":"Not now."}}'),
)
"""What a server may say instead of an answer."""


@attrs.frozen
class Drawn:
    """What one request meets.

    Args:
        answer: what the model says, or why it does not.
        strikes: what goes wrong besides.
    """

    answer: Scenario | HttpError
    strikes: tuple[Strike, ...]


def draw_answer(rng: random.Random, sign: str, model: str, *, fails: bool) -> Drawn:
    """What a request meets: an answer, after a while; or one of the ways to fail.

    Args:
        rng: decides.
        sign: stands before each thing that the model says.
        model: how the model is called in the answer.
        fails: whether something goes wrong. It may be without effect, like a connection that breaks after the end.
    """
    answer = _answer(rng, sign, model)
    strikes = (Strike(Phase.ANSWERING, Wait(round(rng.expovariate(0.5), 3))),)
    if not fails:
        return Drawn(answer, strikes)
    return rng.choice(_WAYS_TO_FAIL)(rng, answer, strikes)


def _answer(rng: random.Random, sign: str, model: str) -> Scenario:
    steps: list[Thinking | Text | ToolCall] = []
    if rng.random() < 0.3:
        steps.append(Thinking(sign + _words(rng, 8)))
    # One answer in fifty may be longer than the channel to the user.
    steps.append(Text(sign + _words(rng, 500 if rng.random() < 0.02 else 16)))
    calls = rng.random() < 0.3
    if calls:
        for number in range(rng.randint(1, 3)):
            arguments = json.dumps({"sign": sign, "words": _words(rng, 6)}, ensure_ascii=rng.random() < 0.5)
            steps.append(ToolCall(f"call_{sign}_{number}", rng.choice(["look_up", "add"]), arguments))
        if rng.random() < 0.3:
            steps.append(Text(_words(rng, 5) + "."))
    return Scenario(
        model=model,
        steps=tuple(steps) if rng.random() > 0.03 else (),
        finish=FinishReason.TOOL_CALLS if calls else rng.choice([FinishReason.STOP, FinishReason.LENGTH]),
        usage=TokenUsage(input_tokens=rng.randint(0, 5000), output_tokens=rng.randint(1, 500))
        if rng.random() < 0.7
        else None,
        sending=Sending(
            characters_per_event=rng.choice([None, None, 3, 12, 1000]),
            interval=rng.choice([0.0, 0.0, 0.0, 0.3]),
            cuts=tuple(rng.randint(0, 4000) for _ in range(rng.choice([0, 0, 1, 8]))),
        ),
    )


def _words(rng: random.Random, most: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


# Ways to fail.

_Way = Callable[[random.Random, Scenario, tuple[Strike, ...]], Drawn]


def _never_begins(rng: random.Random, answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    pauses: list[Pause] = [Break("refused"), Break("no such host", retryable=False), Hang(), Wait(20.0)]
    return Drawn(answer, (Strike(rng.choice([Phase.CONNECTING, Phase.ANSWERING]), rng.choice(pauses)), *strikes))


def _is_refused(rng: random.Random, _answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    return Drawn(rng.choice(REFUSALS), strikes)


def _gives_up(rng: random.Random, answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    said = answer.steps[: rng.randint(0, len(answer.steps))]
    error = StreamError("It broke.", rng.choice(["server_error", "overloaded_error", "invalid_request_error"]))
    return Drawn(attrs.evolve(answer, steps=(*said, error)), strikes)


def _forgets_the_end(rng: random.Random, answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    finish = rng.choice([FinishReason.UNKNOWN, answer.finish])
    return Drawn(attrs.evolve(answer, finish=finish, end_marker=False), strikes)


def _breaks_at_an_edge(rng: random.Random, answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    ways: list[Pause | CutOff | bytes] = [Break(), Hang(), Wait(200.0), CutOff(), _garbage(rng)]
    return Drawn(answer, (*strikes, Strike(rng.choice([Phase.FIRST_CONTENT, Phase.END]), rng.choice(ways))))


def _breaks_anywhere(rng: random.Random, answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    place = rng.randint(0, 3000)
    faults: list[Fault] = [
        Stall(after_bytes=place),
        Stall(after_bytes=place, seconds=45.0),
        Reset(after_bytes=place),
        BreakHttp(after_bytes=place),
        Truncate(after_bytes=place),
        Garbage(after_bytes=place, data=_garbage(rng)),
    ]
    return Drawn(attrs.evolve(answer, faults=(rng.choice(faults),)), strikes)


def _says_nothing(rng: random.Random, answer: Scenario, strikes: tuple[Strike, ...]) -> Drawn:
    """Signs of life, for minutes, before the answer or in the middle of it."""
    place = rng.randint(0, len(answer.steps))
    silence = (Comment("still there"),) * rng.randint(1, 20)
    steps = (*answer.steps[:place], *silence, *answer.steps[place:])
    return Drawn(attrs.evolve(answer, steps=steps, sending=Sending(interval=rng.choice([5.0, 20.0]))), strikes)


_WAYS_TO_FAIL: Final[Sequence[_Way]] = (
    _never_begins,
    _is_refused,
    _gives_up,
    _forgets_the_end,
    _breaks_at_an_edge,
    _breaks_anywhere,
    _breaks_anywhere,
    _says_nothing,
)


def _garbage(rng: random.Random) -> bytes:
    pieces = (b"\n", b"\r\n\r\n", b"data: ", b"{", b"}", b'"', b"\x00", b"\xff\xfe", b"data: [DONE]\n\n", b"null")
    return b"".join(rng.choice(pieces) for _ in range(rng.randint(1, 6)))
