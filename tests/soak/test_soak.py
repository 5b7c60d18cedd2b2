"""A soak of a second; `make soak` lasts minutes."""

from __future__ import annotations

import sys
from functools import partial

import pytest
import trio
from soak.__main__ import soak

from gestura.config import TransportName


@pytest.mark.parametrize("transport", ["thread", "trio_asyncio"])
def test_nothing_is_left_of_random_streams(transport: TransportName) -> None:
    """Whatever users and networks do to streams, no task, thread, file, request or memory is left of them."""
    if transport == "trio_asyncio" and sys.version_info >= (3, 14):
        pytest.skip("trio-asyncio doesn't import here")

    soaked = trio.run(partial(soak, transport, 7, 1.0, rests=2))

    assert soaked.told["streams"] > 30
    assert [] == soaked.leaks()
