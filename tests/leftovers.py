"""What a process holds that streams could leave behind: counted before and after, the two must be equal."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import attrs
import trio

from gestura.transport import Transport

OPEN_FILES = Path("/proc/self/fd")


@attrs.frozen
class Leftovers:
    """Counts.

    Args:
        trio_tasks: of this run.
        threads: that live, but for those that Trio keeps for the next call.
        sockets: open ones; 0 where the system does not tell.
        files: open file descriptors of any kind; 0 where the system does not tell.
    """

    trio_tasks: int
    threads: int
    sockets: int
    files: int

    @classmethod
    def now(cls) -> Leftovers:
        return cls(
            trio_tasks=trio.lowlevel.current_statistics().tasks_living,
            threads=sum(not thread.name.startswith("Trio thread") for thread in threading.enumerate()),
            sockets=sum(target.startswith("socket:") for target in _open_files()),
            files=len(_open_files()),
        )


def requests_in_flight(transport: Transport) -> int:
    """How many requests aiohttp is performing for one of gestura's own transports."""
    tasks = asyncio.all_tasks(transport._loop)
    return sum(task.get_coro().__name__ == "perform" for task in tasks)


def _open_files() -> list[str]:
    if not OPEN_FILES.exists():
        return []
    found = []
    for each in OPEN_FILES.iterdir():
        try:
            found.append(str(each.readlink()))
        except FileNotFoundError:
            continue  # the folder that is being listed
    return found
