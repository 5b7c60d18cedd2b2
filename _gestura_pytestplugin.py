"""gestura's pytest plugin: fixtures for applications that stream.

    async def test_my_app(gestura_client):
        async with gestura_client("Hello!") as client:
            assert await greet(client) == "Hello!"

It stands beside the package and imports nothing of it until a test asks for a fixture, so pytest starts no slower where
gestura is merely installed. The fixtures are plain functions: they need no pytest-trio, and go with any way of running
Trio in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gestura import Client
    from gestura.simulator import Scenario, Simulator
    from gestura.testing import Reply


@pytest.fixture
def gestura_client() -> Callable[..., AbstractAsyncContextManager[Client]]:
    """`gestura_client(*replies)` opens a client of a model in memory that answers so, in this order.

    Keyword arguments are those of `gestura.testing.scripted_client`.
    """
    from gestura.testing import scripted_client

    def open_scripted(*replies: Reply, **options: Any) -> AbstractAsyncContextManager[Client]:
        return scripted_client(replies, **options)

    return open_scripted


@pytest.fixture
def gestura_simulator() -> Iterator[Callable[..., Simulator]]:
    """`gestura_simulator(*scenarios)` starts a simulator on loopback; without scenarios it has the built-in ones.

    It serves until the test is over, in a thread of its own, to whoever can reach it: clients, commands, browsers. It
    needs real time: not for tests under a clock that jumps.
    """
    from gestura.simulator.opening import simulator_in_thread

    with ExitStack() as running:

        def start(*scenarios: Scenario) -> Simulator:
            return running.enter_context(simulator_in_thread(scenarios or None))

        yield start
