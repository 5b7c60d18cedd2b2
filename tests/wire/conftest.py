"""Tests over real loopback sockets, in real time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
