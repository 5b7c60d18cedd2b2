"""The fault table over real sockets: a raw server does to each connection what the row says, in milliseconds.

A second of a row is a millisecond here, but for the deadline that is to pass, which leaves a busy machine the time to
do the rest. `test_fault_table_scripted.py` checks the same rows at their true length.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
import trio
from faults.row import Again, Meets, Row, Wire, check
from faults.table import rows
from servers import Peer, chunk, head, serve

import gestura
from gestura._actors import http_reader, policy
from gestura.config import TransportName
from gestura.transport.scripted import Break, Hang, Pause, Wait

SECOND = 0.001
"""How long a second of the rows is here."""

PASSES = 0.2
"""The deadline that passes, in seconds; the others are long enough never to."""

LONG = 15.0

KEY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def _seconds_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "RATE_LIMIT_FLOOR", policy.RATE_LIMIT_FLOOR * SECOND)
    monkeypatch.setattr(http_reader, "SECONDS_FOR_A_REASON", http_reader.SECONDS_FOR_A_REASON * 10 * SECOND)


@pytest.fixture(autouse=True)
def _no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that end in `.invalid` are not looked for in any network."""
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "not found")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


class FaultyServer:
    """Gives each request what the row has for it, the last one again and again."""

    def __init__(self, row: Row) -> None:
        self._meets = list(row.meets)
        self._waits = {chunk.seconds for chunk in row.chunks if isinstance(chunk, Again)}

    async def __call__(self, peer: Peer) -> None:
        match self._meets[0].wire:
            case Wire.SILENT_TLS:
                return await peer.wait_gone()
            case Wire.NO_TLS:
                return await peer.send(b"220 mail.example ESMTP\r\n")
        while True:
            await peer.read_request()
            meets = self._meets.pop(0) if len(self._meets) > 1 else self._meets[0]
            if not await self._answer(peer, meets):
                return None

    async def _answer(self, peer: Peer, meets: Meets) -> bool:
        """Whether the connection can be used again."""
        exchange, wire = meets.exchange, meets.wire
        if exchange.answering:
            [pause] = exchange.answering
            await _pause(peer, pause, wire)
            return False
        framing = _FRAMING.get(wire, CHUNKED)
        await peer.send(head(f"{exchange.status} Reason", **framing, **self._with_short_hints(exchange.headers)))
        for step in exchange.body:
            if isinstance(step, bytes):
                await peer.send(chunk(step) if framing is CHUNKED else step)
                continue
            await _pause(peer, step, wire)
            if not isinstance(step, Wait):
                return False
        if framing is CHUNKED:
            await peer.send(chunk(b""))
        return framing is CHUNKED

    def _with_short_hints(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Hints that are waited for are as short as the seconds here; the others stay as they are."""
        short = dict(headers)
        for name, unit in (("Retry-After", 1.0), ("retry-after-ms", 0.001)):
            with suppress(KeyError, ValueError):
                hint = float(headers[name]) * unit
                if hint in self._waits:
                    del short[name]
                    short["retry-after-ms"] = str(hint * 1000 * SECOND)
        return short


CHUNKED = {"Transfer-Encoding": "chunked"}
_FRAMING = {Wire.UNFRAMED: {"Connection": "close"}, Wire.SHORT: {"Content-Length": "100000"}}

_LAST_WORDS = {
    Wire.STALE: b"",
    Wire.NO_ANSWER: b"",
    Wire.CUT_OFF: b"",
    Wire.SHORT: b"",
    Wire.NO_HTTP: b"220 mail.example ESMTP\r\n\r\n",
    Wire.HUGE_HEAD: head(X_Huge="x" * 20_000),
    Wire.COMPRESSED: head(Content_Encoding="gzip", Content_Length="0"),
}
"""What is sent where the connection breaks, before it is closed; elsewhere it is reset."""


async def _pause(peer: Peer, pause: Pause, wire: Wire) -> None:
    match pause:
        case Wait(seconds):
            await trio.sleep(seconds * SECOND)
        case Hang() if wire is Wire.DRIPPING_HEAD:
            await _drip(peer)
        case Hang():
            await peer.wait_gone()
        case Break() if wire in _LAST_WORDS:
            await peer.send(_LAST_WORDS[wire])
        case Break():
            peer.reset()


async def _drip(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        await peer.send(b"x")
        await trio.sleep(PASSES / 20)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def config(row: Row, port: int, transport_name: TransportName) -> gestura.StreamingConfig:
    """As the row has it, with its provider where its server is, and its deadline a short one."""
    match row.meets[0].wire:
        case Wire.NO_HOST:
            base_url = "https://nobody.invalid/v1"
        case Wire.NO_PORT:
            base_url = f"http://127.0.0.1:{unused_port()}/v1"
        case Wire.NO_TLS | Wire.SILENT_TLS:
            base_url = f"https://127.0.0.1:{port}/v1"
        case _:
            base_url = f"http://127.0.0.1:{port}/v1"
    settings = {"kind": "openai_chat", "model": "m", "base_url": base_url, "api_key": KEY, **row.settings}
    timeouts = {
        name: PASSES if name == row.deadline else LONG for name in ("connect", "first_content", "idle", "total")
    }
    plain: Mapping[str, Any] = {
        "primary": "a",
        "providers": {"a": gestura.ProviderSettings(**settings)},
        "retry": gestura.RetryPolicy(initial_delay=1.0 * SECOND, max_delay=8.0 * SECOND, jitter=0),
        "timeouts": gestura.Timeouts(**timeouts),
        "transport": transport_name,
    }
    return gestura.StreamingConfig(**{**plain, **row.config})


@pytest.mark.parametrize("row", [row for _, row in rows()], ids=[name for name, _ in rows()])
async def test_a_row_over_http(row: Row, transport_name: TransportName, caplog: pytest.LogCaptureFixture) -> None:
    """Over each transport, what is shown, how many requests are made, and how it ends, is as the row says.

    And nothing that is told shows the key.
    """
    caplog.set_level(logging.DEBUG)
    server = FaultyServer(row)
    async with serve(server) as where, gestura.open_client(config(row, where.port, transport_name)) as client:
        if any(meets.wire is Wire.STALE for meets in row.meets):
            await client.ask("to have a connection in the pool")
        async with client.stream(row.prompt) as stream:
            chunks = [chunk async for chunk in stream]
            requests = stream.statistics().attempts

    check(row, chunks, requests, second=SECOND)
    assert KEY not in repr(chunks) + caplog.text
