"""The scripted transport plays what its script says, in Trio's time, and remembers what became of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, assert_checkpoints

from gestura.errors import TransportError
from gestura.transport import HttpRequest, HttpResponse
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait

REQUEST = HttpRequest(url="https://api.example/v1/chat")


async def read_all(response: HttpResponse) -> list[bytes]:
    reads = []
    while data := await response.receive_some():
        reads.append(data)
    return reads


def not_called() -> None:
    raise AssertionError("the connection must not stand")


async def test_head_and_body_are_as_scripted() -> None:
    """Status, headers in any case, and one read for each bytes of the script."""
    transport = ScriptedTransport([ScriptedExchange(status=503, headers={"Retry-After": "3"}, body=[b"over", b"load"])])
    connected = []

    async with transport.open(REQUEST, on_connect=lambda: connected.append(True)) as response:
        assert (response.status, response.headers["retry-after"]) == (503, "3")
        assert await read_all(response) == [b"over", b"load"]
        assert await response.receive_some() == b""

    (record,) = transport.exchanges
    assert connected == [True]
    assert (record.request, record.bytes_taken, record.ended, record.closed) == (REQUEST, 8, True, True)


async def test_waits_are_virtual_time(autojump_clock: MockClock) -> None:
    """Connecting, answering and the body each take the time that the script says."""
    script = ScriptedExchange(connecting=[Wait(5)], answering=[Wait(60)], body=[b"a", Wait(100), b"b"])
    moments = []

    async with ScriptedTransport([script]).open(REQUEST, on_connect=lambda: moments.append(trio.current_time())) as got:
        moments.append(trio.current_time())
        while await got.receive_some():
            moments.append(trio.current_time())

    assert moments == [5, 65, 65, 165]


async def test_the_server_does_not_wait_for_a_slow_reader(autojump_clock: MockClock) -> None:
    """What was due while nobody read is there at once."""
    script = ScriptedExchange(body=[b"a", Wait(10), b"b", Wait(10), b"c"])

    async with ScriptedTransport([script]).open(REQUEST, on_connect=lambda: None) as response:
        await trio.sleep(15)
        assert await response.receive_some() == b"a"
        assert await response.receive_some() == b"b"
        assert trio.current_time() == 15
        assert await response.receive_some() == b"c"
        assert trio.current_time() == 20


@pytest.mark.parametrize(
    ("script", "connects"),
    [
        (ScriptedExchange(connecting=[Break("refused")]), False),
        (ScriptedExchange(connecting=[Wait(1), Break("refused")]), False),
        (ScriptedExchange(answering=[Break("refused")]), True),
        (ScriptedExchange(body=[b"x", Break("refused")]), True),
    ],
)
async def test_a_break_is_a_transport_error(
    autojump_clock: MockClock, script: ScriptedExchange, connects: bool
) -> None:
    """A connection breaks where the script says, before it stands or after, with the script's words."""
    transport = ScriptedTransport([script])

    with pytest.raises(TransportError, match="refused"):
        async with transport.open(REQUEST, on_connect=lambda: None) as response:
            await read_all(response)

    assert (transport.exchanges[0].connected, transport.exchanges[0].closed) == (connects, True)


@pytest.mark.parametrize(
    "script",
    [
        ScriptedExchange(connecting=[Hang()]),
        ScriptedExchange(answering=[Hang()]),
        ScriptedExchange(body=[Hang()]),
        ScriptedExchange(body=[b"x", Hang()]),
    ],
)
async def test_a_hang_can_be_cancelled_anywhere(autojump_clock: MockClock, script: ScriptedExchange) -> None:
    """A deadline ends a server that is silent for ever, and the exchange is closed."""
    transport = ScriptedTransport([script])

    with trio.move_on_after(30) as scope:
        async with transport.open(REQUEST, on_connect=lambda: None) as response:
            await read_all(response)

    assert scope.cancelled_caught
    assert trio.current_time() == 30
    assert transport.exchanges[0].closed
    assert not transport.exchanges[0].ended


@given(
    st.lists(st.binary(max_size=8) | st.builds(Wait, st.floats(0, 9, allow_nan=False)), max_size=9),
    st.lists(st.floats(0.01, 20), max_size=9),
)
def test_a_cancelled_read_loses_nothing(body: Sequence[bytes | Wait], deadlines: Sequence[float]) -> None:
    """However often reads are cut short by deadlines, the body is complete and on time."""
    sent = b"".join(step for step in body if isinstance(step, bytes))
    duration = sum(step.seconds for step in body if isinstance(step, Wait))

    async def read_impatiently() -> bytes:
        got = b""
        async with ScriptedTransport([ScriptedExchange(body=body)]).open(REQUEST, on_connect=lambda: None) as response:
            for seconds in deadlines:
                with trio.move_on_after(seconds):
                    got += await response.receive_some()
            got += b"".join(await read_all(response))
            assert trio.current_time() >= duration
        return got

    assert trio.run(read_impatiently, clock=MockClock(autojump_threshold=0)) == sent


async def test_no_read_is_larger_than_a_real_one() -> None:
    """Reads are 64 KiB at most, as over a socket, and what is taken is counted as it is taken."""
    transport = ScriptedTransport([ScriptedExchange(body=[bytes(150_000)])])

    async with transport.open(REQUEST, on_connect=lambda: None) as response:
        assert len(await response.receive_some()) == 65536
        assert transport.exchanges[0].bytes_taken == 65536
        assert [len(data) for data in await read_all(response)] == [65536, 18928]


async def test_scripts_are_played_in_turn_and_run_out() -> None:
    """One exchange for each request; a request too many is a mistake of the test, and says so."""
    transport = ScriptedTransport([ScriptedExchange(status=500), ScriptedExchange(status=200)])

    for expected in (500, 200):
        async with transport.open(REQUEST, on_connect=lambda: None) as response:
            assert response.status == expected
    with pytest.raises(AssertionError, match="no exchange left"):
        async with transport.open(REQUEST, on_connect=not_called):
            pass


async def test_a_function_plays_several_hosts() -> None:
    """The script may depend on the request: one host is down, the other answers, as often as they are asked."""

    def choose(request: HttpRequest) -> ScriptedExchange:
        return ScriptedExchange(connecting=[Break()]) if "down" in request.url else ScriptedExchange(body=[b"hi"])

    transport = ScriptedTransport(choose)
    for _ in range(2):
        with pytest.raises(TransportError):
            async with transport.open(HttpRequest(url="https://down.example"), on_connect=not_called):
                pass
        async with transport.open(HttpRequest(url="https://up.example"), on_connect=lambda: None) as response:
            assert await read_all(response) == [b"hi"]

    assert [record.connected for record in transport.exchanges] == [False, True, False, True]


async def test_every_call_is_a_checkpoint() -> None:
    """A read yields to other tasks even when the bytes, or the end, are there already."""
    async with ScriptedTransport([ScriptedExchange(body=[b"x"])]).open(REQUEST, on_connect=lambda: None) as response:
        with assert_checkpoints():
            await response.receive_some()
        with assert_checkpoints():
            await response.receive_some()


async def test_a_closed_response_is_not_read() -> None:
    """After its block a response gives nothing more."""
    async with ScriptedTransport([ScriptedExchange(body=[b"x"])]).open(REQUEST, on_connect=lambda: None) as response:
        pass

    with pytest.raises(trio.ClosedResourceError):
        await response.receive_some()
