"""The four deadlines: when each begins, what restarts it, what it says, and what none of them counts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import pytest
import trio
from scripting import ANSWER, DONE, FINISH, answers, delta, event, open_scripted, text
from trio.testing import MockClock

from gestura.chunks import Done, Ending, Error
from gestura.config import Timeouts
from gestura.errors import ErrorKind
from gestura.transport.scripted import Hang, ScriptedExchange, Wait

SHORT = Timeouts(connect=3, first_content=20, idle=7, total=None)
ROOM = 256
"""Chunks that the user's channel holds."""

HALF_AN_EVENT = event(choices=[])[:-3]


def every(seconds: float, *wires: bytes, times: int = 100) -> list[Any]:
    """These wires again and again, so many seconds apart."""
    return [step for wire in [*wires] * times for step in (Wait(seconds), wire)]


async def ending_of(script: ScriptedExchange, timeouts: Timeouts) -> tuple[float, Ending]:
    """When the stream ended, and how."""
    async with open_scripted(script, timeouts=timeouts) as client, client.stream("Hi") as stream:
        async for _ in stream:
            pass
        assert stream.ending is not None
        return trio.current_time(), stream.ending


@pytest.mark.parametrize(
    ("script", "timeouts", "at", "code", "words"),
    [
        pytest.param(
            answers(connecting=[Hang()]), Timeouts(), 10, "connect", "no connection within 10 s", id="connect"
        ),
        pytest.param(
            answers(connecting=[Wait(2)], answering=[Hang()]),
            Timeouts(),
            302,
            "first_content",
            "no first content within 300 s",
            id="first content, from the connection on",
        ),
        pytest.param(answers(Wait(19), b": ping", Hang()), SHORT, 20, "first_content", "within 20 s", id="no body"),
        pytest.param(answers(HALF_AN_EVENT, Hang()), SHORT, 20, "first_content", "within 20 s", id="half an event"),
        pytest.param(
            answers(Wait(5), text("a"), Hang()), Timeouts(), 125, "idle", "no further content within 120 s", id="idle"
        ),
        pytest.param(
            answers(*every(6, text("a"), times=3), Hang()),
            SHORT,
            25,
            "idle",
            "within 7 s",
            id="idle, from the last word",
        ),
        pytest.param(
            answers(*every(6, text("a"))),
            Timeouts(idle=7, total=60.5),
            60.5,
            "total",
            "the answer was not complete within 60.5 s",
            id="the whole stream",
        ),
        pytest.param(
            answers(connecting=[Hang()]), Timeouts(total=2), 2, "total", "within 2 s", id="whichever is first"
        ),
    ],
)
async def test_each_deadline_tells_what_was_awaited_and_how_long(
    autojump_clock: MockClock, script: ScriptedExchange, timeouts: Timeouts, at: float, code: str, words: str
):
    """The stream ends at the very moment, with an `Error` of kind timeout that names the setting to change."""
    ended, ending = await ending_of(script, timeouts)

    assert at == ended
    assert isinstance(ending, Error)
    assert (ErrorKind.TIMEOUT, code) == (ending.kind, ending.code)
    assert words in ending.message
    assert f"timeouts.{code}" in ending.message


NO_PROGRESS = {
    "comments": b": ping\n\n",
    "named events": b"event: ping\ndata: {}\n\n",
    "empty events": b"data:\n\n",
    "empty deltas": delta(content="", role="assistant"),
    "token counts": event(choices=[], usage={"prompt_tokens": 1}),
    "model names": event(choices=[], model="m"),
    "another choice": event(choices=[{"index": 1, "delta": {"content": "a"}}]),
    "fragments of nothing": delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]),
    "tags of nothing": text("<think></think>"),
    "blanks": b" ",
}


@pytest.mark.parametrize("wire", NO_PROGRESS.values(), ids=NO_PROGRESS)
@pytest.mark.parametrize(("first", "at", "code"), [([], 20, "first_content"), ([text("a")], 7, "idle")])
async def test_what_adds_nothing_to_the_answer_is_no_progress(
    autojump_clock: MockClock, wire: bytes, first: Sequence[bytes], at: float, code: str
):
    """A server that trickles pings, comments or empty deltas for ever does not outlive the deadline."""
    ended, ending = await ending_of(answers(*first, *every(0.5, wire)), SHORT)

    assert at == ended
    assert isinstance(ending, Error)
    assert code == ending.code


PROGRESS = {
    "text": [text("a")],
    "thinking": [delta(reasoning_content="a")],
    "tagged thinking": [text("<think>a"), text("a"), text("a</think>")],
    "a refusal": [delta(refusal="a")],
    "arguments": [delta(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": " "}}])],
    "arguments that wait their turn": [
        delta(tool_calls=[{"index": 1, "id": "a", "function": {"name": "f", "arguments": " "}}])
    ],
}


@pytest.mark.parametrize("wires", PROGRESS.values(), ids=PROGRESS)
async def test_every_piece_of_the_answer_restarts_the_idle_clock(autojump_clock: MockClock, wires: Sequence[bytes]):
    """A long answer that keeps coming is a healthy one, however long it takes in all."""
    script = answers(*every(6.9, *wires, times=30), FINISH, DONE)
    ended, ending = await ending_of(script, SHORT)

    assert isinstance(ending, Done)
    assert ended == pytest.approx(6.9 * 30 * len(wires))


@pytest.mark.parametrize(
    ("script", "timeouts", "at"),
    [
        (answers(ANSWER, connecting=[Wait(9000)]), Timeouts(connect=None), 9000),
        (answers(ANSWER, answering=[Wait(9000)]), Timeouts(first_content=None), 9000),
        (answers(Wait(9000), ANSWER), Timeouts(first_content=None), 9000),
        (answers(text("a"), Wait(9000), ANSWER), Timeouts(idle=None), 9000),
        (answers(*every(100, text("a")), ANSWER), Timeouts(total=None), 10_000),
        (
            answers(text("a"), Wait(9000), ANSWER, connecting=[Wait(9000)], answering=[Wait(9000)]),
            Timeouts(connect=None, first_content=None, idle=None),
            27_000,
        ),
    ],
)
async def test_each_deadline_can_be_off(
    autojump_clock: MockClock, script: ScriptedExchange, timeouts: Timeouts, at: float
):
    """`None` waits as long as it takes."""
    ended, ending = await ending_of(script, timeouts)

    assert at == ended
    assert isinstance(ending, Done)


@pytest.mark.parametrize(
    ("script", "timeouts", "at", "code"),
    [
        (
            answers(connecting=[Wait(100)], answering=[Hang()]),
            Timeouts(connect=None, first_content=5),
            105,
            "first_content",
        ),
        (answers(Wait(1000), text("a"), Hang()), Timeouts(first_content=None, idle=5), 1005, "idle"),
        (answers(text("a"), Hang()), Timeouts(idle=None, total=500), 500, "total"),
        (answers(connecting=[Hang()]), Timeouts(connect=4, first_content=None, idle=None), 4, "connect"),
    ],
)
async def test_those_that_are_on_hold_while_others_are_off(
    autojump_clock: MockClock, script: ScriptedExchange, timeouts: Timeouts, at: float, code: str
):
    """One that is off delays no other."""
    ended, ending = await ending_of(script, timeouts)

    assert at == ended
    assert isinstance(ending, Error)
    assert code == ending.code


def test_the_defaults_are_those_that_the_docs_promise():
    """Ten seconds to connect, five minutes for the first word, two between words, and none for the whole."""
    assert Timeouts(connect=10, first_content=300, idle=120, total=None) == Timeouts()


# The consumer's own time.


async def rest_behind(words: int, *then: Any, rest: float) -> tuple[float, Ending]:
    """When a stream ended, and how, whose user rested for so long before reading, behind so many words."""
    script = answers(*repeat(text("a"), words), *then)
    async with open_scripted(script, timeouts=SHORT) as client, client.stream("Hi") as stream:
        await trio.sleep(rest)
        async for _ in stream:
            pass
        assert stream.ending is not None
        return trio.current_time(), stream.ending


async def test_the_idle_clock_stands_still_while_the_consumer_is_slow(autojump_clock: MockClock):
    """Behind a full channel nobody knows whether the server is silent, so an hour of rest costs no answer."""
    ended, ending = await rest_behind(ROOM + 50, FINISH, DONE, rest=3600)

    assert isinstance(ending, Done)
    assert ended == 3600


async def test_the_idle_clock_goes_on_when_the_consumer_does(autojump_clock: MockClock):
    """A server that says nothing more has its whole time from when it could be heard again."""
    ended, ending = await rest_behind(ROOM + 1, Hang(), rest=3600)

    assert isinstance(ending, Error)
    assert "idle" == ending.code
    assert ended == 3607


async def test_a_consumer_who_rests_while_there_is_room_is_no_excuse(autojump_clock: MockClock):
    """The provider could have gone on, and did not: the deadline passes while nobody looks."""
    ended, ending = await rest_behind(ROOM - 1, Hang(), rest=3600)

    assert isinstance(ending, Error)
    assert "idle" == ending.code
    assert ended == 3600


async def test_the_whole_streams_deadline_counts_the_consumers_time(autojump_clock: MockClock):
    """It is for those who want an answer by then; what was read by then is still theirs."""
    script = answers(*repeat(text("a"), ROOM + 50), Hang())
    async with open_scripted(script, timeouts=Timeouts(total=60)) as client, client.stream("Hi") as stream:
        await trio.sleep(3600)
        chunks = [chunk async for chunk in stream]

    assert isinstance(chunks[-1], Error)
    assert "total" == chunks[-1].code
    assert len(chunks) > ROOM
