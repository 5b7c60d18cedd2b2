"""`raw=True` shows what the provider sent beside what was made of it; what nobody knows is counted."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

import gestura
from gestura.chunks import Done, Error, FinishReason, ProviderEvent, StreamChunk, Text
from gestura.config import ProviderSettings, RetryPolicy, StreamingConfig, Timeouts
from gestura.errors import ErrorKind
from gestura.stages.deltas import Oddity
from gestura.transport.scripted import Break, ScriptedExchange, ScriptedTransport, Wait

CONFIG = StreamingConfig(providers={"openai": ProviderSettings(kind="openai_chat", model="m")})

HELLO = json.dumps({"choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": {"content": []}}]})
STOP = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "bored"}]})
BODY = [f"data: {HELLO}\n\n".encode(), f"event: x\ndata: {STOP}\n\n".encode(), b"data: [DONE]\n\n"]


def client_of(*body, config=CONFIG):
    return gestura.open_client(config, transport=ScriptedTransport([ScriptedExchange(body=body)]))


async def test_events_stand_before_what_they_led_to():
    """Every event of the body is shown as it came, before its chunks."""
    async with client_of(*BODY) as client, client.stream("Hi", raw=True) as stream:
        *chunks, done = [chunk async for chunk in stream]

    assert [
        ProviderEvent("", HELLO),
        Text("Hello"),
        ProviderEvent("x", STOP),
        ProviderEvent("", "[DONE]"),
    ] == chunks
    assert isinstance(done, Done)


async def test_nothing_is_shown_unasked():
    """Streams without `raw=True` have no such chunks."""
    async with client_of(*BODY) as client, client.stream("Hi") as stream:
        *chunks, done = [chunk async for chunk in stream]

    assert [Text("Hello")] == chunks
    assert isinstance(done, Done)


async def test_they_come_into_a_channel_of_ones_own():
    """`stream_into` shows them, too."""
    send, receive = trio.open_memory_channel[StreamChunk](100)
    async with client_of(*BODY) as client:
        await client.stream_into("Hi", send, raw=True)

    assert ProviderEvent("", HELLO) == receive.receive_nowait()


async def test_an_event_that_breaks_the_format_is_shown():
    """What a stream failed on can be looked at."""
    async with client_of(b"data: {nonsense\n\n") as client, client.stream("Hi", raw=True) as stream:
        event, error = [chunk async for chunk in stream]

    assert ProviderEvent("", "{nonsense") == event
    assert isinstance(error, Error)
    assert ErrorKind.PROTOCOL is error.kind


async def test_events_without_content_are_no_content(autojump_clock: MockClock):
    """Pings that are shown do not hold off the deadline that pings do not hold off."""
    ping = b'event: ping\ndata: {"choices": []}\n\n'
    once = RetryPolicy(max_attempts=1)
    config = StreamingConfig(providers=CONFIG.providers, timeouts=Timeouts(first_content=10), retry=once)
    async with client_of(*(ping, Wait(3)) * 9, config=config) as client, client.stream("Hi", raw=True) as stream:
        *events, error = [chunk async for chunk in stream]

    assert isinstance(error, Error)
    assert ErrorKind.TIMEOUT is error.kind
    assert len(events) == 4


@pytest.mark.parametrize("body", [BODY, [*BODY[:2], Break()]], ids=["whole", "broken"])
async def test_an_unknown_reason_to_stop_is_counted(body):
    """A word that gestura does not know is passed on as it is, and counted."""
    async with client_of(*body) as client, client.stream("Hi") as stream:
        ending = [chunk async for chunk in stream][-1]

    assert {Oddity.UNKNOWN_FINISH_REASON: 1} == stream.statistics().oddities
    if isinstance(ending, Done):
        assert (FinishReason.OTHER, "bored") == (ending.finish_reason, ending.provider_finish_reason)
