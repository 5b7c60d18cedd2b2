"""While Ollama loads a model and while it thinks, the user is told so: at best effort, in virtual time here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import trio
from trio.testing import MockClock

import gestura
from gestura.chunks import Done, Error, Status, Text
from gestura.config import ProviderSettings, StreamingConfig, Timeouts
from gestura.transport.scripted import Break, Hang, Pause, ScriptedExchange, ScriptedTransport, Wait

CONNECTED = "Connected to Ollama — loading model 'llama3.2'…"
LOADING = "Loading model 'llama3.2'…"
WORKING = "Working… (model 'llama3.2')"
ROOM = 256
"""Chunks that the user's channel holds."""


def line(text: str, *, done: bool = False) -> bytes:
    return json.dumps({"message": {"role": "assistant", "content": text}, "done": done}).encode() + b"\n"


END = line("", done=True)


def client_of(script: ScriptedExchange, kind: str = "ollama", **timeouts: float | None):
    settings = ProviderSettings(kind=kind, model="llama3.2")
    config = StreamingConfig(primary="ollama", providers={"ollama": settings}, timeouts=Timeouts(**timeouts))
    return gestura.open_client(config, transport=ScriptedTransport([script]))


async def timeline(
    connecting: Sequence[Pause] = (),
    answering: Sequence[Pause] = (),
    body: Sequence[bytes | Pause] = (END,),
    kind: str = "ollama",
    model: str | None = None,
    **timeouts: float | None,
) -> list[tuple[float, Any]]:
    """What the user is told, and at what second: the words of statuses and texts, other chunks as their class."""
    script = ScriptedExchange(connecting=connecting, answering=answering, body=body)
    told: list[tuple[float, Any]] = []
    async with client_of(script, kind, **timeouts) as client, client.stream("Hi", model=model) as stream:
        async for chunk in stream:
            match chunk:
                case Status(words) | Text(words):
                    told.append((trio.current_time(), words))
                case _:
                    told.append((trio.current_time(), type(chunk)))
    return told


async def test_a_model_that_loads_is_spoken_of_every_30_seconds(autojump_clock: MockClock):
    """The connection is told at once, then every 30 s that the model loads, until the response begins."""
    assert [
        (0, CONNECTED),
        (30, LOADING),
        (60, LOADING),
        (90, LOADING),
        (95, "Hi"),
        (95, Done),
    ] == await timeline(answering=[Wait(95)], body=[line("Hi"), END])


async def test_an_answer_that_comes_at_once_is_announced_by_its_connection_alone(autojump_clock: MockClock):
    """Without a silence there is one status, and it comes before the answer."""
    assert [(0, CONNECTED), (0, "Hi"), (0, Done)] == await timeline(body=[line("Hi"), END])


async def test_a_connection_that_is_long_in_coming_is_spoken_of_too(autojump_clock: MockClock):
    """The 30 s before the response count from the request, and anew from the connection."""
    assert [(30, LOADING), (60, LOADING), (70, CONNECTED), (100, LOADING), (101, Done)] == await timeline(
        connecting=[Wait(70)], answering=[Wait(31)], connect=None
    )


async def test_silence_is_spoken_of_every_30_seconds(autojump_clock: MockClock):
    """Once the response has begun, it is told after every 30 s in which nothing arrives that the model works."""
    assert [
        (0, CONNECTED),
        (0, "Hi"),
        (30, WORKING),
        (60, WORKING),
        (65, "there"),
        (65, Done),
    ] == await timeline(body=[line("Hi"), Wait(65), line("there"), END])


async def test_whatever_arrives_ends_a_silence(autojump_clock: MockClock):
    """Every read counts the 30 s anew: half a line, and a line that says nothing, too."""
    steps = [line("Hi")[:9], line("Hi")[9:], line(""), line("there")]
    body = [piece for step in steps for piece in (Wait(29), step)]

    assert [(0, CONNECTED), (58, "Hi"), (116, "there"), (116, Done)] == await timeline(body=[*body, END])


async def test_the_response_itself_ends_a_silence(autojump_clock: MockClock):
    """The 30 s count anew from the head of the response, which means that the model is loaded."""
    assert [(0, CONNECTED), (50, "Hi"), (50, Done)] == await timeline(
        answering=[Wait(25)], body=[Wait(25), line("Hi"), END]
    )


async def test_the_model_is_the_one_that_was_asked(autojump_clock: MockClock):
    """A model named for one stream is the one that its statuses name."""
    assert (0, "Connected to Ollama — loading model 'qwen3'…") in await timeline(model="qwen3")


async def test_providers_without_words_say_nothing(autojump_clock: MockClock):
    """For a provider that has no words for waiting, no status fills the silence."""
    assert [(95, Done)] == await timeline(answering=[Wait(95)], body=[b"data: [DONE]\n\n"], kind="openai_chat")


async def test_a_user_who_does_not_read_is_not_told_of_silence(autojump_clock: MockClock):
    """While the user's channel is full nothing is said, and nothing dropped; the 30 s count from when there is room."""
    script = ScriptedExchange(body=[*[line("x")] * (ROOM + 50), Wait(135), END])
    async with client_of(script) as client, client.stream("Hi") as stream:
        first = await anext(stream)
        await trio.sleep(100)
        rest = [(trio.current_time(), chunk) async for chunk in stream if not isinstance(chunk, Text)]
        dropped = stream.statistics().dropped

    assert Status(CONNECTED) == first
    assert [(130, Status(WORKING))] == rest[:-1]
    assert (135, Done) == (rest[-1][0], type(rest[-1][1]))
    assert {} == dropped


async def test_leaving_does_not_wait_for_words(autojump_clock: MockClock):
    """A user who leaves while the model loads is gone at once, and the connection is closed."""
    transport = ScriptedTransport([ScriptedExchange(answering=[Hang()])])
    config = StreamingConfig(primary="ollama", providers={"ollama": ProviderSettings(kind="ollama", model="m")})
    async with gestura.open_client(config, transport=transport) as client:
        async with client.stream("Hi"):
            await trio.sleep(45)

        assert 45 == trio.current_time()
        assert transport.exchanges[0].closed


async def test_an_ending_does_not_wait_for_words(autojump_clock: MockClock):
    """A status that waits for room in a full channel is given up when the attempt ends."""
    script = ScriptedExchange(answering=[Wait(0.05), Break("gone", retryable=False)])
    async with client_of(script) as client, client.stream("Hi") as stream:
        for _ in range(ROOM):
            await stream.emit(Text("x"))
        await trio.sleep(0.06)  # the status would wait until 0.1
        chunks = [chunk async for chunk in stream]

    assert [Text("x")] * ROOM == chunks[:-1]
    assert isinstance(chunks[-1], Error)


async def test_the_first_content_is_waited_for_no_longer(autojump_clock: MockClock):
    """Statuses are no content: a model that never loads meets the deadline for the first content as before."""
    told = await timeline(answering=[Hang()], first_content=65, connect=None)

    assert [(0, CONNECTED), (30, LOADING), (60, LOADING)] == told[:3]
    assert 65 == told[3][0]
