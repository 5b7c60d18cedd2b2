"""Check that a transport of your own keeps what gestura builds on, over real sockets on loopback.

    async def test_my_transport():
        async with open_my_transport() as transport:
            await check_transport(transport)

For a transport that can reach 127.0.0.1 over plain HTTP. It takes a second of real time: don't run it under a clock
that jumps.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import trio

from gestura.chunks import Text
from gestura.errors import TransportError
from gestura.simulator.faults import BreakHttp, Fault, HttpError, Reset, Stall
from gestura.simulator.scenario import Scenario, Sending
from gestura.simulator.seen import Outcome
from gestura.transport import HttpRequest, Transport

if TYPE_CHECKING:
    from gestura.simulator.server import Simulator

__all__ = ["check_transport"]

PATIENCE: Final = 10.0
"""Seconds for each check, all of which take a fraction of one."""

SILENCE: Final = 0.05
"""Seconds of a server's silence before a call is cancelled."""

ANSWER: Final = Text("word " * 40_000)
"""Longer than any read."""

SECRET: Final = "sk-secret-of-the-check"  # nobody's


def _scenario(model: str, *faults: Fault) -> Scenario:
    return Scenario(model=model, steps=(ANSWER,), sending=Sending(characters_per_event=4000), faults=faults)


SCENARIOS: Final = (
    _scenario("whole"),
    _scenario("refused", HttpError(status=418, headers={"X-Reason": "teapot"})),
    _scenario("moved", HttpError(status=307, headers={"Location": "/v1/chat/completions"})),
    _scenario("reset", Reset(after_bytes=5000)),
    _scenario("broken", BreakHttp(after_bytes=5000)),
    _scenario("silent", Stall()),
    _scenario("falls silent", Stall(after_bytes=5000)),
)


async def check_transport(transport: Transport) -> None:
    """Check that `transport` reads whole bodies, tells what breaks, follows nothing, and lets go at once.

    Raises:
        AssertionError: it does not; the message says what should hold.
    """
    from gestura.simulator.opening import open_simulator

    async with open_simulator(SCENARIOS) as simulator:
        for check in _CHECKS:
            with trio.move_on_after(PATIENCE) as patience:
                try:
                    await check(transport, simulator)
                except AssertionError:
                    raise
                except Exception as error:
                    raise AssertionError(f"{check.__doc__} Raised: {error!r}") from error
            if patience.cancelled_caught:
                raise AssertionError(f"after {PATIENCE:g} s it was still not so: {check.__doc__}")


def _request(simulator: Simulator, model: str) -> HttpRequest:
    body = json.dumps({"model": model, "messages": []}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    return HttpRequest(url=f"{simulator.url}/v1/chat/completions", headers=headers, body=body)


def _require(holds: bool, check: Callable[..., object], found: object) -> None:
    if not holds:
        raise AssertionError(f"{check.__doc__} Found: {found!r}")


async def _reads_whole_bodies(transport: Transport, simulator: Simulator) -> None:
    """A body is read whole, in reads of 1 to 65,536 bytes, and ends with an empty one."""
    reads = []
    async with transport.open(_request(simulator, "whole"), on_connect=lambda: None) as response:
        while data := await response.receive_some():
            reads.append(data)
    sizes = sorted(map(len, reads))
    _require(sizes[-1] <= 65_536, _reads_whole_bodies, sizes)
    _require(sum(sizes) == simulator.requests[-1].bytes_sent, _reads_whole_bodies, sum(sizes))
    _require(reads[-1].endswith(b"data: [DONE]\n\n"), _reads_whole_bodies, reads[-1][-20:])


async def _hands_over_in_order(transport: Transport, simulator: Simulator) -> None:
    """What is handed over and what is read are together the body, in order: a piece that was not taken is read."""
    pieces: list[bytes] = []

    def take_every_other(data: bytes) -> bool:
        is_taken = len(pieces) % 2 == 1
        if is_taken:
            pieces.append(data)
        return is_taken

    async with transport.open(_request(simulator, "whole"), on_connect=lambda: None) as response:
        if hand_over_to := getattr(response, "hand_over_to", None):
            hand_over_to(take_every_other)
        while data := await response.receive_some():
            pieces.append(data)
    body = b"".join(pieces)
    events = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: {")]
    texts = [choice["delta"].get("content") or "" for event in events for choice in json.loads(event)["choices"]]
    _require(len(body) == simulator.requests[-1].bytes_sent, _hands_over_in_order, len(body))
    _require("".join(texts) == ANSWER.text, _hands_over_in_order, texts)


async def _tells_of_the_connection(transport: Transport, simulator: Simulator) -> None:
    """`on_connect` is called once, before the head of the response is there."""
    calls: list[str] = []
    async with transport.open(_request(simulator, "whole"), on_connect=lambda: calls.append("connected")):
        calls.append("answered")
    _require(calls == ["connected", "answered"], _tells_of_the_connection, calls)


async def _gives_refusals(transport: Transport, simulator: Simulator) -> None:
    """A status that is no success is given as it is, with its headers by name in any case, and its body."""
    async with transport.open(_request(simulator, "refused"), on_connect=lambda: None) as response:
        found = response.status, response.headers.get("x-rEASON"), await response.receive_some()
    _require(found[:2] == (418, "teapot") and b"simulator" in found[2], _gives_refusals, found)


async def _follows_nothing(transport: Transport, simulator: Simulator) -> None:
    """A redirect is given as it is: the key goes nowhere else."""
    before = len(simulator.requests)
    async with transport.open(_request(simulator, "moved"), on_connect=lambda: None) as response:
        found = response.status, len(simulator.requests) - before
    _require(found == (307, 1), _follows_nothing, found)


async def _tells_of_a_reset(transport: Transport, simulator: Simulator) -> None:
    """A connection that is reset raises `TransportError`, without a word of the headers."""
    await _breaks(transport, simulator, "reset", _tells_of_a_reset)


async def _tells_of_a_broken_body(transport: Transport, simulator: Simulator) -> None:
    """A body that ends before HTTP says so raises `TransportError`; it is no clean end."""
    await _breaks(transport, simulator, "broken", _tells_of_a_broken_body)


async def _breaks(transport: Transport, simulator: Simulator, model: str, check: Callable[..., object]) -> None:
    got = 0
    try:
        async with transport.open(_request(simulator, model), on_connect=lambda: None) as response:
            while data := await response.receive_some():
                got += len(data)
    except TransportError as error:
        _require(SECRET not in f"{error!r} {error.__cause__!r} {error.__context__!r}", check, "the key")
    else:
        _require(False, check, f"a clean end after {got} bytes")


async def _tells_of_no_connection(transport: Transport, _simulator: Simulator) -> None:
    """Where nobody listens, `TransportError` is raised, and `on_connect` not called."""
    listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener[0].socket.getsockname()[1]
    await listener[0].aclose()
    calls: list[None] = []
    try:
        async with transport.open(
            HttpRequest(url=f"http://127.0.0.1:{port}/"), on_connect=lambda: calls.append(None)
        ) as response:
            _require(False, _tells_of_no_connection, response)
    except TransportError:
        _require(not calls, _tells_of_no_connection, "a call of `on_connect`")


async def _lets_go_when_left(transport: Transport, simulator: Simulator) -> None:
    """Leaving the block closes the connection of a body that is not read to its end."""
    async with transport.open(_request(simulator, "falls silent"), on_connect=lambda: None) as response:
        await response.receive_some()
    outcome = await simulator.requests[-1].ended()
    _require(outcome is Outcome.CLIENT_LEFT, _lets_go_when_left, outcome)


async def _lets_go_before_the_head(transport: Transport, simulator: Simulator) -> None:
    """Cancelled while the server is silent before its response, it closes the connection."""
    with trio.move_on_after(SILENCE) as scope:
        async with transport.open(_request(simulator, "silent"), on_connect=lambda: None) as response:
            _require(False, _lets_go_before_the_head, response)
    outcome = await simulator.requests[-1].ended()
    _require(scope.cancelled_caught and outcome is Outcome.CLIENT_LEFT, _lets_go_before_the_head, outcome)


async def _lets_go_inside_the_body(transport: Transport, simulator: Simulator) -> None:
    """Cancelled while the server is silent in the middle of a body, it closes the connection."""
    with trio.move_on_after(SILENCE) as scope:
        async with transport.open(_request(simulator, "falls silent"), on_connect=lambda: None) as response:
            while True:
                await response.receive_some()
    outcome = await simulator.requests[-1].ended()
    _require(scope.cancelled_caught and outcome is Outcome.CLIENT_LEFT, _lets_go_inside_the_body, outcome)


_CHECKS: Final[tuple[Callable[[Transport, Simulator], Awaitable[None]], ...]] = (
    _reads_whole_bodies,
    _hands_over_in_order,
    _tells_of_the_connection,
    _gives_refusals,
    _follows_nothing,
    _tells_of_a_reset,
    _tells_of_a_broken_body,
    _tells_of_no_connection,
    _lets_go_when_left,
    _lets_go_before_the_head,
    _lets_go_inside_the_body,
)
