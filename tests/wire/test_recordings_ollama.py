"""Recorded answers of Ollama, served byte for byte, mean to gestura what they mean to the official package."""

from __future__ import annotations

import itertools
import json
from typing import Any

import attrs
import pydantic
import pytest
import trio
from servers import NO_AUTHORITIES, Peer, chunk, head, serve

import gestura
from gestura.answer import collect
from gestura.chunks import Done, Error, FinishReason
from gestura.config import ProviderSettings, StreamingConfig
from gestura.limits import Limits
from gestura.providers.ollama import OllamaDecoder
from gestura.stages import Stage, fuse
from gestura.stages.deltas import Anomaly, Finish, Oddity
from gestura.stages.ndjson import NdjsonFramer
from gestura.stages.think_tags import ThinkTagParser, split_think_blocks
from gestura.stages.tool_calls import ToolCallAssembler
from gestura.testing import check_stage, run_inline

pytestmark = pytest.mark.recordings("ollama")

READ_BYTES = 997
"""What the server sends at a time: prime, so that the reads end anywhere in a line."""

SMALL_BYTES = 1000
"""Up to which size of a recording every cut is tried; the time it takes grows with the square."""


@attrs.frozen(kw_only=True)
class Reading:
    """An answer as one reader understands it.

    Args:
        ids: the ids of the tool calls, as far as the provider gave them.
        calls: name and arguments of each tool call, the arguments as JSON means them.
        usage: tokens of input and of output; `None` is not told.
        error: the words for why it failed, or the sort of exception.
    """

    text: str = ""
    thinking: str = ""
    ids: tuple[str, ...] = ()
    calls: tuple[tuple[str, Any], ...] = ()
    done_reason: str | None = None
    usage: tuple[int | None, int | None] = (None, None)
    model: str | None = None
    error: str | None = None

    def differs_from(self, other: Reading) -> set[str]:
        """The names of the fields that are not equal."""
        names = [field.name for field in attrs.fields(Reading)]
        return {name for name in names if getattr(self, name) != getattr(other, name)}


def read_officially(url: str) -> Reading:
    """Ask the official package for one answer, and add up what it gives. Blocks."""
    import ollama

    text, thinking, calls, error = "", "", [], None
    last = ollama.ChatResponse(message=ollama.Message(role="assistant"))
    with ollama.Client(host=url, timeout=20, trust_env=False, verify=NO_AUTHORITIES) as client:
        try:
            for last in client.chat(model="m", messages=[], stream=True):
                text += last.message.content or ""
                thinking += last.message.thinking or ""
                calls += last.message.tool_calls or ()
        except ollama.ResponseError as failure:
            error = failure.error
        except (ValueError, pydantic.ValidationError) as failure:
            error = type(failure).__name__
    return Reading(
        text=text,
        thinking=thinking,
        ids=tuple(call.id for call in calls if hasattr(call, "id")),
        calls=tuple((call.function.name, dict(call.function.arguments)) for call in calls),
        done_reason=last.done_reason,
        usage=(last.prompt_eval_count, last.eval_count),
        model=last.model,
        error=error,
    )


async def asked(wire: bytes, **settings) -> tuple[Reading, gestura.StreamStatistics, Reading]:
    """What comes of an answer: our reading and statistics through the public client, and the official reading."""
    pieces = [wire[start : start + READ_BYTES] for start in range(0, len(wire), READ_BYTES)]
    response = head(Content_Type="application/x-ndjson", Transfer_Encoding="chunked", Connection="close")

    async def replay(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(response, *map(chunk, pieces), chunk(b""))
        await peer.wait_gone()

    async with serve(replay) as server:
        url = f"http://127.0.0.1:{server.port}"
        official = await trio.to_thread.run_sync(read_officially, url, abandon_on_cancel=True)
        provider = ProviderSettings(kind="ollama", model="m", base_url=url, **settings)
        config = StreamingConfig(primary="ollama", providers={"ollama": provider})
        async with gestura.open_client(config) as client, client.stream("Hi") as stream:
            return reading([each async for each in stream]), stream.statistics(), official


def reading(chunks: list[gestura.StreamChunk]) -> Reading:
    """Our chunks as a reading."""
    ending = chunks[-1]
    assert isinstance(ending, Done | Error)
    answer = collect([*chunks[:-1], ending if isinstance(ending, Done) else Done()])
    usage = ending.usage or gestura.TokenUsage()
    return Reading(
        text=answer.text,
        thinking=answer.thinking,
        ids=tuple(call.id for call in answer.tool_calls if not call.id.startswith("ollama-tool-")),
        calls=tuple((call.name, json.loads(call.arguments)) for call in answer.tool_calls),
        done_reason=answer.done.provider_finish_reason,
        usage=(usage.input_tokens, usage.output_tokens),
        model=answer.done.model,
        error=ending.message.removeprefix("Ollama /api/chat: ") if isinstance(ending, Error) else None,
    )


NO_IDS = "a tool call has no id there"

DIFFERENCES = {
    "ollama-qwen3-4b-ptools-tool-1": ("ids", NO_IDS),
    "ollama-qwen3-4b-think-tool-1": ("ids", NO_IDS),
    "ollama-qwen3-4b-tool-text-3": ("ids", NO_IDS),
    "ollama-qwen3-4b-tool-text-4": ("ids", NO_IDS),
}
"""Where the official package reads a recording otherwise than we do: in which field, and why."""

OPENED_BY_THE_TEMPLATE = {
    "ollama-qwen3-4b-ptools-tool-1",
    "ollama-qwen3-4b-tool-text-3",
    "ollama-qwen3-4b-tool-text-4",
}
"""Answers of a model that thought although it was asked not to: a `</think>` in the text that nothing opened."""


async def test_the_official_package_reads_the_same(recording):
    """Text, thinking, tool calls, finish reason, usage and model equal what the `ollama` package reads.

    Where the table of differences names a field, it does differ; ids are then those of the wire. Nothing is strange.
    """
    wire = recording.read()
    ours, statistics, official = await asked(wire, think_tags=())
    field, _ = DIFFERENCES.get(stem(recording), (None, None))

    assert ({field} if field else set()) == ours.differs_from(official)
    assert tuple(ids_on(wire)) == ours.ids
    assert ours.done_reason
    assert {} == statistics.oddities


def ids_on(wire: bytes) -> list[str]:
    messages = [json.loads(line)["message"] for line in wire.splitlines() if line.strip()]
    return [call["id"] for message in messages for call in message.get("tool_calls", ()) if "id" in call]


def stem(recording) -> str:
    return recording.path.stem


def test_the_tables_have_no_dead_rows(recordings):
    """Every row of the tables belongs to a recording."""
    assert {*DIFFERENCES, *OPENED_BY_THE_TEMPLATE} <= set(map(stem, recordings("ollama")))


async def test_reasoning_that_a_template_opened_is_told_apart(recordings):
    """With `starts_thinking`, text and thinking are the two halves of what the official package calls text."""
    for recording in recordings("ollama"):
        if stem(recording) in OPENED_BY_THE_TEMPLATE:
            ours, statistics, official = await asked(recording.read(), starts_thinking=True)

            assert split_think_blocks(official.text) == (ours.text, ours.thinking)
            assert ours.thinking
            assert {} == statistics.oddities


def line(content: str = "", **fields: Any) -> bytes:
    """A line of an answer, with every field that Ollama's reference has."""
    message = {"role": "assistant", "content": content, **fields.pop("message", {})}
    answer = {"model": "m", "created_at": "2023-12-12T14:13:43.416799Z", "message": message, "done": False, **fields}
    return json.dumps(answer, ensure_ascii=False).encode() + b"\n"


HELLO, WORLD = line("Hello"), line(" world", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2)
ANSWER = Reading(text="Hello world", done_reason="stop", usage=(3, 2), model="m")
CUT_OFF = Reading(text="Hello", model="m")
FAILED = Reading(text="Hello", model="m", error="JSONDecodeError")
CALL = {"function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("wire", "ours", "theirs"),
    [
        (HELLO + WORLD, ANSWER, ANSWER),
        (HELLO + WORLD.rstrip(), ANSWER, ANSWER),
        (HELLO + b'{"error":"boom"}\n', attrs.evolve(CUT_OFF, error="boom"), attrs.evolve(CUT_OFF, error="boom")),
        (HELLO, attrs.evolve(CUT_OFF, error="the stream ended before the answer did"), CUT_OFF),
        (HELLO + b"\n" + WORLD, ANSWER, FAILED),
        (b"\xef\xbb\xbf" + HELLO + WORLD, ANSWER, Reading(error="JSONDecodeError")),
        (
            HELLO + line("\u2028") + WORLD,
            attrs.evolve(ANSWER, text="Hello\u2028 world"),
            FAILED,
        ),
        (
            HELLO + line(message={"tool_calls": [CALL]}) + WORLD,
            attrs.evolve(ANSWER, calls=(("f", {"a": 1}),)),
            attrs.evolve(FAILED, error="ValidationError"),
        ),
        (HELLO + WORLD + b"garbage\n", ANSWER, attrs.evolve(ANSWER, error="JSONDecodeError")),
    ],
    ids=[
        *("plain", "no line end", "error line", "cut off", "blank line", "BOM", "U+2028", "arguments as text"),
        "garbage after the end",
    ],
)
async def test_the_official_package_gets_some_bytes_wrong(wire, ours, theirs):
    """Where a server or a network does what NDJSON and Ollama's reference foresee, ours is the reading they give."""
    got, _, official = await asked(wire)
    failed = {"model", "done_reason"} if got.error else set()  # an `Error` has neither

    assert ours.error is None or ours.error in (got.error or "")
    assert set() == attrs.evolve(ours, error=None).differs_from(attrs.evolve(got, error=None)) - failed
    assert theirs == official


# The same bytes without a network.


def make_stages() -> Stage[bytes, Any]:
    """The stages of a live stream, but missing ids are numbered: random ones differ from run to run."""
    return fuse(
        NdjsonFramer(Limits()),
        OllamaDecoder(itertools.count().__next__),
        ThinkTagParser(("think",)),
        ToolCallAssembler(Limits()),
    )


def test_every_recording_ends_as_its_provider_ended_it(recording):
    """The finish reason tells tool calls from a stop and a limit; nothing is strange but tags that nothing opened."""
    pieces = run_inline(make_stages(), [[recording.read()]])
    word = json.loads(recording.read().splitlines()[-1])["done_reason"]
    expected = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}[word]
    if "tool_calls" in recording.manifest["features"]:
        expected = FinishReason.TOOL_CALLS

    assert [Finish(expected, word)] == [piece for piece in pieces if isinstance(piece, Finish)]
    assert [Oddity.ORPHAN_THINK_TAG] * (stem(recording) in OPENED_BY_THE_TEMPLATE) == [
        piece.oddity for piece in pieces if isinstance(piece, Anomaly)
    ]


@pytest.mark.parametrize("read_bytes", [1, 2, 3, 7, 61, 1021])
def test_cuts_do_not_matter(recording, read_bytes):
    """A recording read in pieces of any size gives the same chunks."""
    wire = recording.read()

    assert check_stage(make_stages, wire, range(read_bytes, len(wire), read_bytes))


def test_no_cut_matters(recordings):
    """A small recording, cut in two at any place, gives the same chunks."""
    small = [each.read() for each in recordings("ollama") if each.path.stat().st_size < SMALL_BYTES]

    assert all(check_stage(make_stages, wire) for wire in small)
    assert small
