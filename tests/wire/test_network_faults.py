"""Whatever the network does to an answer, its stream ends once, in words, with all that came; and nothing is left.

A proxy that does what networks do stands between the client and the simulator.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import trio
from faults.network import (
    HALF,
    SAID,
    SCENARIO,
    NetworkRow,
    instead_of_chunked,
    matches,
    network_markdown,
    network_rows,
    place_of,
)
from leftovers import Leftovers, requests_in_flight

import gestura
from gestura.chunks import Done, Error, RetryAttempt, StreamChunk, Text
from gestura.config import ProviderSettings, RetryPolicy, StreamingConfig, Timeouts, TransportName
from gestura.errors import ErrorKind
from gestura.simulator import open_simulator
from gestura.testing import (
    Break,
    CutOff,
    Hang,
    NetworkFault,
    Part,
    Rewrite,
    assert_ends_once,
    open_faulty_proxy,
)

SECRETS = {"api_key": "sk-Canary-0123456789", "headers": {"X-Team": "Canary-too"}}
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"

PASSES = 0.25
"""The deadline that passes, in seconds, where one does."""

PATIENCE = 5.0
"""Seconds for a test, all of which take a fraction of one."""

KINDS = ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"]


def config(
    url: str, transport: TransportName, kind: str = "openai_chat", *, attempts: int = 1, passes: bool = False
) -> StreamingConfig:
    return StreamingConfig(
        primary="a",
        providers={"a": ProviderSettings(kind=kind, model="m", base_url=url, **SECRETS)},
        retry=RetryPolicy(max_attempts=attempts, initial_delay=0.001),
        timeouts=Timeouts(first_content=PASSES, idle=PASSES) if passes else Timeouts(),
        transport=transport,
    )


def said(chunks: Iterable[StreamChunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


async def converse(
    configured: Callable[[str], StreamingConfig], faults: Iterable[NetworkFault], segment_bytes: int | None = None
) -> list[StreamChunk]:
    """The chunks of one stream through the faults, after which nothing of it is left."""
    with trio.fail_after(PATIENCE):
        async with open_simulator([SCENARIO]) as simulator:
            before = Leftovers.now()
            async with open_faulty_proxy(simulator.url, faults, segment_bytes=segment_bytes) as proxy:
                async with gestura.open_client(configured(proxy.url)) as client:
                    async with client.stream("Hi") as stream:
                        chunks = [chunk async for chunk in stream]
                    assert requests_in_flight(client._transport) == 0
                await proxy.wait_closed()
            for seen in simulator.requests:
                await seen.ended()
            after = Leftovers.now()
    assert (before.trio_tasks, before.threads) == (after.trio_tasks, after.threads)
    return chunks


@pytest.mark.parametrize("row", [row for _, row in network_rows()], ids=[name for name, _ in network_rows()])
async def test_a_row_of_the_network_table(
    row: NetworkRow, transport_name: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    """Over each transport, what is shown and how it ends is as the row says; nothing that is told shows a secret."""
    caplog.set_level(logging.DEBUG)
    passes = row.ending.kind is ErrorKind.TIMEOUT
    chunks = await converse(
        lambda url: config(url, transport_name, passes=passes), row.strikes, segment_bytes=row.segment_bytes
    )

    ending = assert_ends_once(chunks)
    assert row.shown == said(chunks)
    assert row.ending.chunk is type(ending)
    if isinstance(ending, Error):
        assert row.ending.kind is ending.kind
        assert row.ending.code in (None, ending.code)
        assert row.shown == (ending.partial.text if ending.partial else "")
        assert ending.message.startswith("a /v1/chat/completions") or ending.kind is ErrorKind.TRUNCATED
        assert matches(row, ending.message), ending.message
    assert "Canary" not in repr(chunks) + caplog.text


def test_the_page_holds_the_network_table() -> None:
    """Every row as it is tested, and no other; `PYTHONPATH=tests python tests/faults/network.py` writes it anew."""
    assert network_markdown() in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("what", "ending"),
    [
        (Break(), ErrorKind.CONNECTION),
        (CutOff(), ErrorKind.CONNECTION),
        (Rewrite(lambda _: b"0\r\n\r\n"), ErrorKind.TRUNCATED),
        (Rewrite(lambda chunk: b"g" + chunk), ErrorKind.CONNECTION),
    ],
    ids=["reset", "closed", "ended", "malformed"],
)
async def test_every_wire_format_tells_a_broken_answer(
    kind: str, what: Break | CutOff | Rewrite, ending: ErrorKind, transport_name: TransportName
) -> None:
    """Broken in the middle of an event, it is an error after all the events before, never a whole answer."""
    chunks = await converse(
        lambda url: config(url, transport_name, kind), [NetworkFault(Part.CHUNK, what, chunk=place_of(" three", kind))]
    )

    assert HALF == said(chunks)
    assert isinstance(chunks[-1], Error)
    assert ending is chunks[-1].kind


@pytest.mark.parametrize("kind", KINDS)
async def test_every_wire_format_comes_in_crumbs(kind: str, transport_name: TransportName) -> None:
    """A network that carries one byte at a time loses nothing."""
    chunks = await converse(lambda url: config(url, transport_name, kind), [], segment_bytes=1)

    assert SAID == said(chunks)
    assert isinstance(chunks[-1], Done)


@pytest.mark.parametrize(
    "fault",
    [
        NetworkFault(Part.CONNECTION, Break(), connection=1),
        NetworkFault(Part.HEAD, CutOff(), connection=1),
        NetworkFault(Part.CHUNK, Break(), chunk=1, connection=1),
    ],
    ids=["connecting", "in the head", "before the first content"],
)
async def test_a_fault_before_the_first_content_is_mended(fault: NetworkFault, transport_name: TransportName) -> None:
    """The next attempt is announced, goes over another connection, and gives the whole answer."""
    chunks = await converse(lambda url: config(url, transport_name, attempts=2), [fault])

    assert [RetryAttempt, Done] == [type(chunk) for chunk in chunks if not isinstance(chunk, Text)]
    assert SAID == said(chunks)


@pytest.mark.parametrize(
    "faults",
    [
        instead_of_chunked(b"Content-Length: 700"),
        [NetworkFault(Part.CHUNK, Rewrite(lambda chunk: chunk[:-9]), chunk=3)],
        [NetworkFault(Part.LAST_CHUNK, Rewrite(lambda last: last + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))],
        [NetworkFault(Part.LAST_CHUNK, Hang())],
        [NetworkFault(Part.LAST_CHUNK, Break(), at=1)],
        [NetworkFault(Part.LAST_CHUNK, CutOff(), at=1)],
    ],
    ids=["short", "malformed", "a response too many", "no end", "reset", "closed"],
)
async def test_a_bad_connection_spoils_no_other_request(
    faults: list[NetworkFault], transport_name: TransportName
) -> None:
    """What a connection still holds, or that it is dead, is no business of the next stream's: it is answered."""
    for fault in faults:
        object.__setattr__(fault, "connection", 1)
    with trio.fail_after(PATIENCE):
        async with (
            open_simulator([SCENARIO]) as simulator,
            open_faulty_proxy(simulator.url, faults) as proxy,
            gestura.open_client(config(proxy.url, transport_name)) as client,
        ):
            async with client.stream("one") as stream:
                assert_ends_once([chunk async for chunk in stream])
            answer = await client.ask("two")

    assert SAID == answer.text
    assert proxy.connections == 2


async def test_a_key_goes_to_no_other_host(transport_name: TransportName) -> None:
    """A redirect is told with the host that it points to, and that host hears nothing."""
    with trio.fail_after(PATIENCE):
        async with open_simulator([SCENARIO]) as simulator, open_faulty_proxy(simulator.url) as trap:
            location = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {trap.url}/v1\r\nContent-Length: 0\r\n\r\n"
            redirect = NetworkFault(Part.HEAD, Rewrite(lambda _: location.encode()))
            async with (
                open_faulty_proxy(simulator.url, [redirect]) as proxy,
                gestura.open_client(config(proxy.url, transport_name)) as client,
                client.stream("Hi") as stream,
            ):
                chunks = [chunk async for chunk in stream]
            assert trap.connections == 0

    [ending] = chunks
    assert isinstance(ending, Error)
    assert "a redirect to 127.0.0.1, which is not followed" in ending.message


async def test_a_server_that_ignores_the_close_holds_nothing_up(transport_name: TransportName) -> None:
    """A half-open connection is left at once, by the stream, by its client and by the whole program."""
    with trio.fail_after(PATIENCE):
        async with open_simulator([SCENARIO]) as simulator:
            faults = [NetworkFault(Part.CHUNK, Hang(), chunk=3)]
            async with open_faulty_proxy(simulator.url, faults) as proxy:
                async with gestura.open_client(config(proxy.url, transport_name)) as client:
                    async with client.stream("Hi") as stream:
                        async for chunk in stream:
                            if isinstance(chunk, Text):
                                break
                        left = trio.current_time()
                    assert requests_in_flight(client._transport) == 0
                with trio.fail_after(5):
                    await proxy.wait_closed()
                assert trio.current_time() - left < 5
