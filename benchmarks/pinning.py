"""Which core runs what. Clients have one for themselves and the server another, where the machine has two."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["CLIENT_CORE", "SERVER_CORE", "pin"]

CLIENT_CORE: Final = 0
SERVER_CORE: Final = 1


def pin(core: int) -> None:
    """Run this process on that core only, where the system can do that and the process may use it."""
    if hasattr(os, "sched_setaffinity") and {CLIENT_CORE, SERVER_CORE} <= os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})
