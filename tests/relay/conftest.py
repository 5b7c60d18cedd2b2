"""Each test that asks for `anywhere` runs over every kind of log."""

from __future__ import annotations

import pytest
from worlds import Anywhere, in_memory


@pytest.fixture(params=["memory"])
def anywhere() -> Anywhere:
    return in_memory
