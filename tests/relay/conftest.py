"""What the tests of the relay stand on: memory, and one Redis server for each process of the tests, if installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_server import NO_REDIS, RedisServer, running_redis
from stores import MemoryStore, RedisStore, Store, run
from worlds import Anywhere, Test, World


@pytest.fixture(scope="session")
def a_redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | None]:
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(a_redis_server: RedisServer | None) -> RedisServer:
    """A server that all tests share, so nobody stops it."""
    return a_redis_server or pytest.skip(NO_REDIS)


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    """Each log and queue in its turn, empty."""
    return MemoryStore() if request.param == "memory" else RedisStore(request.getfixturevalue("redis_server").url)


@pytest.fixture
def anywhere(store: Store) -> Anywhere:
    """Runs a test of the relay over every kind of log."""

    def run_test(test: Test) -> None:
        run(store, lambda log, queue: test(World(log, queue)))

    return run_test
