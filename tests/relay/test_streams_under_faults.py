"""A hundred followers, of which half leave, while Redis is killed; connections cut anywhere; publishers killed.

Each time nothing is lost, nothing comes twice, and there is one ending.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import attrs
import pytest
import trio
from cutting import Cut, open_cutting_proxy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_server import NO_REDIS, RedisServer, running_redis
from worlds import QUICK, assert_the_same, heard, heard_some, said, text_of

from gestura.chunks import Done, Error, StreamChunk, Text
from gestura.relay import Relay, open_relay

WORDS: list[StreamChunk] = [*(Text(f"{count} ") for count in range(40)), Done()]
PATIENT = attrs.evolve(QUICK, reach_seconds=20.0, dead_after=2.0)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that the test may kill; what it knew comes back with it."""
    with running_redis(tmp_path, durable=True) as server:
        yield server or pytest.skip(NO_REDIS)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with trio.fail_after(60):
            await test()

    trio.run(limited)


@pytest.mark.parametrize(("at", "followers"), [(0, 20), (1, 20), (20, 100), (39, 20), (40, 20)])
def test_redis_may_be_killed_and_come_back(own_server: RedisServer, at: int, followers: int) -> None:
    """After so many chunks: of up to a hundred followers half leave, some of those for good, and miss nothing."""
    found: list[list[StreamChunk]] = []

    async def chunks() -> AsyncIterator[StreamChunk]:
        for count, chunk in enumerate(WORDS):
            if count == at:
                own_server.kill()
                restarting.set()
            await trio.sleep(0.01)
            yield chunk

    async def restart() -> None:
        await restarting.wait()
        await trio.sleep(0.3)
        await trio.to_thread.run_sync(own_server.start)

    async def follow(relay: Relay, number: int) -> None:
        read: list[StreamChunk] = []
        position = None
        if number % 2:
            async with relay.follow("s") as following:
                async for chunk in following:  # while Redis is away words are joined, so there may be few
                    read.append(chunk)
                    if len(read) > number % 7:
                        break
                position = following.position
            if number % 4 == 1:
                return
        found.append(read if Done() in read else [*read, *await heard(relay, "s", position)])

    restarting = trio.Event()

    async def test() -> None:
        async with (
            open_relay(own_server.url, settings=PATIENT) as here,
            open_relay(own_server.url, settings=PATIENT) as there,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(restart)
            async with here.publish("s", chunks()) as publication:
                for number in range(followers):
                    nursery.start_soon(follow, there, number)
            assert Done() == publication.ending

    run(test)
    assert followers * 3 // 4 == len(found)
    for read in found:
        assert_the_same(WORDS, read)


@pytest.mark.parametrize("who", ["publisher", "follower"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.builds(Cut, st.sampled_from(["client", "server"]), st.integers(1, 6000)), max_size=8))
def test_connections_may_be_cut_anywhere(redis_server: RedisServer, who: str, cuts: list[Cut]) -> None:
    """While they are made, in the middle of a command, before its answer, in the middle of that; again and again."""

    async def test() -> None:
        async with open_cutting_proxy(redis_server.port, cuts) as proxy:
            urls = {"publisher": redis_server.url, "follower": redis_server.url, who: proxy.url}
            async with (
                open_relay(urls["publisher"], settings=PATIENT) as here,
                open_relay(urls["follower"], settings=PATIENT) as there,
                here.publish(None, said(*WORDS, seconds=0.005)) as publication,
            ):
                assert_the_same(WORDS, await heard(there, publication.stream_id))

    run(test)


PUBLISHER = """
import sys, trio
from gestura.chunks import Text
from gestura.relay import RelaySettings, open_relay

async def endless():
    count = 0
    while True:
        yield Text(f"{count} ")
        count += 1
        await trio.sleep(0.01)

async def main():
    async with open_relay(sys.argv[1], prefix=sys.argv[2], settings=RelaySettings(beat_seconds=0.1)) as relay:
        async with relay.publish("s", endless()):
            print("begun", flush=True)
            await trio.sleep_forever()

trio.run(main)
"""


def test_a_publisher_may_be_killed(redis_server: RedisServer) -> None:
    """With SIGKILL. Whoever follows is told what it had published, and that it died."""
    prefix = uuid4().hex
    command = [sys.executable, "-c", PUBLISHER, redis_server.url, prefix]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as publisher:
        assert publisher.stdout is not None
        assert b"begun\n" == publisher.stdout.readline()

        async def test() -> None:
            async with open_relay(
                redis_server.url, prefix=prefix, settings=attrs.evolve(PATIENT, dead_after=0.5)
            ) as relay:
                async with relay.follow("s") as chunks:
                    first = await heard_some(chunks, 5)
                    publisher.send_signal(signal.SIGKILL)
                    read = [*first, *[chunk async for chunk in chunks]]

                words = text_of(read).split()
                assert list(map(str, range(len(words)))) == words
                assert isinstance(read[-1], Error)
                assert "publisher_lost" == read[-1].code
                assert read[-1].partial is not None
                assert text_of(read) == read[-1].partial.text
                assert read[-1] == (await heard(relay, "s"))[-1]

        run(test)
