"""A body of JSON is an answer where JSON was asked for, and a refusal where an event stream was."""

from __future__ import annotations

import pytest

import gestura
from gestura.chunks import Done, Error, Status, StreamChunk, Text
from gestura.config import ProviderSettings, StreamingConfig
from gestura.errors import ErrorKind
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

HI = b'{"message":{"role":"assistant","content":"Hi"},"done":false}\n'
END = b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n'
UNLOADED = b'{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"}'
ERROR = b'{"error":"boom"}\n'


async def chunks_of(kind: str, content_type: str, body: bytes, status: int = 200) -> list[StreamChunk]:
    """What the user receives but for statuses."""
    config = StreamingConfig(primary=kind, providers={kind: ProviderSettings(kind=kind, model="m")})
    script = ScriptedExchange(status=status, headers={"Content-Type": content_type}, body=[body])
    async with (
        gestura.open_client(config, transport=ScriptedTransport([script])) as client,
        client.stream("Hi") as stream,
    ):
        return [chunk async for chunk in stream if not isinstance(chunk, Status)]


@pytest.mark.parametrize(
    "content_type", ["application/x-ndjson", "application/json", "Application/JSON; charset=utf-8"]
)
@pytest.mark.parametrize(
    ("body", "text", "ending", "words"),
    [
        (HI + END, ["Hi"], Done, "stop"),
        (UNLOADED, [], Done, "unload"),
        (HI + ERROR, ["Hi"], Error, "Ollama /api/chat: boom"),
        (HI, ["Hi"], Error, "the stream ended before the answer did"),
    ],
)
async def test_lines_of_json_are_an_answer_under_either_name(content_type, body, text, ending, words):
    """Ollama's lines are read alike as NDJSON and as JSON, which proxies and answers of one line call themselves."""
    *chunks, last = await chunks_of("ollama", content_type, body)

    assert [Text(each) for each in text] == chunks
    assert isinstance(last, ending)
    assert words in (last.provider_finish_reason if isinstance(last, Done) else last.message)


@pytest.mark.parametrize(
    ("kind", "content_type", "body", "status", "message"),
    [
        ("ollama", "text/html", b"<html>", 200, "Ollama /api/chat HTTP 200: "),
        ("ollama", "application/json", b'{"error":"model \'m\' not found"}', 404, "HTTP 404: model 'm' not found"),
        ("openai_chat", "application/json", b'{"error":{"message":"no","type":"invalid_request_error"}}', 200, "no"),
    ],
)
async def test_a_page_an_error_status_and_unasked_json_are_refusals(kind, content_type, body, status, message):
    """What is no answer by its status or by its type ends the stream with the reason that it gives."""
    (error,) = await chunks_of(kind, content_type, body, status)

    assert isinstance(error, Error)
    assert message in error.message
    assert error.kind in (ErrorKind.BAD_REQUEST, ErrorKind.PROTOCOL)
    assert status == error.status
