"""What befalls a Redis server and the way to it: streams go on, with nothing lost, nothing twice, and one ending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from cutting import Cut, open_cutting_proxy
from redis_server import NO_REDIS, RedisServer, running_redis
from stores import RedisStore
from worlds import assert_the_same, heard, said, text_of, within

from gestura.chunks import Done, Error, StreamChunk, Text
from gestura.relay import LogUnreachable, Relay, RelaySettings, Worker, open_relay
from gestura.relay.entries import from_entry
from gestura.relay.log import START, Log, Order, Position
from gestura.testing import ScriptedModel, Sending, reply, scripted_client

WORDS = [f"{number} " for number in range(60)]
WHOLE: list[StreamChunk] = [*map(Text, WORDS), Done()]


@pytest.fixture
def durable_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, which it may kill."""
    with running_redis(tmp_path, durable=True) as server:
        yield server or pytest.skip(NO_REDIS)


def relay(url: str, prefix: str) -> AbstractAsyncContextManager[Relay]:
    settings = RelaySettings(beat_seconds=0.1, dead_after=2.0, reach_seconds=15.0, answer_seconds=1.0)
    return open_relay(url, settings=settings, prefix=prefix)


async def in_the_log(log: Log, stream_id: str) -> list[StreamChunk]:
    entries = await log.read(stream_id, START, most=10_000)

    assert list(range(1, len(entries) + 1)) == [entry.position.number for entry in entries]
    return [from_entry(entry.payload) for entry in entries]


async def test_a_server_that_is_killed_and_started_again_amid_a_stream_is_not_noticed(
    durable_server: RedisServer,
) -> None:
    found: list[list[StreamChunk]] = []

    async def follow() -> None:
        found.append(await heard(there, "s"))

    with trio.fail_after(60):
        async with relay(durable_server.url, "p") as here, relay(durable_server.url, "p") as there:
            async with here.publish("s", said(*WORDS, Done(), seconds=0.03)), trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(follow)
                for _ in range(2):
                    await trio.sleep(0.4)
                    await trio.to_thread.run_sync(durable_server.kill)
                    await trio.sleep(0.2)
                    await trio.to_thread.run_sync(durable_server.start)
            in_it = await in_the_log(here.log, "s")

    for each in (*found, in_it):
        assert_the_same(WHOLE, each)
    assert 5 == len(found)


async def test_a_server_that_comes_back_without_its_data_ends_what_it_lost(tmp_path: Path) -> None:
    """Nobody waits for ever, and nobody takes a part for the whole."""
    with running_redis(tmp_path) as server:
        if server is None:
            pytest.skip(NO_REDIS)
        found: list[list[StreamChunk]] = []

        async def follow() -> None:
            found.append(await heard(there, "s"))

        with trio.fail_after(60):
            async with (
                relay(server.url, "p") as here,
                relay(server.url, "p") as there,
                here.publish("s", said(*WORDS, Done(), seconds=0.03)) as publication,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(follow)
                await trio.sleep(0.5)
                await trio.to_thread.run_sync(server.kill)
                await trio.to_thread.run_sync(server.start)

        for ending, code in ((publication.ending, "publication_lost"), (found[0][-1], "stream_lost")):
            assert isinstance(ending, Error)
            assert code == ending.code


async def test_work_survives_a_server_that_is_killed_and_started_again(durable_server: RedisServer) -> None:
    """What waits, what is being answered and what is submitted meanwhile: each is answered once."""
    model = ScriptedModel(
        lambda body: reply(f"You said {body['messages'][-1]['content']}", sending=Sending(interval=0.1))
    )
    with trio.fail_after(60):
        async with (
            scripted_client(model) as client,
            relay(durable_server.url, "p") as here,
            relay(durable_server.url, "p") as there,
            trio.open_nursery() as nursery,
        ):
            worker = Worker(client, there, capacity=2)
            nursery.start_soon(worker.serve)
            ids = [await here.submit(f"{number}") for number in range(4)]
            await trio.sleep(0.3)
            await trio.to_thread.run_sync(durable_server.kill)
            async with trio.open_nursery() as meanwhile:
                meanwhile.start_soon(partial(here.submit, "4", stream_id="late"))
                await trio.sleep(0.2)
                await trio.to_thread.run_sync(durable_server.start)
            found = [await heard(here, stream_id) for stream_id in (*ids, "late")]
            worker.drain()

    assert [f"You said {number}" for number in range(5)] == [text_of(each) for each in found]
    assert [Done] * 5 == [type(each[-1]) for each in found]
    assert 5 == len(model.requests)


PHASES = [1, 30, 90, 160, 260, 400, 700, 1200, 2500]
"""Bytes: amid the greeting, the first commands, the loading of scripts, and in what follows."""


@pytest.mark.parametrize("says", ["client", "server"])
@pytest.mark.parametrize("whose", ["publisher", "follower"])
async def test_a_connection_that_is_cut_at_any_phase_is_not_noticed(
    redis_server: RedisServer, says: str, whose: str
) -> None:
    """Cut amid what the client says, the server never knows of it; amid what the server says, it has obeyed."""
    prefix = uuid4().hex
    cuts = [Cut(says, after) for after in PHASES for _ in range(2)]
    with trio.fail_after(60):
        async with open_cutting_proxy(redis_server.port, cuts) as proxy:
            urls = (proxy.url, redis_server.url) if whose == "publisher" else (redis_server.url, proxy.url)
            async with (
                relay(urls[0], prefix) as here,
                relay(urls[1], prefix) as there,
                here.publish("s", said(*WORDS, Done(), seconds=0.01)),
            ):
                found = await heard(there, "s")
        async with RedisStore(redis_server.url, prefix).open() as (log, _):
            in_it = await in_the_log(log, "s")

    assert_the_same(WHOLE, found)
    assert_the_same(WHOLE, in_it)
    assert proxy.connections > 4


async def test_orders_and_news_come_over_the_next_connection(redis_server: RedisServer) -> None:
    """Also those that were told of while there was none; long before anybody would have looked without being told."""
    store = RedisStore(redis_server.url)
    async with (
        open_cutting_proxy(redis_server.port) as proxy,
        store.open() as (elsewhere, _),
        RedisStore(proxy.url, store.prefix).open() as (log, _),
    ):
        await log.begin("s", publisher="anna", about=b"", keep_seconds=60)
        async with log.orders("anna") as orders, log.watch("s") as watch:
            for number, order in enumerate((Order.PAUSE, Order.CANCEL), 1):
                await trio.sleep(0.1)
                proxy.cut()
                await elsewhere.order("s", order)
                await elsewhere.append("s", term=1, first=number, payloads=[b"a"])
                with within(2):
                    assert ("s", order) == await orders.receive()
                    while len(await log.read("s", START, most=9)) < number:
                        await watch.wait()


async def test_a_server_that_falls_silent_is_out_of_reach_and_found_again(redis_server: RedisServer) -> None:
    async with (
        open_cutting_proxy(redis_server.port) as proxy,
        RedisStore(proxy.url, answer_seconds=0.5).open() as (log, _),
    ):
        await log.beat("anna")
        proxy.fall_silent()
        with trio.fail_after(8), pytest.raises(LogUnreachable):
            await log.beat("anna")
        proxy.speak()
        with trio.fail_after(8):
            await log.beat("anna")


async def test_a_server_that_became_a_replica_is_left_and_asked_again(durable_server: RedisServer) -> None:
    """Its address may be another server's by then."""
    async with (
        open_cutting_proxy(durable_server.port) as proxy,
        RedisStore(durable_server.url).open() as (_, queue),
        RedisStore(proxy.url).open() as (log, _),
    ):
        await log.begin("s", publisher="anna", about=b"", keep_seconds=60)
        before = proxy.connections
        await queue._line.ask(("REPLICAOF", "127.0.0.1", "1"))
        for write in (log.append("s", term=1, first=1, payloads=[b"a"]), log.beat("anna")):
            with pytest.raises(LogUnreachable, match="replica"):
                await write
        await queue._line.ask(("REPLICAOF", "NO", "ONE"))
        await log.append("s", term=1, first=1, payloads=[b"a"])

        assert proxy.connections >= before + 2
        assert Position(1, 1) == (await log.state("s")).last


async def test_watchers_look_now_and_then_without_being_told(redis_server: RedisServer) -> None:
    async with RedisStore(redis_server.url, poll_seconds=0.2).open() as (log, _), log.watch("s") as watch:
        with trio.fail_after(5):
            for _ in range(3):
                await watch.wait()


async def test_cancelled_calls_leave_the_line_as_it_was(redis_server: RedisServer) -> None:
    """Also in the moment when the connection is made; so often that any pool would be empty."""
    for seconds in (0.0, 0.001, 0.005):
        async with RedisStore(redis_server.url).open() as (log, queue):
            for _ in range(70):
                with trio.move_on_after(seconds):
                    await queue.take("anna", most=1, wait_seconds=30)
                with trio.move_on_after(seconds):
                    await log.beat("anna")
            with trio.fail_after(5):
                await log.begin("s", publisher="anna", about=b"", keep_seconds=60)
                assert () == tuple(await queue.take("anna", most=1, wait_seconds=0))
