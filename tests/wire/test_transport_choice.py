"""The public client over each transport: the configuration chooses one, and the chunks don't tell which it was."""

from __future__ import annotations

import queue
import re
import sys
import threading
from functools import partial
from types import SimpleNamespace

import attrs
import pytest
import trio
import trio.testing
from servers import CHUNKED_HEAD, Peer, chunk, chunked, head, serve

import gestura
from gestura import _open_client
from gestura.config import TransportName
from gestura.stages.joining import FEW
from gestura.testing import merged

KINDS = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")

TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"x" * 1000)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Calls that a provider leaves without an id are given a new one each time."""


def config(kind: str, url: str, transport: TransportName | None) -> gestura.StreamingConfig:
    provider = gestura.ProviderSettings(kind=kind, model="m", base_url=url, api_key="k")
    return gestura.StreamingConfig(
        primary="it", providers={"it": provider}, retry=gestura.RetryPolicy(max_attempts=1), transport=transport
    )


# Which one.


async def runs_a_thread(transport: TransportName | None) -> bool:
    async with gestura.open_client(config("openai_chat", "http://127.0.0.1:1", transport)):
        return any(thread.name == "gestura transport" for thread in threading.enumerate())


async def test_the_configuration_chooses(transport_name: TransportName) -> None:
    """The transport that is named is the one that is opened."""
    assert (transport_name == "thread") == await runs_a_thread(transport_name)


@pytest.mark.parametrize(
    ("python", "thread"),
    [
        pytest.param(
            (3, 13), False, marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="needs trio-asyncio")
        ),
        ((3, 14), True),
        ((3, 15), True),
    ],
)
async def test_where_nothing_is_named(python: tuple[int, int], thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is the default where trio-asyncio doesn't import."""
    monkeypatch.setattr(_open_client, "sys", SimpleNamespace(version_info=python))

    assert thread == await runs_a_thread(None)


def test_another_name_is_refused() -> None:
    """A transport that there is not is told at once."""
    with pytest.raises(ValueError, match="transport"):
        gestura.StreamingConfig(transport="carrier pigeon")


# What comes later.


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> queue.Queue[int]:
    """The threads that have imported the price list."""
    threads: queue.Queue[int] = queue.Queue()
    monkeypatch.setattr(_open_client, "load_price_list", lambda: threads.put(threading.get_ident()))
    return threads


async def test_the_price_list_holds_up_no_stream(
    transport_name: TransportName, loads: queue.Queue[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is imported in a thread, while the client is at work."""
    monkeypatch.setattr(_open_client, "SECONDS_BEFORE_PRICES", 0)
    async with gestura.open_client(config("openai_chat", "http://127.0.0.1:1", transport_name)):
        with trio.fail_after(5):
            loader = await trio.to_thread.run_sync(partial(loads.get, timeout=5))

    assert threading.get_ident() != loader


async def test_a_client_that_is_not_used_imports_no_prices(
    transport_name: TransportName, loads: queue.Queue[int]
) -> None:
    """Leaving the block does not wait for what hasn't begun, and what leaves it is what was raised."""
    error = RuntimeError("the user's")
    with pytest.raises(RuntimeError) as raised:
        async with gestura.open_client(config("openai_chat", "http://127.0.0.1:1", transport_name)):
            raise error

    assert error is raised.value
    assert loads.empty()


# What comes.


@pytest.mark.parametrize("kind", KINDS)
async def test_recordings_mean_the_same_over_either(kind: str, recordings, trio_asyncio) -> None:
    """Every recorded answer says the same, whatever the packets and whichever thread they came by."""
    recorded = [(each.manifest["content_type"] or "text/event-stream", each.read()) for each in recordings(kind)]

    async def replay(peer: Peer) -> None:
        while True:
            number = int((await peer.read_request()).headers["x-number"])
            content_type, wire = recorded[number]
            response = head(Content_Type=content_type, Transfer_Encoding="chunked") + chunked([wire])
            await peer.send(*(response[start : start + 997] for start in range(0, len(response), 997)))

    async def ask(transport: TransportName, number: int) -> list[str]:
        settings = config(kind, server.url, transport)
        numbered = attrs.evolve(settings.providers["it"], headers={"x-number": str(number)})
        async with (
            gestura.open_client(attrs.evolve(settings, providers={"it": numbered})) as client,
            client.stream("Hi") as stream,
        ):
            return [UUID.sub("…", repr(each)) for each in merged([each async for each in stream])]

    async with serve(replay) as server:
        for number in range(len(recorded)):
            assert await ask("trio_asyncio", number) == await ask("thread", number)


async def test_a_consumer_that_stops_stops_the_server(transport_name: TransportName) -> None:
    """Who reads no chunks fills the channels, then the buffers, and no more; who goes on gets all that was sent.

    The kernel holds up to 6 MiB for a receiver on Linux, and 256 chunks of a burst are as many events as these.
    """
    peers = []
    events = 30_000

    async def write_much(peer: Peer) -> None:
        peers.append(peer)
        await peer.read_request()
        await peer.send(CHUNKED_HEAD)
        for _ in range(events // 100):
            await peer.send(chunk(TEXT * 100))
        await peer.send(chunk(b"data: [DONE]\n\n"), chunk(b""))

    async with (
        serve(write_much, send_buffer=65_536) as server,
        gestura.open_client(config("openai_chat", server.url, transport_name)) as client,
        client.stream("Hi") as stream,
    ):
        first = await anext(stream)
        await trio.testing.wait_all_tasks_blocked(0.05)
        stopped_at = peers[0].sent
        texts = sum([len(each.text) async for each in stream if isinstance(each, gestura.Text)])

    assert stopped_at < 10_000_000 + 256 * FEW * len(TEXT)
    assert len(first.text) + texts == events * 1000
