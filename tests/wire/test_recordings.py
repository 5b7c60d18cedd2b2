"""Recorded answers of real providers, served byte for byte, mean to gestura what they mean to the official package."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
import trio
from recordings_oracle import Reading, read_officially
from servers import Peer, chunk, head, serve

import gestura
from gestura._actors.topology import stage_actors
from gestura.answer import collect
from gestura.chunks import Done, Error, FinishReason, ToolCallEnd, ToolCallStart
from gestura.config import ProviderSettings
from gestura.errors import Fault
from gestura.limits import Limits
from gestura.providers.openai_chat import OpenAIChat
from gestura.stages import Stage, fuse
from gestura.stages.deltas import Finish, Oddity
from gestura.stages.think_tags import split_think_blocks
from gestura.testing import check_stage, run_inline
from gestura.usage import TokenUsage

pytestmark = pytest.mark.recordings("openai_chat")

READ_BYTES = 997
"""What the server sends at a time: prime, so that the reads end anywhere in an event."""

SMALL_BYTES = 1000
"""Up to which size of a recording every cut is tried; the time it takes grows with the square."""

BOTH, ACCUMULATOR = ("chunks", "accumulator"), ("accumulator",)

NO_ARGUMENTS = "a call without arguments has none there, which is no JSON; we give {}"
BESIDE_DETAILS = "counts beside the details objects have no field there"
PARTS = "content in parts is handed on as a list under a type that says str; the accumulator mixes it up"
FIRST_MODEL = "the first event's model counts, and is empty"
NO_INDEX = "a tool call without index is a TypeError"

DIFFERENCES = {
    ("azure-gpt-35-turbo-text-1", "model"): (ACCUMULATOR, FIRST_MODEL),
    ("azure-gpt-5.2-2025-12-11-text-1", "model"): (ACCUMULATOR, FIRST_MODEL),
    ("azure-o4-mini-2025-04-16-text-1", "model"): (ACCUMULATOR, FIRST_MODEL),
    ("databricks-us.anthropic.claude-3-7-sonnet-20-tool-text-1", "tool_calls"): (BOTH, NO_ARGUMENTS),
    ("github-copilot-gpt-4o-2024-11-20-ptools-tool-1", "usage"): (BOTH, BESIDE_DETAILS),
    ("huggingface-deepseek-r1-thinktags-text-1", "usage"): (BOTH, BESIDE_DETAILS),
    ("local-proxy-gpt-3.5-turbo-text-2", "usage"): (ACCUMULATOR, "the last event's usage counts, and it has none"),
    ("mistral-magistral-medium-latest-reason-text-2", "reasoning"): (BOTH, PARTS),
    ("mistral-mistral-small-latest-reason-text-1", "reasoning"): (BOTH, PARTS),
    ("mistral-mistral-small-latest-reason-text-1", "text"): (BOTH, PARTS),
    ("mistral-mistral-small-latest-tool-1", "everything"): (ACCUMULATOR, NO_INDEX),
    ("mistral-mistral-small-latest-tool-4", "everything"): (ACCUMULATOR, NO_INDEX),
    ("openai-muse-spark-1.1-tool-1", "tool_calls"): (BOTH, NO_ARGUMENTS),
    ("openrouter-minimax-m2-free-error-reason-1", "usage"): (BOTH, "what stands beside an error is not read"),
}
"""Where the official package reads a recording otherwise than we do: in which field, which of its readers, and why."""


async def asked(
    wire: bytes, content_type: str | None = None, **settings
) -> tuple[list[gestura.StreamChunk], gestura.StreamStatistics, dict[str, Reading | None]]:
    """What comes of an answer: chunks and statistics of the public client, and the official readings."""
    pieces = [wire[start : start + READ_BYTES] for start in range(0, len(wire), READ_BYTES)]
    response = head(
        Content_Type=content_type or "text/event-stream",
        Transfer_Encoding="chunked",
        Connection="close",
    )

    async def replay(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(response, *map(chunk, pieces), chunk(b""))
        await peer.wait_gone()

    async with serve(replay) as server:
        official = await trio.to_thread.run_sync(read_officially, server.url, abandon_on_cancel=True)
        provider = ProviderSettings(kind="openai_chat", model="m", base_url=server.url, **settings)
        async with (
            gestura.open_client(gestura.StreamingConfig(providers={"openai": provider})) as client,
            client.stream("Hi") as stream,
        ):
            return [each async for each in stream], stream.statistics(), official


def reading(chunks: list[gestura.StreamChunk]) -> Reading:
    """Our chunks as a reading."""
    *said, ending = chunks
    assert isinstance(ending, Done | Error)
    answer = collect([*said, ending if isinstance(ending, Done) else Done(usage=ending.usage)])
    return Reading(
        text=answer.text,
        refusal=answer.refusal,
        reasoning=answer.thinking,
        tool_calls=tuple((call.id, call.name, call.arguments) for call in answer.tool_calls),
        finish_reason=answer.done.provider_finish_reason,
        usage=ending.usage and counts(ending.usage),
        model=answer.done.model,
        error=ending.message.removeprefix("OpenAI /v1/chat/completions: ") if isinstance(ending, Error) else None,
    )


def counts(usage: TokenUsage) -> tuple[int | None, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        usage.cached_input_tokens,
        usage.reasoning_tokens,
    )


def differences(ours: Reading, theirs: Reading | None) -> set[str]:
    """In which fields they differ, of those that both can tell: an `Error` has no finish reason and no model."""
    if theirs is None:
        return {"everything"}
    return ours.differs_from(theirs) - ({"finish_reason", "model"} if ours.error else set())


# The package's accumulator warns of content that is a list.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
async def test_the_official_package_reads_the_same(recording):
    """Text, refusal, reasoning, tool calls, finish reason, usage and model equal what the `openai` package reads.

    Where the table of differences names a field, it does differ. Arguments are JSON objects, and nothing is strange.
    """
    chunks, statistics, official = await asked(recording.read(), recording.manifest["content_type"], think_tags=())
    ours = reading(chunks)
    rows = [(field, readers) for (name, field), (readers, _) in DIFFERENCES.items() if name == stem(recording)]
    known = {reader: {field for field, readers in rows if reader in readers} for reader in official}

    assert known == {reader: differences(ours, theirs) for reader, theirs in official.items()}
    assert all(isinstance(json.loads(arguments), dict) for _, _, arguments in ours.tool_calls)
    assert set(statistics.oddities) <= {Oddity.OTHER_CHOICE}


def stem(recording) -> str:
    return recording.path.stem


def test_the_table_of_differences_has_no_dead_rows(recordings):
    """Every row of the table belongs to a recording."""
    assert {name for name, _ in DIFFERENCES} <= set(map(stem, recordings("openai_chat")))


async def test_tagged_reasoning_is_told_apart(recordings):
    """With the think-tag parser on, text and thinking are the two halves of what the official package calls text."""
    (recording,) = [each for each in recordings("openai_chat") if "think_tags" in each.manifest["features"]]
    chunks, _, official = await asked(recording.read())
    ours = reading(chunks)

    assert split_think_blocks(official["chunks"].text) == (ours.text, ours.reasoning)
    assert ours.text
    assert ours.reasoning


def event(content: str, finish_reason: str | None = None) -> bytes:
    """An event of an answer, with every field that OpenAI's reference requires."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


HELLO, WORLD = event("Hello"), event(" world", "stop")
ANSWER = Reading(text="Hello world", finish_reason="stop", model="m")


@pytest.mark.parametrize(
    ("wire", "ours", "theirs"),
    [
        (HELLO + WORLD, ANSWER, ANSWER),
        (HELLO + WORLD.rstrip(), ANSWER, Reading(text="Hello", model="m")),
        (b"\xef\xbb\xbf" + HELLO + WORLD, ANSWER, attrs.evolve(ANSWER, text=" world")),
        (
            HELLO.replace(b"llo", b"ll\xff") + WORLD,
            attrs.evolve(ANSWER, text="Hell\ufffd world"),
            Reading(error="UnicodeDecodeError"),
        ),
        (HELLO + b"event: ping\n\n" + WORLD, ANSWER, Reading(text="Hello", model="m", error="JSONDecodeError")),
        (
            HELLO,
            Reading(text="Hello", error="the stream ended before the answer did"),
            Reading(text="Hello", model="m"),
        ),
        (
            HELLO + b'data: {"object":"error","message":"boom"}\n\ndata: [DONE]\n\n',
            Reading(text="Hello", error="boom"),
            Reading(text="Hello", model="m"),
        ),
    ],
    ids=["plain", "no blank line", "BOM", "broken UTF-8", "event without data", "cut off", "error by itself"],
)
async def test_the_official_package_gets_some_bytes_wrong(wire, ours, theirs):
    """Where a server or a network does what the standard foresees, ours is the reading that the standard gives."""
    chunks, _, official = await asked(wire)

    assert ours.error is None or ours.error in chunks[-1].message
    assert attrs.evolve(ours, error=None) == attrs.evolve(reading(chunks), error=None)
    assert theirs == official["chunks"]


# The same bytes without a network.


def make_stages() -> Stage[bytes, Any]:
    provider = OpenAIChat(ProviderSettings(kind="openai_chat", model="m"))
    return fuse(*(actor.stage for actor in stage_actors(provider, Limits())))


def test_every_recording_ends_as_its_provider_ended_it(recording):
    """The finish reason is the one the manifest lets expect; only what failed has a fault, and all else is complete."""
    pieces = run_inline(make_stages(), [[recording.read()]])
    features = set(recording.manifest["features"])
    reasons = {piece.reason for piece in pieces if isinstance(piece, Finish)}
    expected = {FinishReason.STOP}
    if "tool_calls" in features:
        expected = {FinishReason.TOOL_CALLS, FinishReason.STOP}  # OpenAI stops after a tool it was told to use
    for feature, reason in (("refusal", FinishReason.REFUSAL), ("finish_length", FinishReason.LENGTH)):
        expected = {reason} if feature in features else expected

    assert reasons <= expected
    assert ("error_midstream" in features) == any(isinstance(piece, Fault) for piece in pieces)
    assert reasons or features & {"truncated"}
    assert sum(isinstance(piece, ToolCallStart) for piece in pieces) == sum(
        isinstance(piece, ToolCallEnd) for piece in pieces
    )


@pytest.mark.parametrize("read_bytes", [1, 2, 3, 7, 61, 1021])
def test_cuts_do_not_matter(recording, read_bytes):
    """A recording read in pieces of any size gives the same chunks."""
    wire = recording.read()

    assert check_stage(make_stages, wire, range(read_bytes, len(wire), read_bytes))


def test_no_cut_matters(recordings):
    """A small recording, cut in two at any place, gives the same chunks."""
    small = [each.read() for each in recordings("openai_chat") if each.path.stat().st_size < SMALL_BYTES]

    assert all(check_stage(make_stages, wire) for wire in small)
    assert small
