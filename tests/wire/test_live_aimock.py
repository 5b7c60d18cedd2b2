"""aimock, a mock of many model servers by CopilotKit: answers that we write and bytes that it writes, over real HTTP.

Each answer is a fixture, found by what the user says. Only here does somebody else's server speak Ollama and Gemini.
Its Ollama tells reasoning under another name than Ollama does, so that is not asked for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from live_peers import find_peer, open_client, read, running, text_of

import gestura

TEXT = "The sky scatters blue light — and red light 🌅 goes on."
THOUGHT = "Which of the colours is scattered most?"
CALLS = [("get_weather", {"city": "Zürich", "days": 3}), ("get_time", {})]

MODELS = {
    "openai_chat": "deepseek-reasoner",  # aimock lets the models reason of which it knows that they do
    "openai_responses": "o3",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "ollama": "qwen3",
}
PATIENT = ["gemini", "ollama"]  # each waits for a second; llmock has the other wire formats wait
in_each_wire_format = pytest.mark.parametrize("kind", MODELS)


def fixture(said: str, response: dict[str, Any], **further: Any) -> dict[str, Any]:
    """An answer in pieces of six characters, 5 ms apart: at 0 ms, aimock sends nothing of a stream that it cuts."""
    match = {"userMessage": said, **further.pop("match", {})}
    return {"match": match, "response": response, "chunkSize": 6, "latency": 5, **further}


TOOL_CALLS = [{"name": name, "arguments": arguments} for name, arguments in CALLS]
BUSY = {"error": {"message": "Slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 1}
FIXTURES = [
    fixture("Say it", {"content": TEXT}),
    fixture("Think first", {"content": TEXT, "reasoning": THOUGHT}),
    fixture("Call", {"toolCalls": TOOL_CALLS}),
    fixture("Do both", {"content": TEXT, "toolCalls": TOOL_CALLS}),
    fixture("Break off", {"content": TEXT}, truncateAfterChunks=6),
    *(
        fixture(f"Busy {kind}", response, match={"sequenceIndex": index})
        for kind in PATIENT
        for index, response in enumerate([BUSY, {"content": TEXT}])
    ),
]


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's URL."""
    node = shutil.which("node") or pytest.skip("aimock needs Node.js, which is not installed here")
    program = find_peer("aimock", "node_modules/@copilotkit/aimock/dist/cli.js")
    fixtures = tmp_path_factory.mktemp("aimock") / "fixtures.json"
    fixtures.write_text(json.dumps({"fixtures": FIXTURES}))
    with running(node, program, "--port", "0", "--fixtures", str(fixtures), "--validate-on-load", "--strict") as line:
        yield line.split()[-1]


def at(url: str, kind: str, **headers: str) -> gestura.ProviderSettings:
    return gestura.ProviderSettings(kind=kind, model=MODELS[kind], api_key="any", base_url=url, headers=headers)


@in_each_wire_format
async def test_text(aimock: str, kind: str) -> None:
    """The text comes whole, in the pieces in which it was sent, whatever they cut apart."""
    async with open_client(at(aimock, kind)) as client:
        *pieces, done = await read(client, "Say it")

    assert {gestura.Text} == {type(piece) for piece in pieces}
    assert len(pieces) > 5
    assert TEXT == text_of(pieces)
    assert isinstance(done, gestura.Done), done
    assert gestura.FinishReason.STOP is done.finish_reason


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "ollama"])
async def test_thinking(aimock: str, kind: str) -> None:
    """Reasoning is told apart from the text, and comes before it."""
    async with open_client(at(aimock, kind)) as client:
        chunks = await read(client, "Think first")

    said = [type(chunk) for chunk in chunks if isinstance(chunk, gestura.Thinking | gestura.Text)]
    assert sorted(said, key=[gestura.Thinking, gestura.Text].index) == said
    assert THOUGHT == "".join(chunk.text for chunk in chunks if isinstance(chunk, gestura.Thinking))
    assert TEXT == text_of(chunks)


@in_each_wire_format
@pytest.mark.parametrize(("said", "text"), [("Call", ""), ("Do both", TEXT)], ids=["alone", "after text"])
async def test_tool_calls(aimock: str, kind: str, said: str, text: str) -> None:
    """Two calls of one answer come with the arguments that were meant, none included, each under an id of its own."""
    async with open_client(at(aimock, kind)) as client:
        answer = await client.ask(said)

    assert CALLS == [(call.name, json.loads(call.arguments)) for call in answer.tool_calls]
    assert len({call.id for call in answer.tool_calls}) == len(CALLS)
    assert text == answer.text
    # aimock's Gemini says FUNCTION_CALL, which is none of Google's words: it is passed on as it is.
    assert (kind == "gemini") is (answer.done.provider_finish_reason == "FUNCTION_CALL")
    expected = gestura.FinishReason.OTHER if kind == "gemini" else gestura.FinishReason.TOOL_CALLS
    assert expected is answer.done.finish_reason


@in_each_wire_format
@pytest.mark.parametrize(
    ("fault", "kind_of_error", "status"),
    [
        ("drop", gestura.ErrorKind.SERVER, 500),
        ("disconnect", gestura.ErrorKind.CONNECTION, None),
        ("ratelimit", gestura.ErrorKind.RATE_LIMITED, 429),
    ],
)
async def test_faults(aimock: str, kind: str, fault: str, kind_of_error: gestura.ErrorKind, status: int | None) -> None:
    """What goes wrong before an answer is told as what it is, in one `Error` and nothing else."""
    async with open_client(at(aimock, kind, **{f"x-aimock-chaos-{fault}": "1"})) as client:
        [ending] = await read(client, "Say it")

    assert isinstance(ending, gestura.Error), ending
    assert (kind_of_error, status) == (ending.kind, ending.status)


@in_each_wire_format
async def test_an_answer_that_is_no_stream(aimock: str, kind: str) -> None:
    """Half a JSON object instead of a stream is the server's fault; where lines are streamed, it is half a line."""
    async with open_client(at(aimock, kind, **{"x-aimock-chaos-malformed": "1"})) as client:
        [ending] = await read(client, "Say it")

    assert isinstance(ending, gestura.Error), ending
    expected = gestura.ErrorKind.TRUNCATED if kind == "ollama" else gestura.ErrorKind.PROTOCOL
    assert expected is ending.kind


@in_each_wire_format
async def test_a_connection_that_breaks(aimock: str, kind: str) -> None:
    """What came before the break stands, and the ending tells that the answer is not whole."""
    async with open_client(at(aimock, kind)) as client:
        *pieces, ending = await read(client, "Break off")

    assert TEXT.startswith(text_of(pieces))
    assert isinstance(ending, gestura.Error), ending
    assert gestura.ErrorKind.CONNECTION is ending.kind
    assert ending.retryable


@pytest.mark.parametrize("kind", PATIENT)
async def test_a_rate_limit_is_waited_for(aimock: str, kind: str) -> None:
    """A second attempt follows after what `Retry-After` tells, and is answered."""
    eager = gestura.RetryPolicy(max_attempts=2, initial_delay=0.0)
    async with open_client(at(aimock, kind), retry=eager) as client:
        retry, *pieces, done = await read(client, f"Busy {kind}")

    assert isinstance(retry, gestura.RetryAttempt), retry
    assert 1000 == retry.delay_ms
    assert TEXT == text_of(pieces)
    assert isinstance(done, gestura.Done), done
