"""Invariant 1: boundaries don't matter. Cut the same bytes anywhere, and the same chunks come out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from scripting import ANSWER, DONE, FINISH, chunks_of, delta, event, open_scripted, run_virtually, text
from strategies import BOM, ChatStream, chat_garbage, chat_streams, cuts, sse_garbage

from gestura.chunks import Done, Error, StreamChunk, Text, Thinking, TokenUsageUpdate
from gestura.errors import ErrorKind
from gestura.limits import Limits
from gestura.testing import merged, split
from gestura.transport.scripted import Break, Pause, ScriptedExchange, Wait

ROOMY = Limits()
SMALL = Limits(max_frame_bytes=200, max_tool_argument_bytes=64, max_tool_calls=4, max_answer_bytes=400)

OUTCOMES: Sequence[tuple[Pause, ...]] = ((), (Break(),))
"""How the body ends: cleanly, or with the connection."""


async def read(wire: bytes, where: Sequence[int], ending: Sequence[Pause], limits: Limits, pace: float) -> list:
    """What comes of `wire`, cut at `where`, with so many seconds between the reads."""
    body: list[bytes | Pause] = []
    for piece in split(wire, where):
        body += [piece, Wait(pace)] if pace else [piece]
    chunks = await chunks_of(ScriptedExchange(body=[*body, *ending]), limits=limits)
    return merged(chunk for chunk in chunks if not isinstance(chunk, TokenUsageUpdate))


def assert_cuts_do_not_matter(
    wire: bytes, where: Sequence[int], ending: Sequence[Pause] = (), limits: Limits = ROOMY, pace: float = 0
) -> list[StreamChunk]:
    whole = run_virtually(read, wire, (), ending, limits, 0)

    assert whole == run_virtually(read, wire, where, ending, limits, pace)
    return whole


@given(chat_streams(errors=False), cuts(), st.sampled_from(OUTCOMES), st.sampled_from([0, 0.5]), st.floats(0, 1))
def test_cuts_of_an_answer_do_not_matter(
    stream: ChatStream, where: Sequence[int], ending: Sequence[Pause], pace: float, share: float
):
    """An answer, or the beginning of one, in reads of any size and at any pace: the same chunks, the same ending."""
    assert_cuts_do_not_matter(stream.wire[: round(len(stream.wire) * share)], where, ending, pace=pace)


@given(st.lists(chat_garbage() | sse_garbage(), max_size=4).map(b"".join), cuts(), st.sampled_from(OUTCOMES))
@example(event(error={"message": "no credit", "code": "insufficient_quota"}), (30,), (Break(),))
@example(b"data: no JSON\n\n", (7,), (Break(),))
def test_cuts_of_garbage_do_not_matter(wire: bytes, where: Sequence[int], ending: Sequence[Pause]):
    """What no server should send means the same wherever it is cut: the same chunks, the same failure."""
    assert_cuts_do_not_matter(wire, where, ending)


@given(
    st.lists(chat_garbage() | st.sampled_from([ANSWER, FINISH, DONE, text("x" * 90), b": " + b"y" * 300]), max_size=5),
    cuts(),
    st.sampled_from(OUTCOMES),
)
@example([ANSWER, b": " + b"y" * 300], (len(ANSWER),), ())
@example([FINISH, b": " + b"y" * 300], (len(FINISH),), ())
@example([b"data: no JSON\n\n", b"y" * 300], (15,), ())
def test_cuts_do_not_matter_to_limits(parts: Sequence[bytes], where: Sequence[int], ending: Sequence[Pause]):
    """Whether a limit is passed, and which, does not depend on where the bytes are cut."""
    assert_cuts_do_not_matter(b"".join(parts), where, ending, limits=SMALL)


HARD = (
    BOM
    + b": a comment\r\n"
    + delta(content="é😀<th").replace(b"\n\n", b"\r\n\r\n")
    + delta(content='ink>\u2028"\\')
    + b"event: ping\r\rdata:\n\n"
    + delta(content="</thi").replace(b"\n\n", b"\r\r")
    + delta(content="nk>é<")
    + delta(tool_calls=[{"index": 1, "id": "two", "function": {"name": "second", "arguments": '{"é": '}}])
    + delta(tool_calls=[{"index": 0, "id": "one", "function": {"name": "first", "arguments": "{}"}}])
    + delta(tool_calls=[{"index": 1, "function": {"arguments": '"\\u00e9"}'}}])
    + delta("tool_calls").replace(b"\n\n", b"\r\n\r\n")
    + event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2})
    + DONE
)
"""Whatever can be cut in two: characters, CR LF, the BOM, tags, JSON strings and their escapes, fragments, [DONE]."""


async def cut_everywhere() -> None:
    wires = [split(HARD, [position]) for position in range(len(HARD))] + [split(HARD, range(len(HARD)))]
    exchanges = (ScriptedExchange(body=reads) for reads in [[HARD], *wires])
    async with open_scripted(exchanges) as client:
        results = []
        for _ in range(len(wires) + 1):
            async with client.stream("Hi") as stream:
                results.append(merged([chunk async for chunk in stream if not isinstance(chunk, TokenUsageUpdate)]))

    whole, *others = results
    assert [Text("é😀"), Thinking('\u2028"\\'), Text("é<")] == whole[:3]
    assert isinstance(whole[-1], Done)
    assert len(whole) == 10  # two calls of three chunks each
    assert all(whole == other for other in others)


def test_no_cut_matters():
    """One hard wire, cut in two at every position and byte by byte."""
    run_virtually(cut_everywhere)


async def delayed_consumer(where: Sequence[int], seconds: float) -> list:
    body = split(HARD, where)
    async with open_scripted(ScriptedExchange(body=body)) as client, client.stream("Hi") as stream:
        chunks = []
        async for chunk in stream:
            chunks.append(chunk)
            await trio.sleep(seconds)
    return merged(chunk for chunk in chunks if not isinstance(chunk, TokenUsageUpdate))


@given(cuts(), st.sampled_from([0, 0.01, 40]))
def test_the_consumers_pace_does_not_matter(where: Sequence[int], seconds: float):
    """A slow reader receives what a fast one does."""
    assert run_virtually(delayed_consumer, (), 0) == run_virtually(delayed_consumer, where, seconds)


@pytest.mark.parametrize("where", [(), (40,), range(400)])
def test_what_the_provider_said_last_is_told_before_how_the_connection_ended(where: Sequence[int]):
    """An error inside the stream is the failure, though the connection breaks with it: it came first."""
    wire = text("Hel") + event(error={"message": "no credit", "code": "insufficient_quota"})
    said, ending = assert_cuts_do_not_matter(wire, where, (Break(),))

    assert said == Text("Hel")
    assert isinstance(ending, Error)
    assert ending.kind is ErrorKind.QUOTA
