"""Invariant 8: no key appears in a repr, log line, exception, chunk, statistic or URL."""

from __future__ import annotations

import base64
import json
import logging
import re
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest
import trio
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from scripting import ANSWER, THRICE, answers, config, delta, event, provider, run_virtually, text
from trio.testing import MockClock

import gestura
from gestura.chunk_json import to_json
from gestura.config import ProviderSettings, Timeouts
from gestura.errors import ConfigError, StreamFailed, TransportError
from gestura.limits import Limits
from gestura.opentelemetry import OpenTelemetry
from gestura.providers import BUILTIN_PROVIDERS, Provider
from gestura.providers.openai_chat import OpenAIChat
from gestura.stages import Stage
from gestura.transport import HttpRequest
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport

KEY = "sk-Canary+1234567890"
HEADER = "Canary=in-a-header"
SECRETS = tuple(
    form
    for secret in (KEY, HEADER)
    for form in (secret, secret.lower(), quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("="))
)
"""As they are, as the name of a host has them, in a URL, and in base64."""

SECRET = {"api_key": KEY, "headers": {"X-Team": HEADER}}


def settings(name: str = "a", **changes: Any) -> ProviderSettings:
    return provider(name, **(SECRET | changes))


def error_body(**fields: Any) -> bytes:
    return json.dumps({"error": {"message": "no", **fields}}).encode()


class Crash(Exception):
    """A bug."""


class CrashingStage:
    """A stage with a bug, whose exception shows what the stage has seen."""

    def feed(self, batch: Sequence[Any]) -> list[Any]:
        raise Crash(f"can't read {batch!r}")

    def close(self) -> list[Any]:
        return []


class Buggy(OpenAIChat):
    """A provider of the user's, whose decoder crashes."""

    def decoder(self) -> Stage[Any, Any]:
        return CrashingStage()


class BuggyTransport:
    """A transport of the user's, whose exceptions show the request."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    @asynccontextmanager
    async def open(self, request: HttpRequest, *, on_connect: Callable[[], None]) -> Any:
        raise self._error(f"no connection with {dict(request.headers)}")
        yield


ECHOES: Mapping[str, ScriptedExchange] = {
    "a wrong key, repeated": answers(error_body(message=f"Incorrect API key provided: {KEY}."), status=401),
    "a code": answers(error_body(code=f"bad_{KEY}"), status=400),
    "a type": answers(error_body(type=KEY), status=400),
    "plain text": answers(f"who is {KEY}?".encode(), status=403),
    "a page": answers(f"<html>{KEY}</html>".encode(), status=502, headers={"Content-Type": "text/html"}),
    "a request id": answers(error_body(), status=400, headers={"x-request-id": f"id-{KEY}"}),
    "a redirect": answers(status=302, headers={"Location": f"https://elsewhere.example/?key={KEY}"}),
    "a redirect to a host": answers(status=302, headers={"Location": f"https://{KEY}.example/"}),
    "a refusal that is retried": answers(error_body(message=f"slow down, {KEY}"), status=429),
    "an overflow": answers(error_body(message=f"{KEY}: maximum context length is 5 tokens"), status=400),
    "an error in the stream": answers(text("Hel"), event(error={"message": f"no more, {KEY}", "code": KEY})),
    "an error in the stream, as text": answers(event(error=f"no more, {KEY}")),
    "a URL": answers(error_body(message=f"GET /v1?key={quote(KEY, safe='')} is not allowed"), status=405),
    "base64": answers(error_body(message=f"no such user: {base64.b64encode(KEY.encode()).decode()}"), status=401),
    "a header": answers(error_body(message=f"X-Team is {HEADER}"), status=400),
}
"""Servers that repeat what they were told."""

SILENT: Mapping[str, ScriptedExchange] = {
    "no connection": answers(connecting=[Break()]),
    "a broken connection": answers(text("Hel"), Break()),
    "a timeout": answers(Hang()),
    "a truncated answer": answers(text("Hel")),
    "garbage": answers(b"data: garbage\n\n"),
    "a limit": answers(b"data: " + b"x" * 2000),
    "an answer": answers(ANSWER),
}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def assert_tells_nothing(*things: object) -> None:
    """No secret in what `things` are written as."""
    for thing in things:
        for written in (repr(thing), str(thing)):
            assert not [secret for secret in SECRETS if secret in written], written[:500]


def assert_exception_tells_nothing(error: BaseException) -> None:
    """Nor in an exception, what it is chained to, and what a program writes that ends with it."""
    assert_tells_nothing(error, error.args, "".join(traceback.format_exception(error)))


def assert_locals_tell_nothing(error: BaseException) -> None:
    """Nor in the local variables of gestura's functions, which debuggers and some loggers write."""
    written = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert_tells_nothing(re.sub(r'  File "[^"]*/tests/[^"]*".*\n(?:    .*\n)*', "", written))


async def drive(
    transport: Any, made: Mapping[str, Callable[[ProviderSettings], Provider]] = MappingProxyType({}), **changes: Any
) -> list[object]:
    """All that a stream and a whole answer tell of themselves; their recording and their spans, too."""
    plain: dict[str, Any] = {
        "providers": {"a": settings("a"), "b": settings("b")},
        "limits": Limits(max_frame_bytes=1000),
        "timeouts": Timeouts(first_content=5, idle=5),
    }
    configured = config(**(plain | changes))
    told: list[object] = [configured, configured.providers["a"]]
    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    with tempfile.NamedTemporaryFile() as recording:
        told += await _drive(configured, transport, made, OpenTelemetry(tracer_provider=tracing), recording.name)
        told.append(recording.read().decode())
    tracing.shutdown()
    return [*told, *(span.to_json() for span in spans.get_finished_spans())]


async def _drive(
    configured: gestura.StreamingConfig,
    transport: Any,
    made: Mapping[str, Callable[[ProviderSettings], Provider]],
    observer: OpenTelemetry,
    recording: str,
) -> list[object]:
    told: list[object] = []
    async with gestura.open_client(configured, transport=transport, providers=made, observer=observer) as client:
        async with client.stream("Hi", raw=True, record=recording) as stream:
            chunks = [chunk async for chunk in stream]
            told += [client, stream, chunks, [to_json(chunk) for chunk in chunks], stream.statistics(), stream.ending]
        try:
            told.append(await client.ask("Hi"))
        except StreamFailed as error:
            assert_exception_tells_nothing(error)
            assert_locals_tell_nothing(error)
            told.append(error.ending)
    return told


@pytest.mark.parametrize("fallback", [(), ("b",)])
@pytest.mark.parametrize("exchange", [*ECHOES.values(), *SILENT.values()], ids=[*ECHOES, *SILENT])
def test_no_failure_tells_the_key(exchange: ScriptedExchange, fallback: tuple[str, ...], log: pytest.LogCaptureFixture):
    """Whatever a server repeats of it: not in chunks, their JSON, statistics, exceptions or logs; nor on a fallback."""
    transport = ScriptedTransport(lambda _: exchange)
    told = run_virtually(lambda: drive(transport, retry=THRICE, fallback=fallback))

    assert_tells_nothing(*told, *transport.exchanges, log.text)
    assert all(KEY not in exchange.request.url for exchange in transport.exchanges)


@pytest.mark.parametrize("error", [Crash, TransportError, OSError])
def test_a_transport_of_the_users_tells_nothing(error: type[Exception], log: pytest.LogCaptureFixture):
    """What it raises may hold headers; its words are not passed on with a key in them."""
    told = run_virtually(lambda: drive(BuggyTransport(error)))

    assert_tells_nothing(*told, log.text)


def test_a_stage_that_crashes_tells_nothing(log: pytest.LogCaptureFixture):
    """Its exception may hold what the server said, and the server may have said the key."""
    transport = ScriptedTransport(lambda _: answers(delta(content=KEY)))
    configured = {"a": settings(kind="buggy")}
    told = run_virtually(lambda: drive(transport, {"buggy": Buggy}, providers=configured, fused=False))

    assert_tells_nothing(*told, log.text)
    assert "the wire decoder crashed: Crash" in log.text


@pytest.mark.parametrize("kind", sorted(BUILTIN_PROVIDERS))
def test_no_provider_puts_the_key_where_it_is_shown(kind: str):
    """It goes into headers, which no repr shows; not into the URL, nor into the body."""
    made = BUILTIN_PROVIDERS[kind](ProviderSettings(kind=kind, model="m", api_key=KEY, headers={"X-Team": HEADER}))
    request = made.ask(gestura.Request.of("Hi"))

    assert_tells_nothing(made, request, request.url, request.body)
    assert any(KEY in value for value in request.headers.values()) or kind == "ollama"


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_that_can_not_be_one_is_not_shown(key: str):
    """The complaint about it does not repeat it."""
    with pytest.raises(ConfigError) as caught:
        ProviderSettings(kind="openai_chat", model="m", api_key=key)

    assert_exception_tells_nothing(caught.value)


async def test_an_exception_of_the_users_own_carries_no_key(autojump_clock: MockClock):
    """What leaves the block of a stream by the user's own exception shows nothing of the stream's."""

    async def leave() -> None:
        transport = ScriptedTransport(lambda _: answers(Hang()))
        async with (
            gestura.open_client(config(providers={"a": settings()}), transport=transport) as client,
            client.stream("Hi"),
        ):
            await trio.sleep(1)
            raise Crash("mine")

    with pytest.raises(Crash) as caught:
        await leave()

    assert_exception_tells_nothing(caught.value)
