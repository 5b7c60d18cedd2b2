"""llmock, a mock of many model servers by Julien Rabault: streams that break where we say, a verdict on the client.

It sends one word at a time, and keeps a journal of the requests it had. Its verdict goes by what a client does next:
one that takes a cut answer for a whole one is told from one that does not by the retry that it leaves out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
from live_peers import PATIENCE, fetch, find_peer, open_client, read, running, text_of

import gestura

SERVE = """
import sys
from llmock.testing import LLMockServer

with LLMockServer() as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
BREAKS_AFTER = 12  # events: with each API, some of them text and none of them the last
WORDS = " ".join(f"word{number}" for number in range(400))  # two seconds: a client that leaves has left before the end

PLACES = {
    "openai_chat": ("/v1", "gpt-4o"),
    "openai_responses": ("/v1", "gpt-5"),
    "anthropic": ("/anthropic/v1", "claude-sonnet-4-5"),
    "gemini": ("/gemini/v1beta", "gemini-2.5-flash"),
    "grok": ("/xai/v1", "grok-3"),
}
in_each_wire_format = pytest.mark.parametrize("kind", PLACES)

QUICK = gestura.RetryPolicy(initial_delay=0.1, jitter=0.0)


@attrs.frozen
class LLMock:
    """The running server."""

    url: str

    async def plan(self, *behaviours: dict[str, Any]) -> None:
        """What befalls the next requests, each of which uses up one behaviour of a type."""
        await fetch(f"{self.url}/_llmock/scenario", {"behaviors": behaviours}, method="POST")

    async def verdict(self) -> set[str]:
        """What it has against the client, by the codes of its findings."""
        verdict = await fetch(f"{self.url}/_llmock/verdict")
        return {finding["code"] for finding in verdict["findings"]}

    async def requests(self) -> list[dict[str, Any]]:
        """The requests that it had, oldest first."""
        journal = await fetch(f"{self.url}/_llmock/requests")
        requests: list[dict[str, Any]] = journal["requests"]
        return requests

    def provider(self, kind: str) -> gestura.ProviderSettings:
        path, model = PLACES[kind]
        return gestura.ProviderSettings(kind=kind, model=model, api_key="any", base_url=self.url + path)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's URL. Its events are 5 ms apart, so that those before a break have left when it comes."""
    python = find_peer("llmock", "bin/python")
    with running(python, "-c", SERVE, env={**os.environ, "LLMOCK_STREAM_CHUNK_DELAY_MS": "5"}) as url:
        yield url


@pytest.fixture
async def llmock(server: str) -> LLMock:
    """The server, which has forgotten earlier tests."""
    with trio.fail_after(20):
        await fetch(f"{server}/_llmock/reset", method="POST")
    return LLMock(server)


def broken(fault: str, **details: Any) -> dict[str, Any]:
    return {"type": "stream_fault", "kind": fault, "after_chunks": BREAKS_AFTER, **details}


def reply(text: str) -> dict[str, Any]:
    return {"type": "reply", "text": text, "times": None}


@in_each_wire_format
async def test_text(llmock: LLMock, kind: str) -> None:
    """The text comes whole and in pieces, with counts of tokens; the server has nothing against how it was fetched."""
    said = "Rayleigh scattering sends blue light all over the sky."
    async with open_client(llmock.provider(kind)) as client:
        await llmock.plan(reply(said))
        *pieces, done = await read(client, "Why is the sky blue?")

        assert {gestura.Text} == {type(piece) for piece in pieces}
        assert len(pieces) > 5
        assert said == text_of(pieces)
        assert isinstance(done, gestura.Done), done
        assert gestura.FinishReason.STOP is done.finish_reason
        assert done.usage is not None
        assert done.usage.parts().total > 0
        assert set() == await llmock.verdict()


@in_each_wire_format
async def test_a_tool_call(llmock: LLMock, kind: str) -> None:
    """A server that calls the tool it is offered, with arguments of its own making, has understood the offer."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris"]}, "days": {"type": "integer", "minimum": 3}},
        "required": ["city", "days"],
    }
    tool = gestura.Tool(name="get_weather", description="The weather of a city.", parameters=schema)
    request = gestura.Request(messages=(gestura.user("How is the weather?"),), tools=(tool,))
    async with open_client(llmock.provider(kind)) as client:
        answer = await client.ask(request)

    [call] = answer.tool_calls
    assert "get_weather" == call.name
    arguments = json.loads(call.arguments)
    assert {"city": "Paris", "days": max(3, arguments["days"])} == arguments
    assert gestura.FinishReason.TOOL_CALLS is answer.done.finish_reason


@in_each_wire_format
@pytest.mark.parametrize(
    ("fault", "kind_of_error"),
    [
        ("truncate", gestura.ErrorKind.TRUNCATED),
        ("disconnect", gestura.ErrorKind.CONNECTION),
        ("malformed", gestura.ErrorKind.PROTOCOL),
    ],
)
async def test_an_answer_that_breaks(llmock: LLMock, kind: str, fault: str, kind_of_error: gestura.ErrorKind) -> None:
    """An answer that ends early, even cleanly, or whose next event is no JSON, is not whole: what was shown of it
    stands, and the ending tells why there is no more. It is not asked for again behind the user's back."""
    async with open_client(llmock.provider(kind), retry=QUICK) as client:
        await llmock.plan(reply(WORDS), broken(fault))
        *pieces, ending = await read(client, "Why is the sky blue?")
        [request] = await llmock.requests()

    assert text_of(pieces)
    assert WORDS.startswith(text_of(pieces))
    assert isinstance(ending, gestura.Error), ending
    assert kind_of_error is ending.kind
    assert not request["completed"]


@in_each_wire_format
@pytest.mark.parametrize("fault", ["truncate", "disconnect"])
async def test_a_broken_answer_is_asked_for_anew(llmock: LLMock, kind: str, fault: str) -> None:
    """Where the user wants it so: what was shown is taken back, and the server sees a client that noticed the break."""
    said = " ".join(WORDS.split()[:20])
    async with open_client(llmock.provider(kind), retry=QUICK, after_output=gestura.AfterOutput.RESTART) as client:
        await llmock.plan(reply(said), broken(fault))
        chunks = await read(client, "Why is the sky blue?")

        [retry] = [chunk for chunk in chunks if isinstance(chunk, gestura.RetryAttempt)]
        assert retry.discard
        assert said == text_of(chunks[chunks.index(retry) :])
        assert isinstance(chunks[-1], gestura.Done), chunks[-1]
        assert 2 == len(await llmock.requests())
        assert set() == await llmock.verdict()


@in_each_wire_format
async def test_a_stream_that_stalls(llmock: LLMock, kind: str) -> None:
    """Silence longer than the user wants to wait ends the stream, and the server sees the client leave."""
    async with open_client(llmock.provider(kind), timeouts=gestura.Timeouts(idle=0.5)) as client:
        await llmock.plan(reply(WORDS), broken("stall", stall_seconds=PATIENCE))
        *pieces, ending = await read(client, "Why is the sky blue?")

        assert text_of(pieces)
        assert isinstance(ending, gestura.Error), ending
        assert gestura.ErrorKind.TIMEOUT is ending.kind
        [request] = await llmock.requests()
        assert not request["completed"]
        assert set() == await llmock.verdict()


@in_each_wire_format
@pytest.mark.parametrize(
    "failure", [{"status": 429, "retry_after": 0.6}, {"status": 503}], ids=["rate limit", "overload"]
)
async def test_what_may_pass_is_tried_again(llmock: LLMock, kind: str, failure: dict[str, Any]) -> None:
    """Nothing was shown, so a second attempt follows, and not before the server wants it; the user sees one answer."""
    async with open_client(llmock.provider(kind), retry=QUICK) as client:
        await llmock.plan({"type": "fail", **failure}, reply("Blue light is scattered most."))
        chunks = await read(client, "Why is the sky blue?")

        assert [gestura.RetryAttempt, gestura.Text] == list(dict.fromkeys(map(type, chunks[:-1])))
        assert "Blue light is scattered most." == text_of(chunks)
        assert isinstance(chunks[-1], gestura.Done), chunks[-1]
        assert 2 == len(await llmock.requests())
        assert set() == await llmock.verdict()


@in_each_wire_format
@pytest.mark.parametrize(
    ("status", "kind_of_error"),
    [(400, gestura.ErrorKind.BAD_REQUEST), (401, gestura.ErrorKind.AUTHENTICATION)],
)
async def test_what_can_not_pass_is_not_tried_again(
    llmock: LLMock, kind: str, status: int, kind_of_error: gestura.ErrorKind
) -> None:
    """The server has one request, and the user its reason, in the words in which the server gave it."""
    async with open_client(llmock.provider(kind), retry=QUICK) as client:
        await llmock.plan({"type": "fail", "status": status, "message": "The sky has no colour."})
        [ending] = await read(client, "Why is the sky blue?")

        assert isinstance(ending, gestura.Error), ending
        assert (kind_of_error, status) == (ending.kind, ending.status)
        assert "The sky has no colour." in ending.message
        assert 1 == len(await llmock.requests())
        assert set() == await llmock.verdict()
