"""`reasoning_details`: the entries that gateways send in pieces go back whole, in their order, as they were."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from gestura.answer import collect
from gestura.chat_dialect import ChatDialect
from gestura.chunks import Done, StreamChunk
from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.messages import tool_result, user
from gestura.parts import ThinkingPart
from gestura.providers.openai_chat import OpenAIChat
from gestura.testing.replay import replay

GATEWAY = OpenAIChat(
    ProviderSettings(kind="openai_chat", model="m", dialect=ChatDialect(reasoning_returned_in="reasoning_details"))
)
Entry = dict[str, Any]


def spoken(text: str | None = None, index: int = 0, **fields: Any) -> Entry:
    return {"type": "reasoning.text", "index": index, **({} if text is None else {"text": text}), **fields}


def summed(text: str, **fields: Any) -> Entry:
    return {"type": "reasoning.summary", "index": 0, "summary": text, **fields}


def sealed(data: str, **fields: Any) -> Entry:
    return {"type": "reasoning.encrypted", "index": 0, "data": data, **fields}


CALL = {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "look_up", "arguments": "{}"}}]}


def heard(*deltas: Entry, end: bytes = b"data: [DONE]\n\n") -> list[StreamChunk]:
    """The chunks of an answer of these deltas."""
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return list(replay([*(f"data: {json.dumps(event)}\n\n".encode() for event in events), end], GATEWAY))


def sent_back(chunks: list[StreamChunk]) -> list[Entry]:
    """The entries in the request of the next turn."""
    answer = collect(chunks)
    results = [tool_result(call, "7 °C") for call in answer.tool_calls]
    request = Request(messages=[user("Hi"), answer, *results, user("Go on.")])
    message = json.loads(GATEWAY.ask(request).body)["messages"][1]
    return message.get("reasoning_details", [])


@pytest.mark.parametrize(
    ("pieces", "entries"),
    [
        ([spoken("It "), spoken("is."), spoken("", signature="s")], [spoken("It is.", signature="s")]),
        ([spoken("It", signature=""), spoken(" is.", signature="s")], [spoken("It is.", signature="s")]),
        ([spoken("It", format=None), spoken(" is.", format="f")], [spoken("It is.", format="f")]),
        (
            [spoken("a", signature="s"), spoken("b", signature="t")],
            [spoken("a", signature="s"), spoken("b", signature="t")],
        ),
        ([spoken("a"), spoken("b", index=1)], [spoken("a"), spoken("b", index=1)]),
        ([spoken("a", id="1"), spoken("b", id="2")], [spoken("a", id="1"), spoken("b", id="2")]),
        ([summed("So"), summed("."), sealed("x")], [summed("So."), sealed("x")]),
        ([sealed("x", id="c1"), sealed("y", id="c1")], [sealed("x", id="c1"), sealed("y", id="c1")]),
        ([spoken(signature="s")], [spoken("", signature="s")]),
        ([{"type": "reasoning.new", "data": "x"}], [{"type": "reasoning.new", "data": "x"}]),
    ],
)
@pytest.mark.parametrize("rest", [{"content": "Hello."}, {"refusal": "No."}, CALL])
@pytest.mark.parametrize("at_once", [False, True])
def test_pieces_become_entries(pieces, entries, rest, at_once):
    """Pieces of one type, index and id are one entry until it is signed, in one event or several."""
    deltas = [{"reasoning_details": pieces}] if at_once else [{"reasoning_details": [piece]} for piece in pieces]

    assert entries == sent_back(heard(*deltas, rest))


def test_an_entry_may_come_behind_the_answer():
    """What follows a tool call is sent back, too; its place among the entries is kept."""
    after = [{"content": "Hm."}, {"reasoning_details": [spoken("a")]}, CALL, {"reasoning_details": [sealed("x")]}]

    assert [spoken("a"), sealed("x")] == sent_back(heard(*after))


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(b"data: [DONE]\n\n", id="the marker"),
        pytest.param(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', id="a finish reason"),
    ],
)
def test_the_end_of_an_answer_ends_an_entry(end):
    """An entry that nothing follows is whole."""
    assert [sealed("x")] == sent_back(heard({"content": "a"}, {"reasoning_details": [sealed("x")]}, end=end))


def test_thinking_shows_what_the_entries_show():
    """The parts of the answer have the entries' texts, and stand where they stood; what is encrypted shows nothing."""
    chunks = heard({"reasoning_details": [summed("So."), sealed("x")]}, {"content": "Hello."})
    parts = [(type(part), part.text, getattr(part, "redacted", False)) for part in collect(chunks).parts]

    assert [(ThinkingPart, "So.", False), (ThinkingPart, "", True)] == parts[:2]


def test_every_recorded_entry_is_sent_back(recordings):
    """Of every recorded answer with entries, each is sent back as it was, its pieces joined."""
    answers = {each.path.stem: each.read() for each in recordings("openai_chat") if b"reasoning_details" in each.read()}
    read = {name: list(replay([wire], GATEWAY)) for name, wire in answers.items()}
    whole = {name: chunks for name, chunks in read.items() if isinstance(chunks[-1], Done)}

    assert {name: joined(answers[name]) for name in whole} == {name: sent_back(each) for name, each in whole.items()}
    assert 8 <= sum(map(bool, map(sent_back, whole.values())))


def joined(wire: bytes) -> list[Entry]:
    """The entries of a recorded answer, put together without haste."""
    events = [json.loads(line[5:]) for line in wire.splitlines() if line.startswith(b"data: {")]
    deltas = [choice["delta"] for event in events for choice in event.get("choices", ())]
    pieces = [piece for delta in deltas for piece in delta.get("reasoning_details") or ()]
    entries: list[Entry] = []
    for before, piece in pairwise([{}, *pieces]):
        if before.get("type") != piece["type"] or before.get("index") != piece.get("index"):
            entries.append({})
        for name, value in piece.items():
            if name in ("text", "summary"):
                entries[-1][name] = entries[-1].get(name, "") + value
            elif value or name not in entries[-1]:
                entries[-1][name] = value
    return entries
