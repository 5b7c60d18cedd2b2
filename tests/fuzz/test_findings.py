"""What fuzzing found, once each: an input that broke a law, and what it must do since."""

from __future__ import annotations

import json

import pytest
from laws import KINDS, SMALL, chunks_of, obey
from seeds import spoken

from gestura.chunks import Done, Error, TokenUsageUpdate
from gestura.errors import ErrorKind
from gestura.limits import Limits
from gestura.providers._responses_items import LONGEST_ID
from gestura.usage import MOST_TOKENS

COUNTS = {
    "openai_chat": '"prompt_tokens": 12',
    "openai_responses": '"input_tokens":12',
    "anthropic": '"input_tokens":12',
    "gemini": '"promptTokenCount": 12',
    "ollama": '"prompt_eval_count":12',
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "count", [10**400, MOST_TOKENS + 1, 2**64, -1, -(10**30)], ids=["googol", "many", "64 bits", "minus one", "few"]
)
def test_a_count_that_can_t_be_one_is_none(kind: str, count: int) -> None:
    """Tokens beyond any answer, or fewer than none: it ended the stream with `OverflowError`, as an internal error.

    Such a count is passed over; the others stand, and so does the answer.
    """
    name, _, _ = COUNTS[kind].partition(":")
    wire = spoken(kind)[0].decode()
    pattern = next(form for form in (COUNTS[kind], COUNTS[kind].replace(": ", ":")) if form in wire)
    *_, ending = chunks = obey(kind, wire.replace(pattern, f"{name}:{count}").encode())

    assert isinstance(ending, Done)
    assert ending.usage is not None
    assert ending.usage.input_tokens is None
    assert 7 == ending.usage.output_tokens
    assert 0 < len([chunk for chunk in chunks if isinstance(chunk, TokenUsageUpdate)])
    assert all(chunk.estimated_cost < 1 for chunk in chunks if isinstance(chunk, TokenUsageUpdate))


@pytest.mark.parametrize("kind", ["openai_chat", "ollama"])
def test_what_was_read_first_is_what_failed(kind: str) -> None:
    """An event that is no JSON, and then a line without end: which of the two was told depended on the cuts."""
    begin, end = (b"", b"\n") if kind == "ollama" else (b"data: ", b"\n\n")
    wire = begin + b"{oops" + end + begin + b"x" * 3000

    for where in ((), (8,), (20, 1000), tuple(range(0, len(wire), 7))):
        *_, ending = obey(kind, wire, where, limits=SMALL)

        assert isinstance(ending, Error)
        assert ErrorKind.PROTOCOL is ending.kind


def test_calls_of_which_nothing_is_told_are_counted() -> None:
    """Responses: fragments of nothing, each of another item, were remembered without end, and searched each time."""
    events = (
        {"type": "response.function_call_arguments.delta", "output_index": number, "delta": ""}
        for number in range(100_000)
    )
    reads = (f"data: {json.dumps(event)}\n\n".encode() for event in events)
    *_, ending = chunks_of("openai_responses", reads)

    assert isinstance(ending, Error)
    assert "max_tool_calls" in ending.message


def test_long_ids_of_calls_are_not_kept() -> None:
    """They count towards the limit on what waits, or are none."""
    limits = Limits(max_tool_argument_bytes=10_000)
    events = (
        {"type": "response.output_item.added", "output_index": number, "item": item}
        for number in range(20)
        for item in [{"type": "function_call", "call_id": f"{number}" * LONGEST_ID, "name": "f"}]
    )
    reads = (f"data: {json.dumps(event)}\n\n".encode() for event in events)
    *_, ending = chunks_of("openai_responses", reads, limits=limits)

    assert isinstance(ending, Error)
    assert "max_tool_argument_bytes" in ending.message


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_of_many_parts_is_not_parsed(kind: str) -> None:
    """Eight mebibytes of `{},` became half a gibibyte of objects."""
    begin, end = (b"", b"\n") if kind == "ollama" else (b"data: ", b"\n\n")
    wire = begin + b'{"x":[' + b"{}," * 3000 + b"1]}" + end
    *_, ending = obey(kind, wire, (99,), limits=Limits(max_json_parts=5000))

    assert isinstance(ending, Error)
    assert "max_json_parts" in ending.message
