"""A stream tells how full the context window is whenever it learns of new counts, and whose they are at its end."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

import gestura
from gestura._stream import CHUNKS_TO_THE_USER
from gestura.chunks import Done, Error, Text, TokenUsageUpdate
from gestura.config import ProviderSettings, StreamingConfig
from gestura.pricing import context_window, estimate_cost
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport
from gestura.usage import TokenUsageStatus


def sse(*events) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (event.get("type", "").encode(), _json(event)) for event in events)


def _json(event) -> bytes:
    return json.dumps(event).encode()


def chat(text: str = "", usage: dict[str, int] | None = None, model: str = "gpt-4o-2024-08-06"):
    choices = [{"index": 0, "delta": {"content": text}}] if text else []
    return {"model": model, "choices": choices, "usage": usage}


async def chunks_of(body: bytes, name: str = "openai", kind: str = "openai_chat", model: str = "gpt-4o", **settings):
    config = StreamingConfig(primary=name, providers={name: ProviderSettings(kind=kind, model=model, **settings)})
    transport = ScriptedTransport([ScriptedExchange(body=[body])])
    async with gestura.open_client(config, transport=transport) as client, client.stream("Hi") as stream:
        return [chunk async for chunk in stream]


DONE = b"data: [DONE]\n\n"


async def test_new_counts_are_told_once_and_before_the_ending():
    """Each change of the counts is told where it came; counts told again unchanged are not."""
    first, last = {"prompt_tokens": 100, "completion_tokens": 1}, {"prompt_tokens": 100, "completion_tokens": 9}
    body = sse(chat("Good ", first), chat("morning", first), chat("!", last), chat(usage=last)) + DONE
    *chunks, done = await chunks_of(body)
    kinds = [Text, TokenUsageUpdate, Text, Text, TokenUsageUpdate]

    assert kinds == [type(chunk) for chunk in chunks]
    assert [101, 109] == [chunk.estimated for chunk in chunks if isinstance(chunk, TokenUsageUpdate)]
    assert isinstance(done, Done)


@pytest.mark.parametrize(
    ("used", "percentage", "status"),
    [
        (89_599, 69, TokenUsageStatus.GREEN),
        (89_600, 70, TokenUsageStatus.YELLOW),
        (115_199, 89, TokenUsageStatus.YELLOW),
        (115_200, 90, TokenUsageStatus.RED),
        (330_240, 258, TokenUsageStatus.RED),
    ],
)
async def test_the_share_of_the_context_window(used, percentage, status):
    """Tokens used, of those the model holds, in whole percent, with its colour and what they cost."""
    counts = {"prompt_tokens": used - 1, "completion_tokens": 1, "total_tokens": used}
    *_, update, done = await chunks_of(sse(chat("Hi"), chat(usage=counts)) + DONE)

    assert isinstance(done, Done)
    assert done.usage is not None
    assert (
        TokenUsageUpdate(
            estimated=used,
            limit=context_window("openai", "gpt-4o"),
            percentage=percentage,
            status=status,
            estimated_cost=estimate_cost(done.usage),
        )
        == update
    )


@pytest.mark.parametrize(
    ("base_url", "model", "cost", "is_guessed"),
    [
        ("http://127.0.0.1:8000", "mine", 0.0, False),
        ("http://localhost/v1", "mine", 0.0, False),
        ("http://[::1]:8000", "gpt-4o", 2.50, False),  # of whoever stands behind it
        ("https://llm.example", "mine", 1.00, True),
        (None, "mine", 1.00, True),
    ],
)
async def test_what_runs_on_this_machine_costs_nothing(base_url, model, cost, is_guessed):
    """Unless it has a price; elsewhere, what has none is guessed."""
    body = sse(chat("Hi", model=model), chat(usage={"prompt_tokens": 1_000_000}, model=model)) + DONE
    *_, update, _done = await chunks_of(body, "openai", "openai_chat", model, base_url=base_url)

    assert isinstance(update, TokenUsageUpdate)
    assert (pytest.approx(cost), is_guessed) == (update.estimated_cost, update.is_cost_guessed)


async def test_caches_and_thoughts_fill_the_window():
    """What a provider counts beside input and output takes room as well."""
    start = {"model": "claude-haiku-4-5", "usage": {"input_tokens": 10, "cache_read_input_tokens": 2_000}}
    stop = {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
    body = sse(
        {"type": "message_start", "message": start},
        {"type": "message_delta", **stop},
        {"type": "message_stop"},
    )
    *updates, _done = await chunks_of(body, "anthropic", "anthropic")

    assert [2_010, 2_015] == [chunk.estimated for chunk in updates if isinstance(chunk, TokenUsageUpdate)]


@pytest.mark.parametrize(
    ("name", "kind", "provider"),
    [
        ("openai", "openai_chat", "openai"),
        ("groq", "openai_chat", "groq"),  # many servers speak it: the name tells which
        ("work", "openai", "openai"),
        ("work", "grok_chat", "grok"),
        ("grok", "grok", "grok"),
    ],
)
async def test_counts_say_whose_they_are(name, kind, provider):
    """`usage` names who counted and which model, though the configuration may call the provider what it likes."""
    *_, done = await chunks_of(sse(chat("Hi", {"prompt_tokens": 1})) + DONE, name, kind)

    assert isinstance(done, Done)
    assert done.usage is not None
    assert (provider, "gpt-4o-2024-08-06") == (done.usage.provider, done.usage.model)
    assert name == done.provider


async def test_the_model_asked_counts_where_none_is_told():
    """A server that does not name its model is taken at the request's word."""
    *_, done = await chunks_of(sse(chat("Hi", {"prompt_tokens": 1}, model="")) + DONE)

    assert isinstance(done, Done)
    assert done.usage is not None
    assert ("gpt-4o", None) == (done.usage.model, done.model)


async def test_a_failed_answer_tells_its_counts():
    """What was spent before a failure is told, with whose it is."""
    *_, error = await chunks_of(sse(chat("Hi", {"prompt_tokens": 7}), {"error": {"message": "down"}}))

    assert isinstance(error, Error)
    assert error.usage is not None
    assert (7, "openai") == (error.usage.input_tokens, error.usage.provider)


async def test_an_unread_update_is_given_up(autojump_clock: MockClock):
    """A user who falls behind loses updates, which are counted, and no text."""
    updates = (chat(usage={"prompt_tokens": 1, "completion_tokens": n}) for n in range(5))
    body = [*[sse(chat("x"))] * CHUNKS_TO_THE_USER, sse(*updates, chat("!")) + DONE]
    config = StreamingConfig(providers={"openai": ProviderSettings(kind="openai_chat", model="gpt-4o")})
    transport = ScriptedTransport([ScriptedExchange(body=body)])
    async with gestura.open_client(config, transport=transport) as client, client.stream("Hi") as stream:
        await trio.sleep(60)
        answer = await stream.collect()

    assert "x" * CHUNKS_TO_THE_USER + "!" == answer.text
    assert {"TokenUsageUpdate": 5} == stream.statistics().dropped
