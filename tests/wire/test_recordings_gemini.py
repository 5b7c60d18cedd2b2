"""Recorded answers of Gemini, served byte for byte, mean to gestura what they mean to the official package."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from servers import NO_AUTHORITIES, Peer, chunk, head, serve

import gestura
from gestura._actors.topology import stage_actors
from gestura.answer import collect
from gestura.chunks import Done, Error, FinishReason, Signature, Text, Thinking, ToolCallEnd, ToolCallStart
from gestura.config import ProviderSettings
from gestura.errors import Fault
from gestura.limits import Limits
from gestura.providers.gemini import Gemini
from gestura.simulator import Scenario, StreamError, ToolCall, open_simulator
from gestura.stages import Stage, fuse
from gestura.stages.deltas import Anomaly, Finish, Oddity, Terminal
from gestura.testing import check_stage, run_inline
from gestura.usage import TokenUsage

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse, GenerateContentResponseUsageMetadata

pytestmark = [
    pytest.mark.recordings("gemini"),
    pytest.mark.filterwarnings("ignore:.* is not a valid:UserWarning"),
]

READ_BYTES = 997
"""What the server sends at a time: prime, so that the reads end anywhere in an event."""

SMALL_BYTES = 1000
"""Up to which size of a recording every cut is tried; the time it takes grows with the square."""


@attrs.frozen(kw_only=True)
class Reading:
    """An answer as one reader understands it.

    Args:
        signatures: the seals, in order.
        tool_calls: id, name and arguments of each; no id where the provider gave none.
        usage: tokens of input, of output, in total, cached of the input, and of thoughts; `None` is not told.
        blocked: why the prompt was not let through.
        error: the provider's words for why it failed, or the exception's name.
    """

    text: str = ""
    thinking: str = ""
    signatures: tuple[bytes, ...] = ()
    tool_calls: tuple[tuple[str | None, str, Any], ...] = ()
    finish_reason: str | None = None
    usage: tuple[int | None, ...] | None = None
    model: str | None = None
    blocked: str | None = None
    error: str | None = None

    def differs_from(self, other: Reading) -> set[str]:
        """The names of the fields that are not equal."""
        names = [field.name for field in attrs.fields(Reading)]
        return {name for name in names if getattr(self, name) != getattr(other, name)}


# The oracle: what the official package makes of a stream.


def read_officially(base_url: str) -> Reading:
    """Ask for one answer, and add up the package's typed events, the last word on each thing counting. Blocks."""
    from google import genai
    from google.genai import errors, types

    answer = Reading()
    options = types.HttpOptions(
        base_url=base_url,
        timeout=20_000,
        client_args={"verify": NO_AUTHORITIES},
        async_client_args={"ssl": NO_AUTHORITIES},
    )
    with genai.Client(api_key="none", vertexai=False, http_options=options) as client:
        try:
            for event in client.models.generate_content_stream(model="m", contents="Hi"):
                answer = _with(answer, event)
        except errors.APIError as failure:
            return attrs.evolve(answer, error=failure.message)
        except ValueError as failure:
            return attrs.evolve(answer, error=type(failure).__name__)
    return answer


def _with(answer: Reading, event: GenerateContentResponse) -> Reading:
    candidate = event.candidates[0] if event.candidates else None
    content = candidate and candidate.content
    parts = (content and content.parts) or []
    calls = [part.function_call for part in parts if part.function_call]
    feedback, usage = event.prompt_feedback, event.usage_metadata
    return Reading(
        text=answer.text + "".join(part.text for part in parts if part.text and not part.thought),
        thinking=answer.thinking + "".join(part.text for part in parts if part.text and part.thought),
        signatures=answer.signatures + tuple(part.thought_signature for part in parts if part.thought_signature),
        tool_calls=answer.tool_calls + tuple((call.id, call.name, call.args) for call in calls),
        finish_reason=candidate.finish_reason.value if candidate and candidate.finish_reason else answer.finish_reason,
        usage=_counts(usage) if usage else answer.usage,
        model=event.model_version or answer.model,
        blocked=feedback.block_reason.value if feedback and feedback.block_reason else answer.blocked,
    )


def _counts(usage: GenerateContentResponseUsageMetadata) -> tuple[int | None, ...]:
    return (
        usage.prompt_token_count,
        usage.candidates_token_count,
        usage.total_token_count,
        usage.cached_content_token_count,
        usage.thoughts_token_count,
    )


# What we make of it.


async def asked(wire: bytes) -> tuple[list[gestura.StreamChunk], gestura.StreamStatistics, Reading]:
    """What comes of an answer: chunks and statistics of the public client, and the official reading."""
    pieces = [wire[start : start + READ_BYTES] for start in range(0, len(wire), READ_BYTES)]
    response = head(Content_Type="text/event-stream", Transfer_Encoding="chunked", Connection="close")

    async def replay(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(response, *map(chunk, pieces), chunk(b""))
        await peer.wait_gone()

    async with serve(replay) as server:
        official = await trio.to_thread.run_sync(read_officially, server.url, abandon_on_cancel=True)
        provider = ProviderSettings(kind="gemini", model="m", base_url=server.url)
        config = gestura.StreamingConfig(
            primary="gemini", providers={"gemini": provider}, retry=gestura.RetryPolicy(max_attempts=1)
        )
        async with gestura.open_client(config) as client, client.stream("Hi") as stream:
            return [each async for each in stream], stream.statistics(), official


def reading(chunks: list[gestura.StreamChunk], wire: bytes) -> Reading:
    """Our chunks as a reading. An id that is not in the bytes was made up."""
    *said, ending = chunks
    assert isinstance(ending, Done | Error)
    answer = collect([*said, ending if isinstance(ending, Done) else Done(usage=ending.usage)])
    ids = [call.id for call in answer.tool_calls]
    assert len(ids) == len(set(ids))
    usage = ending.usage
    blocked = isinstance(ending, Error) and "the prompt was blocked" in ending.message
    return Reading(
        text=answer.text,
        thinking=answer.thinking,
        # The package decodes the seals, which we hand on as they came.
        signatures=tuple(base64.urlsafe_b64decode(each.signature) for each in said if isinstance(each, Signature)),
        tool_calls=tuple(
            (call.id if f'"{call.id}"'.encode() in wire else None, call.name, json.loads(call.arguments))
            for call in answer.tool_calls
        ),
        finish_reason=answer.done.provider_finish_reason,
        usage=usage
        and (
            usage.input_tokens,
            usage.output_tokens,
            usage.total_tokens,
            usage.cached_input_tokens,
            usage.reasoning_tokens,
        ),
        model=answer.done.model,
        blocked=ending.code if blocked else None,
        error=ending.message.rpartition("streamGenerateContent: ")[2]
        if isinstance(ending, Error) and not blocked
        else None,
    )


def differences(ours: Reading, theirs: Reading) -> set[str]:
    """In which fields they differ, of those that both can tell: an `Error` has no finish reason and no model."""
    return ours.differs_from(theirs) - ({"finish_reason", "model"} if ours.error or ours.blocked else set())


async def test_the_official_package_reads_the_same(recording):
    """Text, thinking, signatures, tool calls, finish reason, usage, model and failures equal what `google-genai` reads.

    There is no recording on which the two differ. Nothing is strange but a finish reason that Google does not have.
    """
    wire = recording.read()
    chunks, statistics, official = await asked(wire)
    strange = {Oddity.UNKNOWN_FINISH_REASON: 1} if "finish_FAKE_ENUM" in recording.manifest["features"] else {}

    assert set() == differences(reading(chunks, wire), official)
    assert strange == statistics.oddities


def event(*parts: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    return framed({"candidates": [candidate | ({"finishReason": finish} if finish else {})], **fields})


def framed(payload: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(payload)}\r\n\r\n".encode()


def said(text: str) -> dict[str, Any]:
    return {"text": text}


BEGINNING = event(said("Hel"))
END = event(said("lo"), finish="STOP")
OTHER = {"index": 1, "content": {"parts": [said("Bye")]}}
ANSWER = Reading(text="Hello", finish_reason="STOP")
BEGUN = Reading(text="Hel")
OVERLOADED = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
UNFRAMED = json.dumps(OVERLOADED, indent=2).encode()
BROKEN = "UnknownApiResponseError"
TRUNCATED = "the stream ended before the answer did"


@pytest.mark.parametrize(
    ("wire", "ours", "theirs"),
    [
        (BEGINNING + END, ANSWER, ANSWER),
        (BEGINNING + END.rstrip(), ANSWER, ANSWER),
        ((BEGINNING + END).replace(b"\r\n", b"\r"), ANSWER, ANSWER),
        (event(said("Hel"), {"hologram": {}}) + END, ANSWER, ANSWER),
        (BEGINNING + framed(OVERLOADED), attrs.evolve(BEGUN, error="Overloaded."), None),
        (BEGINNING + UNFRAMED, attrs.evolve(BEGUN, error="Overloaded."), None),
        (UNFRAMED, Reading(error="Overloaded."), None),
        (framed({"promptFeedback": {"blockReason": "OTHER"}}), Reading(blocked="OTHER"), None),
        (BEGINNING, attrs.evolve(BEGUN, error=TRUNCATED), BEGUN),
        (
            BEGINNING + framed({**OVERLOADED, "modelVersion": "m"}).replace(b'{"error', b'{"x": 1, "error'),
            attrs.evolve(BEGUN, error="Overloaded."),
            attrs.evolve(BEGUN, model="m"),
        ),
        (
            event(said("Hel"), finish="STOP")[:-2] + UNFRAMED,
            attrs.evolve(BEGUN, error="Overloaded."),
            Reading(error="Overloaded."),
        ),
        (BEGINNING + b": still there\r\n\r\n" + END, ANSWER, attrs.evolve(BEGUN, error=BROKEN)),
        (BEGINNING + END.replace(b"data: ", b"data:"), ANSWER, attrs.evolve(BEGUN, error=BROKEN)),
        (b"event: message\r\n" + BEGINNING + END, ANSWER, Reading(error=BROKEN)),
        (b"\xef\xbb\xbf" + BEGINNING + END, ANSWER, Reading(error=BROKEN)),
        (BEGINNING + END + b"data: [DONE]\r\n\r\n", ANSWER, attrs.evolve(ANSWER, error=BROKEN)),
        (
            framed({"candidates": [OTHER, {"index": 0, "content": {"parts": [said("Hel")]}}]}) + END,
            ANSWER,
            attrs.evolve(ANSWER, text="Byelo"),
        ),
        (
            event({"functionCall": {"name": "f"}}, finish="STOP"),
            Reading(tool_calls=((None, "f", {}),), finish_reason="STOP"),
            Reading(tool_calls=((None, "f", None),), finish_reason="STOP"),
        ),
        (
            event({"text": 5}) + BEGINNING + END,
            ANSWER,
            Reading(error="ValidationError"),
        ),
    ],
    ids=[
        "plain",
        "no blank line",
        "CR",
        "unknown part",
        "error",
        "unframed error",
        "error at once",
        "blocked prompt",
        "cut off",
        "error behind another field",
        "unframed error inside an event",
        "comment",
        "no space",
        "named event",
        "BOM",
        "DONE",
        "second candidate first",
        "call without arguments",
        "field of another type",
    ],
)
async def test_what_the_recordings_lack(wire, ours, theirs):
    """Where the two readings differ, ours is the one that the standard, the end of the answer, or safety asks for."""
    chunks, _, official = await asked(wire)
    got = reading(chunks, wire)

    assert (theirs or ours) == official
    assert differences(ours, got) <= {"error"}
    assert (ours.error or "") in (got.error or "")
    assert bool(ours.error) == bool(got.error)


# The same bytes without a network.


def make_stages() -> Stage[bytes, Any]:
    provider = Gemini(ProviderSettings(kind="gemini", model="m"))
    return fuse(*(actor.stage for actor in stage_actors(provider, Limits())))


def test_every_recording_ends_as_its_provider_ended_it(recording):
    """The finish reason is the one that the manifest lets expect; what failed has a fault, all else is complete."""
    pieces = run_inline(make_stages(), [[recording.read()]])
    features = set(recording.manifest["features"])
    faults = [piece for piece in pieces if isinstance(piece, Fault)]
    expected = FinishReason.TOOL_CALLS if "function_call" in features else FinishReason.STOP
    for feature, reason in FINISHES.items():
        expected = reason if feature in features else expected

    assert bool(features & {"error_midstream_unframed", "prompt_blocked"}) == bool(faults)
    assert ([] if faults else [expected]) == [piece.reason for piece in pieces if isinstance(piece, Finish)]
    assert ([] if faults else [pieces[-1]]) == [piece for piece in pieces if isinstance(piece, Terminal)]
    assert [] == [piece for piece in pieces if isinstance(piece, Anomaly)]
    assert sum(isinstance(piece, ToolCallStart) for piece in pieces) == sum(
        isinstance(piece, ToolCallEnd) for piece in pieces
    )


FINISHES = {
    "finish_MAX_TOKENS": FinishReason.LENGTH,
    "finish_SAFETY": FinishReason.CONTENT_FILTER,
    "finish_RECITATION": FinishReason.CONTENT_FILTER,
    "finish_FAKE_ENUM": FinishReason.OTHER,
}


@pytest.mark.parametrize("read_bytes", [1, 7, 1021])
def test_cuts_do_not_matter(recording, read_bytes):
    """A recording read in pieces of any size gives the same chunks."""
    wire = recording.read()

    assert check_stage(make_stages, wire, range(read_bytes, len(wire), read_bytes))


def test_no_cut_matters(recordings):
    """A small recording, cut in two at any place, gives the same chunks."""
    small = [each.read() for each in recordings("gemini") if each.path.stat().st_size < SMALL_BYTES]

    assert all(check_stage(make_stages, wire) for wire in small)
    assert small


async def test_the_official_package_understands_the_simulator():
    """What the voice says of text, thoughts, calls and counts is what `google-genai` reads over HTTP."""
    steps = (Thinking("Hm. "), Text("It is "), Text("sunny."), ToolCall("c1", "f", '{"a": [1, {}]}'), ToolCall("", "g"))
    usage = TokenUsage(input_tokens=7, output_tokens=5, total_tokens=15, cached_input_tokens=4, reasoning_tokens=3)
    async with open_simulator([Scenario(model="m", steps=steps, usage=usage)]) as simulator:
        official = await trio.to_thread.run_sync(read_officially, simulator.url, abandon_on_cancel=True)

    assert official == Reading(
        text="It is sunny.",
        thinking="Hm. ",
        tool_calls=(("c1", "f", {"a": [1, {}]}), (None, "g", {})),
        finish_reason="STOP",
        usage=(7, 5, 15, 4, 3),
        model="m",
    )


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "a b?c#d%41é:e+f&g", "tunedModels/t 1"])
async def test_the_model_arrives_as_it_was_named(model):
    """Whatever characters a model's name has, the server finds it in the path; the key is in no part of the URL."""
    async with open_simulator([Scenario(model=model, steps=(Text("Here."),))]) as simulator:
        provider = ProviderSettings(kind="gemini", model=model, base_url=simulator.url, api_key="canary")
        config = gestura.StreamingConfig(primary="gemini", providers={"gemini": provider})
        async with gestura.open_client(config) as client:
            answer = await client.ask("Hi")
    (request,) = simulator.requests

    assert ("Here.", model) == (answer.text, answer.done.model)
    assert "canary" not in request.path
    assert "canary" == request.headers["x-goog-api-key"]


async def test_the_simulator_fails_as_the_official_package_expects():
    """A model that is not there and an error in the stream are told where the package looks for the message."""
    async with open_simulator([Scenario(model="m", steps=(Text("one"), StreamError("Lost.")))]) as simulator:
        lost = await trio.to_thread.run_sync(read_officially, simulator.url, abandon_on_cancel=True)
    async with open_simulator([Scenario(model="other")]) as simulator:
        absent = await trio.to_thread.run_sync(read_officially, simulator.url, abandon_on_cancel=True)

    assert Reading(text="one", model="m", error="Lost.") == lost
    assert "does not exist" in absent.error
