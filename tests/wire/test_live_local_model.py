"""A real model, answering live over real HTTP: llama.cpp and SmolLM2-135M, as `gestura.local` serves them.

So small a model says what it likes: what is checked is the structure of its answers, never the wording. It runs in a
process of its own, so that its sockets are not taken for ours. Skipped where its wheels are not installed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import attrs
import live_peers
import msgspec
import pytest
import trio
from live_peers import fetch, local_model, provider_of

import gestura
from gestura.local import LocalModel

ENDLESS = {"ignore_eos": True}  # llama.cpp's own: write on to the limit of tokens, whatever there is left to say
LONG = 1900  # tokens: half a minute of writing, and not more than the window holds
QUESTION = "Why is the sky blue?"

in_each_wire_format = pytest.mark.parametrize("kind", ["openai_chat", "openai_responses", "anthropic"])
# Responses has no stop sequences, and llama.cpp's does not tell an answer cut short from a complete one.
in_all_but_responses = pytest.mark.parametrize("kind", ["openai_chat", "anthropic"])


@pytest.fixture(scope="module")
def model() -> Iterator[LocalModel]:
    with local_model() as model:
        yield model


@asynccontextmanager
async def open_client(model: LocalModel, kind: str = "openai_chat", **changes: str) -> AsyncIterator[gestura.Client]:
    """A client of the model."""
    async with live_peers.open_client(provider_of(model, kind, **changes)) as client:
        yield client


def ask(prompt: str, *, extra: dict[str, bool] | None = None, **sampling: Any) -> gestura.Request:
    return gestura.Request(
        messages=(gestura.user(prompt),), sampling=gestura.Sampling(temperature=0.0, **sampling), extra=extra or {}
    )


async def count_busy_slots(model: LocalModel) -> int:
    """How many answers the server is writing, by its own account."""
    slots = await fetch(f"{model.url}/slots", api_key=model.api_key)
    return sum(slot["is_processing"] for slot in slots)


@in_each_wire_format
async def test_an_answer_comes_in_pieces(model: LocalModel, kind: str) -> None:
    """In each wire format that the server speaks there are pieces of text, then one `Done` with what they took."""
    request = ask(QUESTION, max_output_tokens=24)
    async with open_client(model, kind=kind) as client, client.stream(request) as stream:
        *pieces, done = [chunk async for chunk in stream]

    assert len([piece for piece in pieces if isinstance(piece, gestura.Text) and piece.text]) > 1
    assert {gestura.Text} == {type(piece) for piece in pieces} - {gestura.TokenUsageUpdate}
    assert isinstance(done, gestura.Done), done
    assert (model.model, "peer") == (done.model, done.provider)
    assert done.usage is not None
    written = done.usage.parts().output
    assert 24 >= written > 1
    assert done.usage.parts().total - written > len(QUESTION.split())


@attrs.frozen
class River:
    """A river."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Z][a-z]{2,8}$")]
    is_long: bool
    countries: Literal[1, 2, 3]


async def test_an_answer_has_the_shape_that_was_asked_for(model: LocalModel) -> None:
    """A server that reads the schema holds even so small a model to it; the object grows until it is an instance."""
    request = ask("Tell me of a river.", max_output_tokens=64)
    async with open_client(model) as client, client.stream(request, response_format=River) as stream:
        objects = stream.objects(River)
        keys = [tuple(partial) for partial in [dict(partial) async for partial in objects]]
        river = (await objects.collect()).value

    assert {(), ("name",), ("name", "is_long"), ("name", "is_long", "countries")} >= set(keys) > {()}
    assert isinstance(river, River)


@in_all_but_responses
async def test_the_limit_of_tokens_is_told(model: LocalModel, kind: str) -> None:
    """An answer that was cut short by the request's own limit says so, and has as many tokens as that."""
    async with open_client(model, kind=kind) as client:
        answer = await client.ask(ask(QUESTION, max_output_tokens=5, extra=ENDLESS))

    assert gestura.FinishReason.LENGTH is answer.done.finish_reason
    assert answer.done.usage is not None
    assert 5 == answer.done.usage.output_tokens


@in_all_but_responses
async def test_a_stop_sequence_stops(model: LocalModel, kind: str) -> None:
    """The answer ends before it, and is complete."""
    async with open_client(model, kind=kind) as client:
        answer = await client.ask(ask(QUESTION, max_output_tokens=50, stop=(" ",)))

    assert answer.text
    assert " " not in answer.text
    assert gestura.FinishReason.STOP is answer.done.finish_reason


async def test_leaving_early_frees_the_slot(model: LocalModel) -> None:
    """Text is there while the model writes; once the block is left, it stops writing what nobody will read."""
    async with open_client(model) as client:
        async with client.stream(ask(QUESTION, max_output_tokens=LONG, extra=ENDLESS)) as stream:
            assert isinstance(await anext(stream), gestura.Text)
            assert 1 == await count_busy_slots(model)

        with trio.fail_after(5):  # a sixth of what the answer would have taken
            while await count_busy_slots(model):  # noqa: ASYNC110  # there is no event to wait for
                await trio.sleep(0.05)


async def test_two_answers_at_a_time(model: LocalModel) -> None:
    """One client has a second question answered while the first answer still goes on."""
    endless = ask(QUESTION, max_output_tokens=LONG, extra=ENDLESS)
    async with open_client(model) as client, client.stream(endless) as first:
        assert isinstance(await anext(first), gestura.Text)
        second = await client.ask(ask("What is a river?", max_output_tokens=8))

        assert second.text
        assert 1 == await count_busy_slots(model)


@in_each_wire_format
async def test_a_prompt_longer_than_the_window_overflows(model: LocalModel, kind: str) -> None:
    """The stream is one `ContextOverflow`, which says how long the window is."""
    too_long = "word " * (model.context_window + 1)
    async with open_client(model, kind=kind) as client, client.stream(too_long) as stream:
        [ending] = [chunk async for chunk in stream]

    assert isinstance(ending, gestura.ContextOverflow), ending
    assert str(model.context_window) in ending.error_message


async def test_a_wrong_key_is_told(model: LocalModel) -> None:
    """The stream is one `Error` of kind `authentication`, which does not repeat the key."""
    async with open_client(model, api_key="wrong-key") as client, client.stream(QUESTION) as stream:
        [ending] = [chunk async for chunk in stream]

    assert isinstance(ending, gestura.Error), ending
    assert (gestura.ErrorKind.AUTHENTICATION, 401) == (ending.kind, ending.status)
    assert "wrong-key" not in ending.message
