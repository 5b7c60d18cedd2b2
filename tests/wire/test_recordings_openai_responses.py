"""Recorded OpenAI Responses, served byte for byte, mean to gestura what they mean to the official package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from servers import NO_AUTHORITIES, Peer, chunk, head, serve

import gestura
from gestura._actors.topology import stage_actors
from gestura.answer import collect
from gestura.chunks import Done, Error, FinishReason, Signature, ToolCallEnd, ToolCallStart
from gestura.config import ProviderSettings
from gestura.limits import Limits
from gestura.providers.openai_responses import BETWEEN_PARTS, OpenAIResponses
from gestura.simulator import Scenario, Sending, Text, Thinking, ToolCall, open_simulator
from gestura.stages import Stage, fuse
from gestura.stages.deltas import Finish, Oddity, Terminal
from gestura.testing import check_stage, run_inline
from gestura.usage import TokenUsage

if TYPE_CHECKING:
    from openai import OpenAI

pytestmark = pytest.mark.recordings("openai_responses")

READ_BYTES = 997
"""What the server sends at a time: prime, so that the reads end anywhere in an event."""

SMALL_BYTES = 4000
"""Up to which size of a recording every cut is tried; the time it takes grows with the square."""


BOTH, ACCUMULATOR = ("events", "accumulator"), ("accumulator",)

SEALED_ANEW = "the end of the response has each seal encrypted anew; by the API's reference the item's own counts"
NO_BLANK_LINE = "the last event has no blank line after it, and is dropped"
ELIDED = "whoever kept the recording cut pieces out; the end of the response has the whole text"
CHANGING_IDS = "ids that change on the way are a RuntimeError"
CUT_OFF = "a call that the limit of tokens cut off is one there, with arguments that are no JSON"
EMPTY_OUTPUT = "the end of the response has an empty output, which goes before what the events told"

DIFFERENCES = {
    ("azure-gpt-5-nano-reason-text-1", "seals"): (ACCUMULATOR, SEALED_ANEW),
    ("github-copilot-gpt-5.3-codex-reason-text-1", "everything"): (ACCUMULATOR, CHANGING_IDS),
    ("openai-chatgpt-backend-gpt-5.4-ptools-reason-1", "seals"): (ACCUMULATOR, EMPTY_OUTPUT),
    ("openai-chatgpt-backend-gpt-5.4-ptools-reason-1", "tool_calls"): (ACCUMULATOR, EMPTY_OUTPUT),
    ("openai-gpt-4o-text-1", "finish"): (BOTH, NO_BLANK_LINE),
    ("openai-gpt-4o-text-1", "text"): (ACCUMULATOR, NO_BLANK_LINE),
    ("openai-gpt-4o-text-1", "usage"): (BOTH, NO_BLANK_LINE),
    ("openai-gpt-5-2025-08-07-reason-text-2", "seals"): (ACCUMULATOR, SEALED_ANEW),
    ("openai-gpt-5-2025-08-07-reason-text-7", "seals"): (ACCUMULATOR, SEALED_ANEW),
    ("openai-gpt-5-nano-2025-08-07-reason-text-2", "seals"): (ACCUMULATOR, SEALED_ANEW),
    ("openai-gpt-5.2-2025-12-11-text-4", "text"): (ACCUMULATOR, ELIDED),
    ("openai-gpt-5.3-codex-text-1", "text"): (ACCUMULATOR, ELIDED),
    ("openai-gpt-5.4-2026-03-05-misc-2", "everything"): (ACCUMULATOR, CHANGING_IDS),
    ("openai-gpt-5.6-sol-incomplete-reason-1", "seals"): (ACCUMULATOR, SEALED_ANEW),
    ("openai-gpt-5.6-sol-incomplete-tool-1", "tool_calls"): (BOTH, CUT_OFF),
    ("openai-o4-mini-2025-04-16-reason-text-3", "seals"): (ACCUMULATOR, SEALED_ANEW),
}
"""Where the official package reads a recording otherwise than we do: in which field, which of its readers, and why."""


@attrs.frozen(kw_only=True)
class Reading:
    """An answer as one reader understands it.

    Args:
        thinking: reasoning, its parts a blank line apart.
        seals: the encrypted content of reasoning.
        tool_calls: id, name and arguments of each function call.
        finish: the status, or the reason of an incomplete answer.
        usage: tokens of input, of output, in total, cached of the input, and of reasoning; `None` is not told.
        error: the provider's words for why it failed.
    """

    text: str = ""
    refusal: str = ""
    thinking: str = ""
    seals: tuple[str, ...] = ()
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    finish: str | None = None
    usage: tuple[int | None, ...] | None = None
    model: str | None = None
    error: str | None = None

    def differs_from(self, other: Reading) -> set[str]:
        """The names of the fields that are not equal."""
        names = [field.name for field in attrs.fields(Reading)]
        return {name for name in names if getattr(self, name) != getattr(other, name)}


# The oracle: what the official package makes of a stream.


def read_officially(url: str) -> dict[str, Reading | None]:
    """Ask for an answer, as the typed events tell it and as the accumulator does; `None` where that fails. Blocks."""
    import openai

    http = openai.DefaultHttpxClient(verify=NO_AUTHORITIES)
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20, http_client=http) as client:
        events: list[Any] = []
        error = None
        try:
            with client.responses.create(model="m", input="Hi", stream=True) as stream:
                events.extend(stream)
        except (openai.APIError, ValueError) as failure:
            error = getattr(failure, "message", type(failure).__name__)
        return {"events": _told_by_events(events, error), "accumulator": _accumulated(client, error)}


def _accumulated(client: OpenAI, error: str | None) -> Reading | None:
    from openai import APIError

    responses: list[Any] = []
    try:
        with client.responses.stream(model="m", input="Hi") as stream:
            for event in stream:
                responses += [event.response] if hasattr(event, "response") else []
    except APIError:
        pass  # told in `error`
    except RuntimeError:
        return None
    output = responses[-1].output
    contents = [part for item in output if item.type == "message" for part in item.content]
    reasoning = [item for item in output if item.type == "reasoning"]
    return Reading(
        text="".join(part.text for part in contents if part.type == "output_text"),
        refusal="".join(part.refusal for part in contents if part.type == "refusal"),
        thinking=BETWEEN_PARTS.join(part.text for item in reasoning for part in (*item.summary, *(item.content or ()))),
        error=error,
        **_of_items(output),
        **_of_responses(responses),
    )


def _told_by_events(events: Sequence[Any], error: str | None) -> Reading:
    parts: dict[str, dict[Any, str]] = {"output_text": {}, "refusal": {}, "reasoning": {}}
    for event in events:
        name, _, phase = event.type.removeprefix("response.").partition(".")
        if phase == "delta" and name in ("output_text", "refusal", "reasoning_text", "reasoning_summary_text"):
            kind = parts[name] if name in parts else parts["reasoning"]
            indexes = (getattr(event, index, None) for index in ("output_index", "content_index", "summary_index"))
            place = (name, *indexes)
            kind[place] = kind.get(place, "") + event.delta
    return Reading(
        text="".join(parts["output_text"].values()),
        refusal="".join(parts["refusal"].values()),
        thinking=BETWEEN_PARTS.join(parts["reasoning"].values()),
        error=error,
        **_of_items([event.item for event in events if event.type == "response.output_item.done"]),
        **_of_responses([event.response for event in events if hasattr(event, "response")]),
    )


def _of_items(items: Sequence[Any]) -> dict[str, Any]:
    calls = [item for item in items if item.type == "function_call"]
    seals = [item.encrypted_content for item in items if item.type == "reasoning" and item.encrypted_content]
    return {
        "seals": tuple(seals),
        "tool_calls": tuple((call.call_id, call.name, call.arguments) for call in calls),
    }


def _of_responses(responses: Sequence[Any]) -> dict[str, Any]:
    models = [response.model for response in responses if response.model]
    last = responses[-1]
    incomplete, usage = last.incomplete_details, last.usage
    return {
        "finish": (incomplete and incomplete.reason) or last.status,
        "usage": usage and _counts(usage),
        "model": models[-1],
    }


def _counts(usage: Any) -> tuple[int | None, ...]:
    given, made = usage.input_tokens_details, usage.output_tokens_details
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        given and given.cached_tokens,
        made and made.reasoning_tokens,
    )


# What we make of it.


async def asked(wire: bytes) -> tuple[list[gestura.StreamChunk], gestura.StreamStatistics, dict[str, Reading | None]]:
    """What comes of an answer: chunks and statistics of the public client, and the official readings."""
    pieces = [wire[start : start + READ_BYTES] for start in range(0, len(wire), READ_BYTES)]
    response = head(Content_Type="text/event-stream; charset=utf-8", Transfer_Encoding="chunked", Connection="close")

    async def replay(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(response, *map(chunk, pieces), chunk(b""))
        await peer.wait_gone()

    async with serve(replay) as server:
        return await all_readings(f"http://127.0.0.1:{server.port}")


async def all_readings(
    url: str, model: str = "m"
) -> tuple[list[gestura.StreamChunk], gestura.StreamStatistics, dict[str, Reading | None]]:
    """What comes of asking the server at `url`, by us and by the official package."""
    official = await trio.to_thread.run_sync(read_officially, url, abandon_on_cancel=True)
    provider = ProviderSettings(kind="openai_responses", model=model, base_url=url)
    config = gestura.StreamingConfig(providers={"openai": provider}, retry=gestura.RetryPolicy(max_attempts=1))
    async with gestura.open_client(config) as client, client.stream("Hi") as stream:
        return [each async for each in stream], stream.statistics(), official


def reading(chunks: list[gestura.StreamChunk]) -> Reading:
    """Our chunks as a reading."""
    *said, ending = chunks
    assert isinstance(ending, Done | Error)
    answer = collect([*said, ending if isinstance(ending, Done) else Done(usage=ending.usage)])
    seals = [json.loads(each.signature) for each in said if isinstance(each, Signature)]
    return Reading(
        text=answer.text,
        refusal=answer.refusal,
        thinking=answer.thinking,
        seals=tuple(seal["encrypted_content"] for seal in seals if "encrypted_content" in seal),
        tool_calls=tuple((call.id, call.name, call.arguments) for call in answer.tool_calls),
        finish=answer.done.provider_finish_reason,
        usage=ending.usage and counts(ending.usage),
        model=answer.done.model,
        error=ending.message.removeprefix("OpenAI /v1/responses: ") if isinstance(ending, Error) else None,
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
    return ours.differs_from(theirs) - ({"finish", "model"} if ours.error else set())


# The package's accumulator warns of items that its own types don't know.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
async def test_the_official_package_reads_the_same(recording):
    """Text, refusal, thinking, seals, tool calls, finish, usage and model equal what the `openai` package reads.

    Where the table of differences names a field, it does differ. Arguments are JSON objects, and nothing is strange but
    a call that was cut off.
    """
    chunks, statistics, official = await asked(recording.read())
    ours = reading(chunks)
    rows = [(field, readers) for (name, field), (readers, _) in DIFFERENCES.items() if name == stem(recording)]
    known = {reader: {field for field, readers in rows if reader in readers} for reader in official}
    cut_off = {"incomplete", "function_call"} <= set(recording.manifest["features"])

    assert known == {reader: differences(ours, theirs) for reader, theirs in official.items()}
    assert all(isinstance(json.loads(arguments), dict) for _, _, arguments in ours.tool_calls)
    assert statistics.oddities == ({Oddity.UNFINISHED_TOOL_CALL: 1} if cut_off else {})


def stem(recording) -> str:
    return recording.path.stem


def test_the_table_of_differences_has_no_dead_rows(recordings):
    """Every row of the table belongs to a recording."""
    assert {name for name, _ in DIFFERENCES} <= set(map(stem, recordings("openai_responses")))


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'sequence_number': 0, **fields})}\n\n".encode()


def response(status: str, **fields: Any) -> bytes:
    """The event of a response, with every field that OpenAI's reference requires."""
    kind = "response.created" if status == "in_progress" else f"response.{status}"
    always = {"id": "r", "object": "response", "created_at": 1, "model": "m", "parallel_tool_calls": True}
    more = {"tool_choice": "auto", "tools": [], "output": [], "usage": None, "error": None, "incomplete_details": None}
    return event(kind, response={**always, **more, "status": status, **fields})


BEGIN = response("in_progress")
HELLO = event("response.output_text.delta", item_id="i", output_index=0, content_index=0, delta="Hello", logprobs=[])
BOOM = {"code": "server_error", "message": "boom"}


@pytest.mark.parametrize(
    ("wire", "ours", "theirs"),
    [
        (BEGIN + HELLO + response("completed"), Reading(text="Hello", finish="completed"), None),
        (BEGIN + HELLO, Reading(text="Hello", error="the stream ended"), Reading(text="Hello", finish="in_progress")),
        (
            BEGIN + HELLO + event("error", **BOOM, param=None),
            Reading(text="Hello", error="boom"),
            Reading(text="Hello", finish="in_progress"),
        ),
        (
            BEGIN + HELLO + response("failed", error=BOOM),
            Reading(text="Hello", error="boom"),
            Reading(text="Hello", finish="failed"),
        ),
    ],
    ids=["plain", "cut off", "error", "failed"],
)
async def test_what_fails_does_not_look_like_an_answer(wire, ours, theirs):
    """The official package hands an error on as one event among others, and ends quietly where the input does."""
    chunks, _, official = await asked(wire)
    theirs = theirs or ours

    assert (ours.error or "") in (reading(chunks).error or "")
    assert attrs.evolve(ours, error=None, model=reading(chunks).model) == attrs.evolve(reading(chunks), error=None)
    assert attrs.evolve(theirs, model="m") == official["events"]


async def test_the_official_client_understands_the_simulator():
    """The `openai` package reads what the simulator says as we do, in both of its ways."""
    scenario = Scenario(
        model="m",
        steps=(
            Thinking("Hm."),
            Text("Let me see."),
            ToolCall("c", "look", '{"at": 1}'),
            Thinking("Aha."),
            Text("It is 1."),
        ),
        usage=TokenUsage(input_tokens=1, output_tokens=2, total_tokens=3, cached_input_tokens=0, reasoning_tokens=1),
        sending=Sending(characters_per_event=3),
    )
    async with open_simulator([scenario]) as simulator:
        chunks, statistics, official = await all_readings(simulator.url)

    assert {"events": reading(chunks), "accumulator": reading(chunks)} == official
    assert ("Hm.\n\nAha.", "Let me see.It is 1.") == (reading(chunks).thinking, reading(chunks).text)
    assert {} == statistics.oddities


# The same bytes without a network.


def make_stages() -> Stage[bytes, Any]:
    provider = OpenAIResponses(ProviderSettings(kind="openai_responses", model="m"))
    return fuse(*(actor.stage for actor in stage_actors(provider, Limits())))


def test_every_recording_ends_as_its_provider_ended_it(recording):
    """The finish reason is the one the manifest lets expect; only what failed has none; the end comes last, once."""
    pieces = run_inline(make_stages(), [[recording.read()]])
    features = set(recording.manifest["features"])
    expected = [FinishReason.TOOL_CALLS if "function_call" in features else FinishReason.STOP]
    for feature, reasons in (
        ("refusal", [FinishReason.REFUSAL]),
        ("incomplete", [FinishReason.LENGTH]),
        ("failed", []),
    ):
        expected = reasons if feature in features else expected
    begun = sum(isinstance(piece, ToolCallStart) for piece in pieces)
    ended = sum(isinstance(piece, ToolCallEnd) for piece in pieces)

    assert expected == [piece.reason for piece in pieces if isinstance(piece, Finish)]
    assert [Terminal()] == [piece for piece in pieces if isinstance(piece, Terminal)] == pieces[-1:]
    assert begun - ended == ({"incomplete", "function_call"} <= features)
    assert bool(begun) == ("function_call" in features)


@pytest.mark.parametrize("read_bytes", [1, 7, 61, 1021])
def test_cuts_do_not_matter(recording, read_bytes):
    """A recording read in pieces of any size gives the same chunks."""
    wire = recording.read()

    assert check_stage(make_stages, wire, range(read_bytes, len(wire), read_bytes))


def test_no_cut_matters(recordings):
    """A small recording, cut in two at any place, gives the same chunks."""
    small = [each.read() for each in recordings("openai_responses") if each.path.stat().st_size < SMALL_BYTES]

    assert all(check_stage(make_stages, wire) for wire in small)
    assert small
