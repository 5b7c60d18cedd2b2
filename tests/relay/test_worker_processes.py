"""Workers in processes of their own, which are killed at every point, or told to stop.

Each process takes a second to start, so there are few.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import trio
from doomed_worker import ANSWER, POINTS
from redis_server import RedisServer
from worlds import heard, text_of

import gestura
from gestura.chunks import Done, Error, Paused, RetryAttempt, StreamChunk, Text
from gestura.relay import Relay, RelaySettings, Worker, open_relay
from gestura.simulator import Scenario, Sending, open_simulator
from gestura.testing import ScriptedModel, scripted_client

SETTINGS = RelaySettings(beat_seconds=0.1, dead_after=1.0, takeover_seconds=5.0)
DOOMED = Path(__file__).parent / "doomed_worker.py"


@asynccontextmanager
async def process(*command: str, **variables: str) -> AsyncIterator[trio.Process]:
    """A process, killed at the end of the block if it still runs then."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GESTURA_"))}
    async with trio.open_nursery() as nursery:
        running: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                [sys.executable, *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**inherited, **variables},
                check=False,
            )
        )
        try:
            yield running
        finally:
            nursery.cancel_scope.cancel()


async def lines(stream: trio.abc.ReceiveStream, wanted: int) -> list[str]:
    """So many lines of what a process says."""
    said = b""
    while said.count(b"\n") < wanted:
        data = await stream.receive_some()
        assert data, f"the process has ended, and said {said!r}"
        said += data
    return said.decode().splitlines()


@asynccontextmanager
async def survivor(relay: Relay, model: ScriptedModel, **settings: Any) -> AsyncIterator[None]:
    async with scripted_client(model) as client, trio.open_nursery() as nursery:
        worker = Worker(client, relay, **settings)
        nursery.start_soon(worker.serve)
        yield
        worker.drain()


async def test_a_worker_that_is_killed_at_any_point_loses_nothing_and_repeats_nothing(
    redis_server: RedisServer,
) -> None:
    """Before it has a request; when it has it, has begun, has shown a part; after the ending, before it said so.

    A follower that was there all the time and one that comes afterwards read the same, with one ending.
    """
    prefix = uuid4().hex
    found: dict[str, list[list[StreamChunk]]] = {point: [] for point in POINTS}
    asked: dict[str, int] = {}

    async def live_through(point: str, *, task_status: trio.TaskStatus[None]) -> None:
        async def follow() -> None:
            found[point].append(await heard(relay, "s"))

        model = ScriptedModel(lambda _body: "Four.")
        async with open_relay(redis_server.url, prefix=f"{prefix}-{point}", settings=SETTINGS) as relay:
            if point == "idle":  # it would take it
                task_status.started()
                await killed.wait()
            await relay.submit("Hi", stream_id="s")
            if point != "idle":
                task_status.started()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await killed.wait()
                async with survivor(relay, model, after_death="resume" if point == "amid-too" else "end"):
                    while not found[point]:  # noqa: ASYNC110
                        await trio.sleep(0.05)
                    await trio.sleep(2.5)  # for whoever would answer once more
            found[point].append(await heard(relay, "s"))
            asked[point] = len(model.requests)
            assert () == tuple(await relay.queue.take_abandoned("nobody", most=1, silent_seconds=0)), point

    killed = trio.Event()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            async with process(str(DOOMED), redis_server.url, prefix, *POINTS) as doomed:
                for point in POINTS:
                    await nursery.start(live_through, point)
                assert doomed.stdout is not None
                await lines(doomed.stdout, len(POINTS))
                doomed.send_signal(signal.SIGKILL)
                await doomed.wait()
            killed.set()

    assert {"idle": 1, "taken": 1, "begun": 1, "amid": 0, "amid-too": 1, "ended": 0} == asked
    for point, (live, later) in found.items():
        assert live == later, point
    once = {point: live for point, (live, _) in found.items()}
    whole = {point: text_of(once[point]) for point in ("idle", "taken", "begun", "ended")}
    assert {"idle": "Four.", "taken": "Four.", "begun": "Four.", "ended": ANSWER} == whole

    ended = once["amid"][-1]
    assert isinstance(ended, Error)
    assert ("publisher_lost", gestura.assistant(text_of(once["amid"]))) == (ended.code, ended.partial)

    (news,) = [at for at, chunk in enumerate(once["amid-too"]) if isinstance(chunk, RetryAttempt)]
    before, after = text_of(once["amid-too"][:news]), text_of(once["amid-too"][news:])
    assert (True, "Four.") == (len(before) > 0 and ANSWER.startswith(before), after)
    assert [Done] * 5 == [type(chunks[-1]) for point, chunks in once.items() if point != "amid"]


SCENARIOS = [
    Scenario(model="slow", steps=(Text("one two three four five six"),), sending=Sending(interval=0.25)),
    Scenario(model="endless", steps=(Text("on " * 1000),), sending=Sending(interval=0.25)),
]


async def test_the_command_answers_and_stops_when_it_is_told(redis_server: RedisServer) -> None:
    """SIGTERM lets it finish what it has; what takes too long is paused, and can be resumed."""
    prefix = uuid4().hex
    with trio.fail_after(60):
        async with (
            open_simulator(SCENARIOS) as simulator,
            open_relay(redis_server.url, prefix=prefix, settings=SETTINGS) as relay,
            process(
                *("-m", "gestura", "worker", "--prefix", prefix, "--drain-seconds", "2", "--capacity", "2"),
                GESTURA_REDIS_URL=redis_server.url,
                OPENAI_BASE_URL=simulator.url,
                OPENAI_API_KEY="sk-secret",
            ) as worker,
        ):
            ids = [await relay.submit("Hi", model=model) for model in ("slow", "endless", "slow")]
            async with relay.follow(ids[0]) as first, relay.follow(ids[1]) as second:
                await anext(first)
                await anext(second)
                worker.terminate()
            endings = [(await heard(relay, stream_id))[-1] for stream_id in ids[:2]]
            assert worker.stderr is not None
            log = "\n".join(await lines(worker.stderr, 4))
            code = await worker.wait()
            waiting = await relay.queue.waiting()

    assert [Done, Paused] == [type(ending) for ending in endings]
    assert (0, 1) == (code, waiting)
    assert "takes requests, 2 at once" in log
    assert "secret" not in log
