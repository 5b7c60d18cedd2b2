"""Tests over real loopback sockets, in real time.

A test that asks for `open_transport` runs over each transport; one that asks for `transport_name` can configure each.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType

import pytest

from gestura.config import TransportName
from gestura.transport import Transport

TRANSPORTS = {"trio_asyncio": "_aiohttp.open_aiohttp_transport", "thread": "_aiohttp_thread.open_thread_transport"}

needs_trio_asyncio = pytest.mark.skipif(sys.version_info >= (3, 14), reason="trio-asyncio doesn't import here")

VIRTUAL_CLOCKS = {"autojump_clock", "mock_clock"}
OPEN_FILES = Path("/dev/fd")


@pytest.fixture(autouse=True)
def _real_clock_only(request: pytest.FixtureRequest) -> None:
    """An autojump clock jumps while bytes are in flight, and deadlines pass before they arrive."""
    if VIRTUAL_CLOCKS & set(request.fixturenames):
        pytest.fail("tests over real sockets need the real clock: use the scripted transport, or drop the clock")


@pytest.fixture(autouse=True)
def _no_file_left_open() -> Iterator[None]:
    """Every test closes every socket that it opened."""
    if not OPEN_FILES.exists():
        yield
        return
    before = len(list(OPEN_FILES.iterdir()))
    yield
    assert len(list(OPEN_FILES.iterdir())) <= before


@pytest.fixture(params=[pytest.param("trio_asyncio", marks=needs_trio_asyncio), "thread"])
def transport_name(request: pytest.FixtureRequest) -> TransportName:
    """The name of each transport in turn, as a configuration has it."""
    return request.param


@pytest.fixture
def open_transport(transport_name: TransportName) -> Callable[[], AbstractAsyncContextManager[Transport]]:
    """What opens it."""
    module, opener = TRANSPORTS[transport_name].split(".")
    return getattr(importlib.import_module(f"gestura.transport.{module}"), opener)


@pytest.fixture
def trio_asyncio() -> ModuleType:
    if sys.version_info >= (3, 14):
        pytest.skip("trio-asyncio doesn't import here")
    return importlib.import_module("trio_asyncio")
