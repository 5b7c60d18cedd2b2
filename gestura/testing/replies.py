"""What a model answers in a test: told in no provider's words, put into a wire format by the simulator's voices. Pure.

reply(Thinking("Where?"), ToolCall("call_1", "look_up", '{"city": "Oslo"}'), finish=FinishReason.LENGTH)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from multidict import CIMultiDict

from gestura import parts
from gestura.chunks import FinishReason, Refusal, Text, Thinking
from gestura.config import ProviderSettings
from gestura.providers import BUILTIN_PROVIDERS
from gestura.simulator.faults import HttpError
from gestura.simulator.plan import Ending, Head, Write, make_plan
from gestura.simulator.plan import Wait as PlannedWait
from gestura.simulator.scenario import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.simulator.voices import VOICES, Voice
from gestura.testing.faults import Strike, struck
from gestura.transport import HttpRequest
from gestura.transport.scripted import Break, Hang, Pause, ScriptedExchange, Wait
from gestura.usage import TokenUsage

__all__ = ["Reply", "exchange_of", "reply"]

Reply = str | Scenario | HttpError | ScriptedExchange
"""What one request meets: the words of the model, an answer made by `reply`, an HTTP error, or wire bytes."""

Said = str | Thinking | Text | Refusal | ToolCall | parts.ToolCall | StreamError | Comment
"""One thing said; a `str` is text."""

ANY_MODEL: Final = ""
"""The model of an answer that is whichever model's is asked."""

ALL_AT_ONCE: Final = Sending()


def reply(
    *said: Said,
    finish: FinishReason | None = None,
    usage: TokenUsage | None = None,
    sending: Sending = ALL_AT_ONCE,
    end_marker: bool = True,
) -> Scenario:
    """One answer of a model.

    Args:
        said: what it says, in order. A `StreamError`, which is the last, breaks the answer off.
        finish: why it stops; unless told, for its tool calls where there are some.
        usage: what the answer took; untold unless given.
        sending: the size of the pieces, the seconds between them, and where the network cuts.
        end_marker: the wire format's own end is sent; without it the answer is truncated.

    >>> reply("Let me see.", ToolCall("call_1", "look", "{}")).finish
    <FinishReason.TOOL_CALLS: 'tool_calls'>
    """
    steps = tuple(_step(each) for each in said)
    calls = any(isinstance(step, ToolCall) for step in steps)
    return Scenario(
        model=ANY_MODEL,
        steps=steps,
        finish=finish or (FinishReason.TOOL_CALLS if calls else FinishReason.STOP),
        usage=usage,
        sending=sending,
        end_marker=end_marker,
    )


def _step(said: Said) -> Thinking | Text | Refusal | ToolCall | StreamError | Comment:
    match said:
        case str():
            return Text(said)
        case parts.ToolCall(id=call, name=name, arguments=arguments):
            return ToolCall(call, name, arguments)
        case _:
            return said


def exchange_of(answer: Reply, request: HttpRequest, faults: Sequence[Strike] = ()) -> ScriptedExchange:
    """What `request` meets: `answer`, in the wire format of the URL it was sent to, with these `faults`.

    Raises:
        AssertionError: gestura has no voice for the URL; answer such a request with a `ScriptedExchange`.
        ValueError: a fault has no place in this answer.
    """
    wire, voice = _voice_for(request)
    provider = BUILTIN_PROVIDERS[wire](ProviderSettings(kind=wire, model=ANY_MODEL)) if wire else None
    if isinstance(answer, ScriptedExchange):
        return struck(answer, faults, provider)
    if voice is None:
        raise AssertionError(f"gestura has no voice for {request.url}; answer with a ScriptedExchange")
    return struck(_exchange(answer, voice, request), faults, provider)


def _exchange(answer: str | Scenario | HttpError, voice: Voice, request: HttpRequest) -> ScriptedExchange:
    match answer:
        case str():
            return _spoken(reply(answer), voice, request)
        case Scenario(faults=faults):
            refusals = [fault for fault in faults if isinstance(fault, HttpError)]
            return _refused(refusals[0], voice) if refusals else _spoken(answer, voice, request)
        case HttpError():
            return _refused(answer, voice)


def _refused(error: HttpError, voice: Voice) -> ScriptedExchange:
    body = voice.error(error.status, error.message, None) if error.body is None else error.body.encode()
    headers = CIMultiDict({"Content-Type": "application/json"})
    headers.update(error.headers)
    return ScriptedExchange(status=error.status, headers=headers, body=[body])


def _spoken(scenario: Scenario, voice: Voice, request: HttpRequest) -> ScriptedExchange:
    asked = json.loads(request.body)
    if scenario.model == ANY_MODEL:
        scenario = attrs.evolve(scenario, model=_model_asked(voice, request, asked))
    events = voice.render(scenario, asked) if scenario.body is None else [scenario.body]
    return _played(scenario, events, voice.content_type)


def _played(scenario: Scenario, events: Sequence[bytes], content_type: str) -> ScriptedExchange:
    """The actions of the simulator's plan, as the scripted transport plays them."""
    answering: list[Pause] = []
    body: list[bytes | Pause] = []
    pauses: list[Any] = answering
    for action in make_plan(events, scenario.sending, scenario.faults):
        match action:
            case Head():
                pauses = body
            case Write(data):
                body.append(data)
            case PlannedWait(seconds):
                pauses.append(Wait(seconds) if seconds < math.inf else Hang())
            case Ending.RESET | Ending.BREAK_HTTP:
                pauses.append(Break())
            case Ending.COMPLETE:
                pass  # as every script ends
    return ScriptedExchange(headers={"Content-Type": content_type}, answering=answering, body=body)


def _voice_for(request: HttpRequest) -> tuple[str, Voice] | tuple[None, None]:
    """The wire format of the URL that `request` goes to, known by the end of its path, and its voice."""
    path = urlsplit(request.url).path
    for wire, voice in VOICES.items():
        if path.endswith(re.sub(r".*[/}]", "", voice.path)):
            return wire, voice
    return None, None


def _model_asked(voice: Voice, request: HttpRequest, asked: Mapping[str, Any]) -> str:
    in_path = re.search(r"/models/([^/:]+)", urlsplit(request.url).path)
    return voice.model_of({"model": in_path[1] if in_path else ""}, asked)
