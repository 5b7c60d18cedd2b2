"""Recorded answers of Anthropic, served byte for byte, mean to gestura what they mean to the official package."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
from servers import NO_AUTHORITIES, Peer, chunk, head, serve

import gestura
from gestura._actors.topology import stage_actors
from gestura.answer import collect
from gestura.chunks import Done, Error, FinishReason, Signature, Text, Thinking, ToolCallEnd, ToolCallStart
from gestura.config import ProviderSettings
from gestura.limits import Limits
from gestura.providers.anthropic import AnthropicMessages
from gestura.simulator import Scenario, ToolCall, open_simulator
from gestura.stages import Stage, fuse
from gestura.stages.deltas import Anomaly, Fault, Finish, Terminal
from gestura.testing import check_stage, run_inline
from gestura.usage import TokenUsage

pytestmark = pytest.mark.recordings("anthropic")

READ_BYTES = 997
"""What the server sends at a time: prime, so that the reads end anywhere in an event."""

SMALL_BYTES = 1000
"""Up to which size of a recording every cut is tried; the time it takes grows with the square."""


@attrs.frozen(kw_only=True)
class Reading:
    """An answer as one reader understands it.

    Args:
        signatures: seals of thinking, and what stands for redacted thinking, in order.
        tool_calls: id, name and arguments of each.
        usage: tokens of input and of output, cached ones read and written, and those spent on thinking.
        error: the provider's words for why it failed, or the exception's name.
    """

    text: str = ""
    thinking: str = ""
    refusal: str = ""
    signatures: tuple[tuple[str, str], ...] = ()
    tool_calls: tuple[tuple[str, str, Any], ...] = ()
    stop_reason: str | None = None
    usage: tuple[int | None, ...] | None = None
    model: str | None = None
    error: str | None = None

    def differs_from(self, other: Reading) -> set[str]:
        """The names of the fields that are not equal."""
        names = [field.name for field in attrs.fields(Reading)]
        return {name for name in names if getattr(self, name) != getattr(other, name)}


# The oracle: what the official package makes of a stream.


def read_officially(url: str) -> Reading:
    """Ask for one answer, and let the package add it up: its beta client, which knows every kind of block. Blocks."""
    import anthropic

    error = None
    http = anthropic.DefaultHttpxClient(verify=NO_AUTHORITIES)
    with (
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=20, http_client=http) as client,
        client.beta.messages.stream(model="m", max_tokens=9, messages=[]) as stream,
    ):
        try:
            stream.until_done()
        except (anthropic.APIError, ValueError) as failure:
            body = getattr(failure, "body", None)
            error = body["error"]["message"] if isinstance(body, dict) else type(failure).__name__
        try:
            message = stream.current_message_snapshot
        except AssertionError:
            return Reading(error=error)
    blocks = message.content
    details = message.stop_details
    return Reading(
        text="".join(block.text for block in blocks if block.type == "text"),
        thinking="".join(block.thinking for block in blocks if block.type == "thinking"),
        refusal=(details and details.explanation) or "",
        signatures=tuple(_sealed(block) for block in blocks if block.type in ("thinking", "redacted_thinking")),
        tool_calls=tuple((block.id, block.name, block.input) for block in blocks if block.type == "tool_use"),
        stop_reason=message.stop_reason,
        usage=_counts(message.usage),
        model=message.model,
        error=error,
    )


def _sealed(block: Any) -> tuple[str, str]:
    return (block.type, block.signature if block.type == "thinking" else block.data)


def _counts(usage: Any) -> tuple[int | None, ...]:
    details = usage.output_tokens_details
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        details and details.thinking_tokens,
    )


# What we make of it.


async def asked(wire: bytes) -> tuple[list[gestura.StreamChunk], gestura.StreamStatistics, Reading]:
    """What comes of an answer: chunks and statistics of the public client, and the official reading."""
    pieces = [wire[start : start + READ_BYTES] for start in range(0, len(wire), READ_BYTES)]
    response = head(Content_Type="text/event-stream; charset=utf-8", Transfer_Encoding="chunked", Connection="close")

    async def replay(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(response, *map(chunk, pieces), chunk(b""))
        await peer.wait_gone()

    async with serve(replay) as server:
        return await both_readings(f"http://127.0.0.1:{server.port}")


async def both_readings(url: str) -> tuple[list[gestura.StreamChunk], gestura.StreamStatistics, Reading]:
    """What comes of asking the model `m` of the server at `url`, twice."""
    official = await trio.to_thread.run_sync(read_officially, url, abandon_on_cancel=True)
    provider = ProviderSettings(kind="anthropic", model="m", base_url=url)
    config = gestura.StreamingConfig(
        primary="anthropic", providers={"anthropic": provider}, retry=gestura.RetryPolicy(max_attempts=1)
    )
    async with gestura.open_client(config) as client, client.stream("Hi") as stream:
        return [each async for each in stream], stream.statistics(), official


def reading(chunks: list[gestura.StreamChunk]) -> Reading:
    """Our chunks as a reading."""
    *said, ending = chunks
    assert isinstance(ending, Done | Error)
    answer = collect([*said, ending if isinstance(ending, Done) else Done(usage=ending.usage)])
    seals = [each for each in said if isinstance(each, Signature)]
    return Reading(
        text=answer.text,
        thinking=answer.thinking,
        refusal=answer.refusal,
        signatures=tuple(("redacted_thinking" if each.redacted else "thinking", each.signature) for each in seals),
        tool_calls=tuple((call.id, call.name, json.loads(call.arguments)) for call in answer.tool_calls),
        stop_reason=answer.done.provider_finish_reason,
        usage=counts(ending),
        model=answer.done.model,
        error=ending.message.removeprefix("Anthropic /v1/messages: ") if isinstance(ending, Error) else None,
    )


def counts(ending: Done | Error) -> tuple[int | None, ...] | None:
    usage = ending.usage
    return usage and (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )


SECOND_MESSAGE = "a second message is added to the first's blocks of the same index; we end with the first's end"

DIFFERENCES = {
    ("anthropic-claude-sonnet-4-5-20250929-ptools-tool-1", "stop_reason"): SECOND_MESSAGE,
    ("anthropic-claude-sonnet-4-5-20250929-ptools-tool-1", "text"): SECOND_MESSAGE,
    ("anthropic-claude-sonnet-4-5-20250929-ptools-tool-1", "tool_calls"): SECOND_MESSAGE,
    ("anthropic-claude-sonnet-4-5-20250929-ptools-tool-1", "usage"): SECOND_MESSAGE,
    ("anthropic-claude-sonnet-4-5-20250929-tool-text-4", "stop_reason"): SECOND_MESSAGE,
    ("anthropic-claude-sonnet-4-5-20250929-tool-text-4", "usage"): SECOND_MESSAGE,
}
"""Where the official package reads a recording otherwise than we do: in which field, and why."""


async def test_the_official_package_reads_the_same(recording):
    """Text, thinking, signatures, tool calls, stop reason, usage and model equal what the `anthropic` package reads.

    Where the table of differences names a field, it does differ. Nothing is strange.
    """
    chunks, statistics, official = await asked(recording.read())
    known = {field for name, field in DIFFERENCES if name == stem(recording)}

    assert known == reading(chunks).differs_from(official)
    assert {} == statistics.oddities


def stem(recording) -> str:
    return recording.path.stem


def test_the_table_of_differences_has_no_dead_rows(recordings):
    """Every row of the table belongs to a recording."""
    assert {name for name, _ in DIFFERENCES} <= set(map(stem, recordings("anthropic")))


async def test_of_several_messages_the_first_is_the_answer(recordings):
    """A recording of two answers is read as the official package reads the first of them alone."""
    for recording in recordings("anthropic"):
        if "multiple_messages" in recording.manifest["features"]:
            wire = recording.read()
            first = wire[: wire.index(b"event: message_start", 1)]
            (chunks, *_), (*_, official) = await asked(wire), await asked(first)

            assert official == reading(chunks)
            assert official.tool_calls


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    pieces = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    started = event("content_block_start", index=index, content_block=start)
    return b"".join([started, *pieces, event("content_block_stop", index=index)])


def text(words: str) -> bytes:
    return block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": words})


def call(index: int, arguments: str, **said: Any) -> bytes:
    start = {"type": "tool_use", "id": f"t{index}", "name": "f", "input": {}, **said}
    return block(index, start, {"type": "input_json_delta", "partial_json": arguments})


def end(stop_reason: str = "end_turn") -> bytes:
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 5}) + event("message_stop")


START = event(
    "message_start",
    message={
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    },
)
HELLO = text("Hello")
ANSWER = Reading(text="Hello", stop_reason="end_turn", usage=(7, 5, None, None, None), model="m")
BEGUN = Reading(text="Hello", usage=(7, 1, None, None, None), model="m")
CALLED = attrs.evolve(ANSWER, text="", stop_reason="tool_use")
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


@pytest.mark.parametrize(
    ("wire", "ours", "theirs"),
    [
        (START + HELLO + end(), ANSWER, ANSWER),
        (START + HELLO + end().rstrip(), ANSWER, ANSWER),
        (START + HELLO + end() + b"data: [DONE]\n\n", ANSWER, ANSWER),
        (START + HELLO + b"event: ping\n\n" + end(), ANSWER, ANSWER),
        (START + HELLO + event("news", text="!") + end(), ANSWER, ANSWER),
        (
            START + call(0, "") + call(1, "", input={"a": 1}) + end("tool_use"),
            attrs.evolve(CALLED, tool_calls=(("t0", "f", {}), ("t1", "f", {"a": 1}))),
            attrs.evolve(CALLED, tool_calls=(("t0", "f", {}), ("t1", "f", {"a": 1}))),
        ),
        (START + HELLO + OVERLOADED, attrs.evolve(BEGUN, error="Overloaded"), attrs.evolve(BEGUN, error="Overloaded")),
        (OVERLOADED, Reading(error="Overloaded"), Reading(error="Overloaded")),
        (
            START + call(0, '{"a":1}') + call(1, '{"a":"half') + end("max_tokens"),
            attrs.evolve(CALLED, stop_reason="max_tokens", tool_calls=(("t0", "f", {"a": 1}),)),
            attrs.evolve(CALLED, stop_reason="max_tokens", tool_calls=(("t0", "f", {"a": 1}), ("t1", "f", {}))),
        ),
        (b"\xef\xbb\xbf" + START + HELLO + end(), ANSWER, Reading()),
        (
            START + text("Hell").replace(b"ll", b"l\xff") + end(),
            attrs.evolve(ANSWER, text="Hel\ufffd"),
            attrs.evolve(BEGUN, text="", error="UnicodeDecodeError"),
        ),
        (START + HELLO, attrs.evolve(BEGUN, error="the stream ended before the answer did"), BEGUN),
        ((START + HELLO + end()).replace(b"event: ", b"x: "), ANSWER, Reading()),
        (
            START + HELLO + OVERLOADED.replace(b"event: error\n", b"event: message\n"),
            attrs.evolve(BEGUN, error="Overloaded"),
            BEGUN,
        ),
    ],
    ids=[
        "plain",
        "no blank line",
        "DONE",
        "event without data",
        "unknown event",
        "empty and early input",
        "error",
        "error at once",
        "cut off in a call",
        "BOM",
        "broken UTF-8",
        "cut off",
        "events without names",
        "error by its type",
    ],
)
async def test_what_the_recordings_lack(wire, ours, theirs):
    """Where the two readings differ, ours is the one that the standard, the end of the answer, or safety asks for."""
    chunks, _, official = await asked(wire)
    got = reading(chunks)
    told_by_done = {"error", "model", "stop_reason"} if ours.error else set()

    assert not ours.differs_from(got) - told_by_done
    assert (ours.error or "") in (got.error or "")
    assert theirs == official


async def test_the_official_package_understands_the_simulator():
    """Asked over HTTP, the simulator's voice means the same to both, and what was meant."""
    scenario = Scenario(
        model="m",
        steps=(Thinking("They ask."), Text("Let me see."), ToolCall("t0", "f", '{"a": 1}'), ToolCall("t1", "g", "{}")),
        finish=FinishReason.TOOL_CALLS,
        usage=TokenUsage(input_tokens=7, output_tokens=5, cached_input_tokens=3, reasoning_tokens=2),
    )
    async with open_simulator([scenario]) as simulator:
        chunks, statistics, official = await both_readings(simulator.url)

    assert official == reading(chunks)
    assert ("They ask.", "Let me see.") == (official.thinking, official.text)
    assert (("t0", "f", {"a": 1}), ("t1", "g", {})) == official.tool_calls
    assert ("tool_use", (7, 5, 3, None, 2)) == (official.stop_reason, official.usage)
    assert {} == statistics.oddities


# The same bytes without a network.


def make_stages() -> Stage[bytes, Any]:
    provider = AnthropicMessages(ProviderSettings(kind="anthropic", model="m"))
    return fuse(*(actor.stage for actor in stage_actors(provider, Limits())))


def test_every_recording_ends_as_its_provider_ended_it(recording):
    """The finish reason is the one that the manifest lets expect; every answer is complete, and so is every call."""
    pieces = run_inline(make_stages(), [[recording.read()]])
    features = set(recording.manifest["features"])
    expected = FinishReason.TOOL_CALLS if "tool_use" in features else FinishReason.STOP
    for feature, reason in (("stop_refusal", FinishReason.REFUSAL), ("stop_max_tokens", FinishReason.LENGTH)):
        expected = reason if feature in features else expected

    assert [expected] == [piece.reason for piece in pieces if isinstance(piece, Finish)]
    assert [pieces[-1]] == [piece for piece in pieces if isinstance(piece, Terminal)]
    assert [] == [piece for piece in pieces if isinstance(piece, Anomaly | Fault)]
    assert sum(isinstance(piece, ToolCallStart) for piece in pieces) == sum(
        isinstance(piece, ToolCallEnd) for piece in pieces
    )


@pytest.mark.parametrize("read_bytes", [1, 7, 1021])
def test_cuts_do_not_matter(recording, read_bytes):
    """A recording read in pieces of any size gives the same chunks."""
    wire = recording.read()

    assert check_stage(make_stages, wire, range(read_bytes, len(wire), read_bytes))


def test_no_cut_matters(recordings):
    """A small recording, cut in two at any place, gives the same chunks."""
    small = [each.read() for each in recordings("anthropic") if each.path.stat().st_size < SMALL_BYTES]

    assert all(check_stage(make_stages, wire) for wire in small)
    assert small
