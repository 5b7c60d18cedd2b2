"""How hard gestura tries to deliver a chunk, and what became of those it gave up on.

A chunk class names its `Delivery`; `PATIENCE` turns that into seconds of waiting for a reader who has fallen behind.
That is the whole decision: send at once if there is room, else wait that long, else drop and count.
"""

from __future__ import annotations

import enum
import math
from typing import Final

__all__ = ["PATIENCE", "Delivery"]


class Delivery(enum.Enum):
    """The delivery classes."""

    LOSSLESS = "lossless"
    """Waits for as long as it takes. Content is always of this class."""

    BEST_EFFORT = "best_effort"
    """Waits 100 ms, then is dropped and counted: news that is stale by then."""

    IF_ROOM = "if_room"
    """Dropped at once, and counted, when the channel is full."""


PATIENCE: Final = {Delivery.LOSSLESS: math.inf, Delivery.BEST_EFFORT: 0.1, Delivery.IF_ROOM: 0.0}
"""Seconds a chunk of each class waits for room before it is dropped."""
