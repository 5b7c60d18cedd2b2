"""A process of workers that come to a point each and stay there, until somebody kills the process.

    python doomed_worker.py URL PREFIX POINT...

For each point a worker of its own, under the prefix `PREFIX-POINT`. It prints the point when it is there. The process
lives on, so its beats do.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import trio

from gestura.relay import RelaySettings, Worker, open_relay
from gestura.relay.redis import open_redis
from gestura.testing import Sending, reply, scripted_client

POINTS = ("idle", "taken", "begun", "amid", "amid-too", "ended")
ANSWER = "One two three."


class Stops:
    """A log or a queue, of which one call never comes back, when its time has come."""

    def __init__(self, whole: Any, point: str) -> None:
        self._whole = whole
        self._point = point

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._whole, name)
        if name not in ("begin", "append", "done"):
            return method

        async def call(*args: Any, **options: Any) -> Any:
            if self._is_there(name, options):
                tell(self._point)
                await trio.sleep_forever()
            return await method(*args, **options)

        return call

    def _is_there(self, name: str, options: dict[str, Any]) -> bool:
        match self._point, name:
            case ("taken", "begin") | ("begun", "append") | ("ended", "done"):
                return True
            case "amid" | "amid-too", "append":
                return options["first"] > 1
        return False


def tell(point: str) -> None:
    sys.stdout.write(f"{point}\n")
    sys.stdout.flush()


async def work(url: str, prefix: str, point: str) -> None:
    settings = RelaySettings(beat_seconds=0.1, dead_after=1.0)
    answer = reply(ANSWER, sending=Sending(interval=0.05))
    async with (
        scripted_client(lambda _body: answer) as client,
        open_redis(url, prefix=f"{prefix}-{point}") as (log, queue),
        open_relay(log=Stops(log, point), queue=Stops(queue, point), settings=settings) as relay,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(Worker(client, relay).serve)
        if point == "idle":
            await log.beat("nobody")
            tell(point)


async def main(url: str, prefix: str, *points: str) -> None:
    async with trio.open_nursery() as nursery:
        for point in points:
            nursery.start_soon(partial(work, url, prefix, point))


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
