"""Invariant 6: memory has a ceiling that no server can raise, and a slow consumer stops the reads.

docs/design.md writes the ceiling as a sum of settings, with the weights of `ceiling`. Where one thing alone is held,
less is allowed here.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from ceiling import BASE, KIBIBYTE, ON_ITS_WAY, WEIGHTS, ceiling
from hypothesis import given
from hypothesis import strategies as st
from scripting import ANSWER, DONE, FINISH, answers, chunks_of, config, delta, event, open_scripted, run_virtually, text

import gestura
from gestura._actors.attempt import BATCHES_IN_FLIGHT
from gestura._actors.read_ahead import READ_AHEAD_BYTES
from gestura._stream import CHUNKS_TO_THE_USER
from gestura.chunks import Done, Ending, Error, Text
from gestura.config import Timeouts
from gestura.errors import ErrorKind
from gestura.limits import Limits
from gestura.transport import HttpRequest
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

INBOXES = 5
"""Between the reader, four stages and the forwarder."""

READS_IN_FLIGHT = INBOXES * BATCHES_IN_FLIGHT + INBOXES + 1
"""What waits in the inboxes, and what each actor has in its hands."""

TAKEN = READS_IN_FLIGHT + CHUNKS_TO_THE_USER + 1


# A slow consumer stops the reads.


@attrs.frozen
class Pressure:
    """What a stream had taken of its server's words, whenever its consumer rested."""

    taken: list[int]
    received: list[int]


async def read_in_portions(portions: list[int], events_per_read: int, reads: int) -> Pressure:
    """Receive so many chunks, then rest for an hour, and so on; then the rest."""
    read = text("x") * events_per_read
    played = ScriptedTransport([ScriptedExchange(body=[read] * reads + [FINISH + DONE])])
    pressure = Pressure([], [])
    received = 0
    async with open_scripted(played) as client, client.stream("Hi") as stream:
        for portion in portions:
            for _ in range(portion):
                await anext(stream)
            received += portion
            await trio.sleep(3600)
            pressure.taken.append(played.exchanges[0].bytes_taken // len(read))
            pressure.received.append(received)
        received += len([chunk async for chunk in stream if isinstance(chunk, Text)])
    assert reads * events_per_read == received
    assert isinstance(stream.ending, Done)
    return pressure


@given(st.lists(st.integers(0, 120), max_size=3), st.sampled_from([1, 2, 7]))
def test_a_consumer_who_rests_stops_the_reads(portions: list[int], events_per_read: int):
    """However long the answer: no more is read than was received, fits the channel, and waits between the actors.

    When the consumer goes on, so does the stream, and not a word is missing.
    """
    pressure = run_virtually(read_in_portions, portions, events_per_read, 700 // events_per_read)

    for taken, received in zip(pressure.taken, pressure.received, strict=True):
        chunks = received + CHUNKS_TO_THE_USER + 1
        assert taken <= -(-chunks // events_per_read) + READS_IN_FLIGHT


def test_a_consumer_who_never_reads_costs_no_more_than_the_ceiling():
    """An endless answer that nobody reads comes to a stop, with the ceiling's number of reads taken."""

    async def rest() -> int:
        played = Endless(text("x"))
        async with gestura.open_client(config(), transport=played) as client, client.stream("Hi"):
            await trio.sleep(3600)
            return played.reads

    assert CHUNKS_TO_THE_USER < run_virtually(rest) <= TAKEN


# No server raises the ceiling.

OVERHEAD = 6
"""How many times its bytes in the wire the smallest event takes as objects."""

LIMITS = Limits(
    max_frame_bytes=128 * KIBIBYTE,
    max_json_depth=20,
    max_json_parts=2000,
    max_tool_argument_bytes=16 * KIBIBYTE,
    max_tool_calls=64,
    max_answer_bytes=24 * KIBIBYTE,
    max_body_bytes=4096 * KIBIBYTE,
    max_error_body_bytes=64 * KIBIBYTE,
)


class Endless:
    """A transport whose one server repeats itself for ever, so many seconds apart.

    Where a wire says `NUMBER`, each repetition has a number of its own.
    """

    def __init__(self, *wires: bytes, status: int = 200, pace: float = 0) -> None:
        self.wires = wires
        self.status = status
        self.headers: dict[str, str] = {}
        self.reads = 0
        self._pace = pace

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> AsyncIterator[Endless]:
        on_connect()
        yield self

    async def receive_some(self) -> bytes:
        await trio.sleep(self._pace)
        wire = self.wires[self.reads % len(self.wires)]
        self.reads += 1
        return wire.replace(b'"NUMBER"', b"%d" % self.reads).replace(b"NUMBER", b"%d" % self.reads)


def call(index: int | str, arguments: str, name: str | None = "f", call_id: str | None = None) -> bytes:
    return delta(tool_calls=[{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}])


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """What is loaded once, the price list above all, is not of any stream."""
    run_virtually(chunks_of, answers(ANSWER, event(choices=[], usage={"prompt_tokens": 1})))
    gestura.estimate_cost(gestura.TokenUsage(input_tokens=1, model="gpt-4o"))


async def measure(transport: Endless, timeouts: Timeouts) -> tuple[Ending, int]:
    """The ending of a stream whose user reads all of it, and how much memory it took at most."""
    settings = config(limits=LIMITS, timeouts=timeouts)
    async with gestura.open_client(settings, transport=transport) as client, client.stream("Hi") as stream:
        # What other tests left would put off the collection of cycles, which counts towards the peak until then.
        gc.collect()
        gc.freeze()
        tracemalloc.start()
        try:
            async for _ in stream:
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert stream.ending is not None
    return stream.ending, peak


@pytest.mark.parametrize(
    ("setting", "weight", "wire"),
    [
        pytest.param("max_frame_bytes", 2, b"data: " + b"x" * 60_000, id="a line of large reads"),
        pytest.param("max_frame_bytes", 2, b"x" * 1000, id="a line of small reads"),
        pytest.param("max_frame_bytes", 2, b"data: " + b"x" * 1000 + b"\n", id="an event of many lines"),
        pytest.param("max_frame_bytes", 2, b"data:a\n" * 400, id="an event of tiny lines"),
        pytest.param("max_json_depth", 0, b"data: " + b"[" * 1000 + b"\n\n", id="lists in lists"),
        pytest.param("max_json_parts", 150, b"data: " + b"{}," * 1001 + b"\n\n", id="objects"),
        pytest.param("max_tool_argument_bytes", 2, call(0, "x" * 1000), id="arguments"),
        pytest.param("max_tool_argument_bytes", 2, call(0, "x") * 10, id="arguments in tiny pieces"),
        pytest.param("max_tool_argument_bytes", 3, call(1, "x") * 10, id="arguments that wait, in tiny pieces"),
        pytest.param("max_tool_argument_bytes", 3, call(1, "😀" + "x" * 1000), id="arguments that wait, of wide text"),
        pytest.param("max_tool_argument_bytes", 3, call("NUMBER", "x" * 1000), id="many calls that wait"),
        pytest.param("max_tool_argument_bytes", 3, call(0, "", "NUMBER" * 100), id="a name"),
        pytest.param("max_tool_argument_bytes", 3, call("NUMBER", "{}", "f", "NUMBER" + "i" * 1000), id="ids"),
        pytest.param("max_tool_calls", 1024, call("NUMBER", "{}"), id="calls"),
        pytest.param("max_tool_calls", 1024, call("NUMBER", "", None), id="calls without a name"),
        pytest.param("max_answer_bytes", 7, text("x" * 1000), id="text"),
        pytest.param("max_answer_bytes", 7, text("x") * 10, id="text in tiny pieces"),
        pytest.param("max_answer_bytes", 7, text("😀" * 1000), id="text of four bytes a character"),
        pytest.param("max_answer_bytes", 7, text("😀" + "x" * 1000), id="text that is held at four bytes a character"),
        pytest.param("max_answer_bytes", 7, text("<thi") * 4, id="text that is nearly a tag"),
        pytest.param("max_answer_bytes", 7, delta(reasoning_content="x" * 1000), id="thinking"),
        pytest.param("max_answer_bytes", 7, delta(refusal="x" * 1000), id="a refusal"),
        pytest.param("max_answer_bytes", 7, delta(reasoning_content="x", content="y") * 5, id="many parts"),
        pytest.param("max_body_bytes", 0, b": " + b"x" * 30_000 + b"\n", id="comments"),
        pytest.param("max_body_bytes", 0, event(padding="x" * 30_000), id="events of nothing"),
    ],
)
def test_a_server_that_never_stops_is_stopped_by_a_limit(setting: str, weight: int, wire: bytes):
    """An `Error` of kind limit that names the setting; and never more memory than the setting's share allows."""
    ending, peak = run_virtually(measure, Endless(wire), Timeouts())

    assert isinstance(ending, Error)
    assert ending.kind is ErrorKind.LIMIT
    assert f"exceeds {getattr(LIMITS, setting):,} ({setting})" in ending.message
    assert weight <= WEIGHTS.get(setting, 0)
    assert peak < weight * getattr(LIMITS, setting) + READS_IN_FLIGHT * len(wire) * OVERHEAD + BASE


PARTS = 10_000


@pytest.mark.parametrize(
    ("begin", "part", "end", "parts"),
    [
        pytest.param('{"choices":5,"x":[', "[],", "1]}", 2, id="lists of a strange event"),
        pytest.param('{"choices":5,"s":"\\ud800","x":[', '{"":1},', "1]}", 3, id="objects with half a surrogate pair"),
        pytest.param('{"choices":5,"x":[', "1.5,", "1]}", 1, id="numbers"),
        pytest.param('{"choices":[{"index":0,"delta":{"content":[', "{},", "1]}}]}", 2, id="parts of content"),
        pytest.param('{"choices":[', "{},", "{}]}", 2, id="choices"),
        pytest.param('{"choices":[{"index":0,"delta":{"tool_calls":[', "{},", "{}]}}]}", 2, id="tool calls"),
        pytest.param('{"error":{"message":[', "{},", "1]}}", 2, id="an error"),
    ],
)
def test_an_event_of_many_parts_stays_under_their_ceiling(begin: str, part: str, end: str, parts: int):
    """However an event is put together, what its parts become costs no more than their share."""
    limits = Limits(max_json_parts=PARTS, max_body_bytes=4096 * KIBIBYTE)
    wire = ("data: " + begin + part * (PARTS // parts - 20) + end + "\n\n").encode()
    reads = ScriptedExchange(body=[wire[at : at + 65_536] for at in range(0, len(wire), 65_536)] * 3)

    async def read() -> int:
        async with open_scripted(reads, limits=limits) as client, client.stream("Hi") as stream:
            tracemalloc.start()
            try:
                async for _ in stream:
                    pass
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        return peak

    assert run_virtually(read) < WEIGHTS["max_json_parts"] * PARTS + 21 * len(wire) + BASE


async def rest_behind_large_events(first: int, event_bytes: int, raw: bool) -> tuple[int, int]:
    """How much memory a stream takes whose user never reads, behind so many words, and how many reads it took."""
    large = text("😀" + "x" * (event_bytes - 200))
    transport = Endless(large)
    transport.wires = (text("x") * first, *[large[at : at + 65_536] for at in range(0, len(large), 65_536)] * 1000)
    settings = config(limits=LIMITS)
    async with gestura.open_client(settings, transport=transport) as client, client.stream("Hi", raw=raw):
        tracemalloc.start()
        try:
            await trio.sleep(3600)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    return peak, transport.reads


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("first", [1, CHUNKS_TO_THE_USER])
def test_large_events_that_nobody_reads_stay_under_the_ceiling(first: int, raw: bool):
    """Each event may be as large as a limit admits, and as raw as it came: a mebibyte is read ahead, and no more."""
    peak, reads = run_virtually(rest_behind_large_events, first, LIMITS.max_frame_bytes, raw)

    assert reads <= READ_AHEAD_BYTES // 65_536 + 4
    assert peak < ON_ITS_WAY * READ_AHEAD_BYTES
    assert peak < ceiling(LIMITS)


async def read_slowly(raw: bool) -> tuple[int, bool]:
    """Five mebibytes of large events, for a user who takes a minute for each chunk."""
    large = text("x" * 50_000)
    body = [*[large] * 100, FINISH]
    settings = {"timeouts": Timeouts(idle=100), "limits": Limits(max_answer_bytes=10**7)}
    length = 0
    async with open_scripted(ScriptedExchange(body=body), **settings) as client, client.stream("Hi", raw=raw) as stream:
        async for chunk in stream:
            await trio.sleep(60)
            if isinstance(chunk, Text):
                length += len(chunk.text)
    return length, isinstance(stream.ending, Done)


@pytest.mark.parametrize("raw", [False, True])
def test_a_user_who_is_waited_for_loses_nothing(raw: bool):
    """Reading ahead of a slow user stops and goes on, for hours, and no deadline passes meanwhile."""
    assert (5_000_000, True) == run_virtually(read_slowly, raw)


PADDING = "x" * 1000


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b": " + PADDING.encode() + b"\n", id="comments"),
        pytest.param(b"\n" * 100, id="blank lines"),
        pytest.param(b"event: NUMBER" + PADDING.encode() + b"\n", id="names of events"),
        pytest.param(b"id: NUMBER" + PADDING.encode() + b"\n", id="ids of events"),
        pytest.param(b"NUMBER" + PADDING.encode() + b"\n", id="unknown fields"),
        pytest.param(b"data:\n\n" * 50, id="events without data"),
        pytest.param(event(padding="NUMBER" + PADDING), id="events of nothing"),
        pytest.param(event(choices="NUMBER" + PADDING), id="fields of the wrong type"),
        pytest.param(delta(content="", role="NUMBER" + PADDING), id="empty deltas"),
        pytest.param(event(choices=[{"index": 1, "delta": {"content": "NUMBER" + PADDING}}]), id="another choice"),
        pytest.param(event(choices=[], model="NUMBER" + PADDING), id="models"),
        pytest.param(event(choices=[], usage={"prompt_tokens": "NUMBER"}), id="token counts"),
        pytest.param(event(model="NUMBER" + PADDING, usage={"prompt_tokens": "NUMBER"}), id="counts of many models"),
        pytest.param(call(0, "", None, "NUMBER" + PADDING), id="fragments of nothing"),
        pytest.param(call(0, "", PADDING), id="one name again and again"),
        pytest.param(text("<think></think>"), id="empty blocks of thinking"),
    ],
)
@pytest.mark.parametrize(("first", "deadline"), [(None, "first_content"), (text("a"), "idle")])
def test_a_server_that_never_says_anything_is_stopped_by_a_deadline(wire: bytes, first: bytes | None, deadline: str):
    """What adds nothing to the answer is no progress, and is not kept: hundreds of times over, nothing grows."""
    transport = Endless(wire, pace=0.2)
    if first is not None:
        transport.wires = (first, *[wire] * 1000)
    ending, peak = run_virtually(measure, transport, Timeouts(first_content=100, idle=100))

    assert isinstance(ending, Error)
    assert (ErrorKind.TIMEOUT, deadline) == (ending.kind, ending.code)
    assert transport.reads <= 502
    assert peak < READS_IN_FLIGHT * len(wire) * OVERHEAD + BASE


@pytest.mark.parametrize("status", [400, 500])
def test_the_body_of_an_error_is_read_to_a_limit(status: int):
    """A page of any length costs no more than `max_error_body_bytes` and one read."""
    transport = Endless(b"<p>" * 1000, status=status)
    ending, peak = run_virtually(measure, transport, Timeouts())

    assert isinstance(ending, Error)
    assert ending.status == status
    assert transport.reads * 3000 < LIMITS.max_error_body_bytes + 3000
    assert peak < 4 * LIMITS.max_error_body_bytes + BASE


def test_many_small_pieces_of_the_answer_are_collected_compactly():
    """`collect` holds the answer's characters, not its chunks."""

    async def collect() -> int:
        body = [text("x") * 10] * 2000 + [FINISH]
        async with open_scripted(ScriptedExchange(body=body)) as client, client.stream("Hi") as stream:
            tracemalloc.start()
            try:
                answer = await stream.collect()
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert len(answer.text) == 20_000
        return peak

    assert run_virtually(collect) < 20_000 * 8 + READS_IN_FLIGHT * 1000 * OVERHEAD + BASE
