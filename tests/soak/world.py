"""Where the soak's requests go: simulated providers in a process of their own, behind networks that fail at random.

    python -m soak.world SEED

writes the addresses of the networks as a JSON list, and serves until its standard input ends. What befalls a connection
is drawn from the seed and the connection's number.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
from functools import partial

import trio

from gestura.chunks import FinishReason, Text, Thinking
from gestura.simulator import open_simulator
from gestura.simulator.faults import BreakHttp, Garbage, HttpError, Reset, Stall, Truncate
from gestura.simulator.scenario import Comment, Scenario, Sending, StreamError, ToolCall
from gestura.testing import Break, CutOff, Hang, NetworkFault, Part, Rewrite, Wait, open_faulty_proxy

NETWORKS = 4
SHARE_OF_FAULTY_CONNECTIONS = 0.3
LONG = Text(" ".join(f"word{number}" for number in range(300)))
SHORT = Text("It is sunny, and will stay so.")

SCENARIOS = [
    Scenario(model="short", steps=(SHORT,)),
    Scenario(model="long", steps=(LONG,)),
    Scenario(model="slow", steps=(SHORT,), sending=Sending(interval=0.01)),
    Scenario(model="crumbs", steps=(Thinking("Hm."), SHORT), sending=Sending(cut_every=7)),
    Scenario(
        model="tools",
        steps=(SHORT, ToolCall("c1", "look", '{"city": "Oslo"}'), ToolCall("c2", "look", '{"city": "Lima"}')),
        finish=FinishReason.TOOL_CALLS,
    ),
    Scenario(model="comments", steps=(Comment("wait"), SHORT)),
    Scenario(model="silent", steps=(LONG,), faults=(Stall(after_events=20),)),
    Scenario(model="mute", steps=(SHORT,), faults=(Stall(),)),
    Scenario(model="reset", steps=(LONG,), faults=(Reset(after_events=10),)),
    Scenario(model="broken", steps=(LONG,), faults=(BreakHttp(after_events=2),)),
    Scenario(model="truncated", steps=(LONG,), faults=(Truncate(after_events=4),)),
    Scenario(model="garbled", steps=(LONG,), faults=(Garbage(after_events=4, data=b"data: {oops\n\n"),)),
    Scenario(model="overloaded", steps=(StreamError("Overloaded", "overloaded_error"),)),
    Scenario(model="unavailable", faults=(HttpError(status=503),)),
    Scenario(model="refused", faults=(HttpError(status=401),)),
]

_WHATS = (Break(), CutOff(), Hang(), Wait(0.05), b"garbage\r\n\r\n", Rewrite(lambda part: part[:-3]))


def faults_of(seed: int, network: int, connection: int) -> list[NetworkFault]:
    """What befalls a connection: mostly nothing."""
    dice = random.Random(f"{seed} {network} {connection}")
    if dice.random() > SHARE_OF_FAULTY_CONNECTIONS:
        return []
    part = dice.choice(list(Part))
    chunk = dice.randint(1, 12) if part is Part.CHUNK else None
    return [NetworkFault(part, dice.choice(_WHATS), at=dice.choice([0.0, 0.5, 1.0]), chunk=chunk)]


async def serve(seed: int) -> None:
    """Until standard input ends."""
    async with open_simulator(SCENARIOS) as simulator, trio.open_nursery() as nursery:
        urls = [
            await nursery.start(_serve_network, simulator.url, partial(faults_of, seed, network))
            for network in range(NETWORKS)
        ]
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        nursery.start_soon(_forget, simulator.requests)
        await trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())).receive_some()
        nursery.cancel_scope.cancel()


async def _serve_network(url, faults, *, task_status) -> None:
    async with open_faulty_proxy(url, faults) as proxy:
        task_status.started(proxy.url)
        await trio.sleep_forever()


async def _forget(requests: list[object]) -> None:
    while True:
        await trio.sleep(5)
        requests.clear()


if __name__ == "__main__":
    logging.disable()  # what clients do to it is the soak's business
    trio.run(serve, int(sys.argv[1]))
