"""A server on loopback that never stops: each limit ends its stream, with its own error, and memory stays bounded.

The defaults are measured, some in every run, all of them by `make hostile`, which tells what each took.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from ceiling import BASE, MEBIBYTE, ON_ITS_WAY, WEIGHTS, ceiling
from hypothesis import settings
from servers import CHUNKED_HEAD, Peer, chunk, head, serve

import gestura
from gestura._actors.read_ahead import READ_AHEAD_BYTES
from gestura.chunks import Error
from gestura.config import TransportName
from gestura.errors import ErrorKind
from gestura.limits import Limits


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def delta(**fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields}])


def call(index: int, arguments: str) -> bytes:
    return delta(tool_calls=[{"index": index, "function": {"name": "f", "arguments": arguments}}])


@attrs.frozen
class Endless:
    """What a server says for ever: `make` is given how often it was said."""

    make: Callable[[int], bytes]
    opening: bytes = b""

    async def __call__(self, peer: Peer) -> None:
        await peer.read_request()
        await peer.send(CHUNKED_HEAD + (chunk(self.opening) if self.opening else b""))
        number = 0
        while True:
            await peer.send(chunk(self.make(number)))
            number += 1


WIDE = "😀" + "x" * 60_000
"""Python holds each character of it at four bytes."""

FLOODS: dict[str, tuple[str, str, Endless]] = {
    "a line": ("max_frame_bytes", "a line", Endless(lambda _: b"x" * 60_000)),
    "a line in small pieces": ("max_frame_bytes", "a line", Endless(lambda _: b"x" * 4000)),
    "an event": ("max_frame_bytes", "an event", Endless(lambda _: b"data: " + WIDE.encode() + b"\n")),
    "depth": ("max_json_depth", "the nesting of an event's JSON", Endless(lambda _: b"data: " + b"[" * 999 + b"\n\n")),
    "parts": (
        "max_json_parts",
        "the number of parts of an event's JSON",
        Endless(lambda n: b"{}," * 20_000 + b"\n\n" * (n % 20 == 19), b'data: {"x":['),
    ),
    "an argument": (
        "max_tool_argument_bytes",
        "the arguments of a tool call",
        Endless(lambda n: call(0, WIDE) if n else call(0, "")),
    ),
    "arguments that wait": (
        "max_tool_argument_bytes",
        "the arguments of tool calls",
        Endless(lambda n: call(1 + n % 9, WIDE)),
    ),
    "calls": ("max_tool_calls", "the number of tool calls", Endless(lambda n: call(n, "{}"))),
    "an answer": ("max_answer_bytes", "the answer", Endless(lambda _: delta(content=WIDE))),
    "thinking": ("max_answer_bytes", "the answer", Endless(lambda _: delta(reasoning_content=WIDE))),
    "comments": ("max_body_bytes", "the body of the response", Endless(lambda _: b": " + b"x" * 60_000 + b"\n")),
    "events of nothing": ("max_body_bytes", "the body of the response", Endless(lambda _: event(padding=WIDE))),
}

DEFAULTS = attrs.evolve(Limits(), max_body_bytes=64 * MEBIBYTE, max_json_parts=50_000)
"""Two are lower than by default: a gibibyte would take its time, and so would parts while memory is traced."""

QUICK = ("a line", "depth", "an argument", "calls")
MEASURED = {name: flood for name, flood in FLOODS.items() if name in QUICK or settings().max_examples >= 1000}

SMALL = Limits(
    max_frame_bytes=2_000_000,
    max_json_depth=9,
    max_json_parts=2000,
    max_tool_argument_bytes=200_000,
    max_tool_calls=9,
    max_answer_bytes=200_000,
    max_body_bytes=6_000_000,
)


async def flood(server: Callable[[Peer], Any], limits: Limits, transport: TransportName) -> tuple[Error, int]:
    """How a stream of it ends, and how much memory it took."""
    async with serve(server) as where:
        provider = gestura.ProviderSettings(kind="openai_chat", model="m", base_url=where.url)
        config = gestura.StreamingConfig(
            primary="a",
            providers={"a": provider},
            limits=limits,
            transport=transport,
            retry=gestura.RetryPolicy(max_attempts=1),
        )
        async with gestura.open_client(config) as client:
            tracemalloc.start()
            try:
                async with client.stream("Hi") as stream:
                    async for _ in stream:
                        pass
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert isinstance(stream.ending, Error)
    return stream.ending, peak


@pytest.mark.parametrize(("setting", "what", "server"), FLOODS.values(), ids=FLOODS)
async def test_a_limit_ends_the_flood(setting: str, what: str, server: Endless, transport_name: TransportName) -> None:
    """Over each transport, the error says what was too much, and which setting would admit more."""
    ending, peak = await flood(server, SMALL, transport_name)

    assert ErrorKind.LIMIT is ending.kind
    assert f"{what} exceeds {getattr(SMALL, setting):,} ({setting})" in ending.message
    assert not ending.retryable
    assert peak < ceiling(SMALL)


@pytest.mark.parametrize(("setting", "what", "server"), MEASURED.values(), ids=MEASURED)
async def test_the_defaults_hold(setting: str, what: str, server: Endless) -> None:
    """With the limits that everybody has, memory stays below the share of each."""
    ending, peak = await flood(server, DEFAULTS, "thread")
    share = WEIGHTS.get(setting, 0) * getattr(DEFAULTS, setting)
    print(f"{setting} = {getattr(DEFAULTS, setting):,} of {what}: {peak / MEBIBYTE:.1f} MiB")  # noqa: T201

    assert f"{what} exceeds {getattr(DEFAULTS, setting):,} ({setting})" in ending.message
    assert peak < share + ON_ITS_WAY * READ_AHEAD_BYTES + BASE


async def test_a_page_of_an_error_is_read_to_its_limit(transport_name: TransportName) -> None:
    """An error whose body never ends is told at once, and costs no more than its limit."""

    async def refuse(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(head("500 Oops", Content_Type="text/html", Connection="close"))
        while True:
            await peer.send(b"<p>" * 20_000)

    ending, peak = await flood(refuse, Limits(), transport_name)

    assert 500 == ending.status
    assert peak < 4 * Limits().max_error_body_bytes + 2 * MEBIBYTE


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX\0: a\r\n\r\n",
        b"HTTP/1.1 200 " + b"OK" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
    ids=["500 fields", "a long field", "NUL in a value", "NUL in a name", "a long reason", "fields without end"],
)
async def test_a_head_beyond_its_limits_is_no_answer(head: bytes, transport_name: TransportName) -> None:
    """It is no HTTP, and no refusal by the provider either; nothing of it is kept."""

    async def answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(head)
        await peer.wait_gone()

    ending, peak = await flood(answer, Limits(), transport_name)

    assert (ErrorKind.CONNECTION, None) == (ending.kind, ending.status)
    assert peak < 2 * MEBIBYTE
