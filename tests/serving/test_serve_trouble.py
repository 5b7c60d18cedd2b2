"""What callers may send, and what goes on when the service ends: nothing hangs, nothing is told that is nobody's."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext

import pytest
import trio
import trio.testing
from services import LONG, SCENARIOS, EventReader, ask, asked, begin, config_for, events_of, serving, working

from gestura import StreamingConfig, open_client
from gestura.chunks import Cancelled, Done, StreamChunk, Text, Thinking
from gestura.errors import ConfigError
from gestura.relay import LogUnreachable, Relay, RelaySettings, StreamState, open_relay
from gestura.relay.log import Order
from gestura.relay.memory import MemoryLog, MemoryQueue
from gestura.serve_settings import ServeSettings
from gestura.serving import open_server
from gestura.simulator import Scenario, Stall, open_simulator
from gestura.transport._loop import open_loop

pytestmark = pytest.mark.timeout(60)

DEEP = b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"

BODIES = (
    b"",
    b"null",
    b"[]",
    b'"prompt"',
    b"{",
    b'{"prompt": "Hi"',
    b'{"prompt": NaN}',
    b"\xff\xfe",
    b'{"prompt": "\xff"}',
    b'{"prompt": "\\ud800"}',
    b'{"prompt": ""}' * 2,
    DEEP,
    b'{"prompt": "Hi", "sampling": {"seed": ' + b"9" * 5000 + b"}}",
    b'{"prompt": "Hi", "sampling": {"temperature": 1e999}}',
    b'{"prompt": "Hi", "' + b"x" * 5000 + b'": 1}',
    b'{"messages": [{"role": "user", "parts": [{"type": "image", "data": "?"}]}]}',
    b'{"messages": [{"role": "user", "parts": [{"type": "image", "url": "file:///etc/passwd"}]}]}',
    b'{"prompt": "Hi", "provider": "openai\\u0000"}',
    b'{"prompt": "Hi", "provider": "' + b"p" * 5000 + b'"}',
)


async def test_no_body_is_too_strange(caplog: pytest.LogCaptureFixture) -> None:
    """Each is refused with an error that says why, in a few words; the service logs nothing and goes on."""
    async with serving() as world:
        for path in ("/v1/streams", "/v1/chat/completions"):
            for body in BODIES:
                reply = await ask(world.port, "POST", path, body)
                assert 400 == reply.status, body[:60]
                assert reply.json()["error"]["message"]
                assert len(reply.body) < 1000, body[:60]
        await begin(world.port)

        assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_large_bodies_are_refused() -> None:
    """As soon as they are too large, told or not; the limit is a setting."""
    async with serving(ServeSettings(port=0, max_body_bytes=10_000)) as world:
        body = {"prompt": "x" * 20_000}
        reply = await ask(world.port, "POST", "/v1/streams", body)

        assert (413, "too_large") == (reply.status, reply.json()["error"]["code"])

        gzip = await ask(world.port, "POST", "/v1/streams", b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

        assert 415 == gzip.status
        await begin(world.port)


async def test_a_slow_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a connection open by sending a body that never ends."""
    monkeypatch.setattr("gestura.serving.exchange.BODY_SECONDS", 0.2)
    async with serving() as world:
        headers = {"Content-Length": "100"}
        reply = await ask(world.port, "POST", "/v1/streams", b'{"prompt": ', headers=headers)

        assert (408, "slow_body") == (reply.status, reply.json()["error"]["code"])


async def test_without_trio_asyncio_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it can't be imported, as on Python 3.14, nothing is served, and the error says where it would be."""
    monkeypatch.setitem(sys.modules, "trio_asyncio", None)

    async with open_relay() as relay:
        with pytest.raises(ConfigError, match=r"Python 3\.11 to 3\.13"):
            async with open_server(relay, StreamingConfig(), ServeSettings(port=0)):
                pass


async def test_stray_errors_of_asyncio_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """They end neither the loop nor the program, and their message, which may hold a secret, is not in the log."""

    async def nothing() -> None:
        pass

    def stray() -> None:
        raise RuntimeError("secret")

    async with open_loop(nothing, without="") as loop:
        loop.call_soon(stray)
        await trio.testing.wait_all_tasks_blocked()

        assert ["RuntimeError" in caplog.text, "secret" in caplog.text] == [True, False]
        assert 7 == await loop.run_aio_coroutine(seven())


async def seven() -> int:
    return 7


async def test_broken_http_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """What is no HTTP gets a 400 at the most, and the connection closed; the log hears nothing of it."""
    async with serving() as world:
        secret = b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer my-secret\x00\r\n\r\n"
        for data in (
            secret,
            b"\x16\x03\x01\x02\x00\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ):
            async with await trio.open_tcp_stream("127.0.0.1", world.port) as stream:
                await stream.send_all(data)
                with trio.fail_after(10):
                    answer = await stream.receive_some(65536)
                assert b" 200 " not in answer.split(b"\r\n")[0]
        assert [] == [record.message for record in caplog.records if record.levelno >= logging.WARNING]
        await begin(world.port)


async def test_halves_of_a_surrogate_pair_get_through() -> None:
    """Whoever published such text: it comes as it is in the log, and breaks no stream."""

    async def cut() -> AsyncIterator[StreamChunk]:
        yield Text("a\ud83d")
        yield Thinking("apart, so that they are not joined")
        yield Text("\ude00b")
        yield Done()

    async with serving() as world:
        async with world.relay.publish("cut", cut()):
            pass
        events = await events_of(world.port, "cut")

        assert "a\ud83d\ude00b" == "".join(event.chunk.text for event in events if isinstance(event.chunk, Text))


async def test_health_and_readiness() -> None:
    """Alive while it answers; ready while it takes requests."""
    async with serving() as world:
        assert {"status": "ok"} == (await ask(world.port, "GET", "/healthz")).json()
        assert {"status": "ready"} == (await ask(world.port, "GET", "/readyz")).json()
        async with asked(world.port, "HEAD", "/healthz") as reply:
            assert 200 == reply.status

        world.server.refuse_new()

        assert 200 == (await ask(world.port, "GET", "/healthz")).status
        assert 503 == (await ask(world.port, "GET", "/readyz")).status
        reply = await ask(world.port, "POST", "/v1/streams", {"prompt": "Hi"})
        assert (503, "ending", "1") == (reply.status, reply.json()["error"]["code"], reply.headers["retry-after"])


class GoneLog(MemoryLog):
    """A log that does not answer."""

    async def state(self, stream_id: str) -> StreamState:
        raise LogUnreachable(f"redis-secret of {stream_id}")

    async def order(self, stream_id: str, order: Order) -> None:
        raise LogUnreachable(f"redis-secret of {stream_id}")


async def test_a_log_out_of_reach_is_told() -> None:
    """With 503 and when to come back, and none of what the log has to say; the process is healthy, but not ready."""
    async with (
        open_relay(log=GoneLog(), settings=RelaySettings(reach_seconds=0.05)) as relay,
        open_server(relay, StreamingConfig(), ServeSettings(port=0)) as server,
    ):
        port = int(server.url.rpartition(":")[2])
        assert 200 == (await ask(port, "GET", "/healthz")).status
        for method, path in (("GET", "/readyz"), ("GET", "/v1/streams/anyone.x"), ("DELETE", "/v1/streams/anyone.x")):
            reply = await ask(port, method, path)
            assert (503, "log_unreachable") == (reply.status, reply.json()["error"]["code"])
            assert "1" == reply.headers["retry-after"]
            assert b"secret" not in reply.body


class LateLog(MemoryLog):
    """A log that does as it is told, and can't be heard before it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.is_gone = True

    async def begin(
        self,
        stream_id: str,
        *,
        publisher: str,
        about: bytes,
        keep_seconds: float,
        instead_of: StreamState | None = None,
    ) -> StreamState:
        state = await super().begin(
            stream_id, publisher=publisher, about=about, keep_seconds=keep_seconds, instead_of=instead_of
        )
        self.begun = stream_id
        self._check()
        return state

    async def order(self, stream_id: str, order: Order) -> None:
        self._check()
        await super().order(stream_id, order)

    def _check(self) -> None:
        if self.is_gone:
            raise LogUnreachable("gone")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/streams", {"prompt": "Hi"}),
        ("/v1/chat/completions", {"model": "sim", "messages": [{"role": "user", "content": "Hi"}]}),
    ],
)
async def test_who_begins_a_stream_is_soon_told_that_the_log_is_gone(
    path: str, body: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the relay would try for long; and what got in all the same is cancelled once the log is back."""
    monkeypatch.setattr("gestura.serving.service.ENTERING_SECONDS", 0.3)
    log = LateLog()
    async with (
        open_simulator(SCENARIOS) as simulator,
        open_relay(log=log, settings=RelaySettings(reach_seconds=30)) as relay,
        open_server(relay, config_for(simulator), ServeSettings(port=0)) as server,
    ):
        with trio.fail_after(5):
            reply = await ask(int(server.url.rpartition(":")[2]), "POST", path, body)

        assert (503, "log_unreachable") == (reply.status, reply.json()["error"]["code"])
        assert "1" == reply.headers["retry-after"]
        assert not (await relay.state(log.begun)).ended

        log.is_gone = False
        with trio.fail_after(5):
            async with relay.follow(log.begun) as chunks:
                assert [Cancelled] == [type(chunk) async for chunk in chunks]


async def test_metrics() -> None:
    """Requests by endpoint and status, streams, chunks and endings, in Prometheus's text format; no stream is named."""
    async with serving() as world:
        stream_id = await begin(world.port)
        events = await events_of(world.port, stream_id)
        await ask(world.port, "GET", "/v1/streams/anyone.none")
        async with asked(world.port, "GET", f"/v1/streams/{await begin(world.port, model='long')}") as left:
            await EventReader(left).next()
            running = (await ask(world.port, "GET", "/metrics")).body.decode().splitlines()
        await trio.sleep(0.2)
        reply = await ask(world.port, "GET", "/metrics")
        lines = reply.body.decode().splitlines()

        assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "gestura_streams_begun_total 2.0" in lines
        assert len(events) <= next(float(line.split()[1]) for line in lines if line.startswith("gestura_chunks_sent_t"))
        assert 'gestura_requests_total{endpoint="GET /v1/streams/{id}",status="broken off"} 1.0' in lines
        assert 'gestura_endings_sent_total{error="",kind="Done"} 1.0' in lines
        assert "gestura_log_up 1.0" in lines
        assert "gestura_streams_running 1.0" in running
        assert "gestura_streams_waiting 0.0" in lines
        assert "gestura_first_chunk_seconds_count 2.0" in lines
        assert "gestura_stream_seconds_count 1.0" in lines
        assert not [line for line in lines if "_created" in line]
        assert 'gestura_requests_total{endpoint="POST /v1/streams",status="201"} 2.0' in lines
        assert 'gestura_requests_total{endpoint="GET /v1/streams/{id}",status="404"} 1.0' in lines
        assert "gestura_following 0.0" in lines
        assert stream_id not in reply.body.decode()


async def test_metrics_tell_that_the_log_is_gone() -> None:
    """Whoever asks for them gets them all the same."""

    class GoneQueue(MemoryQueue):
        async def waiting(self) -> int:
            raise LogUnreachable("gone")

    async with (
        open_relay(log=GoneLog(), queue=GoneQueue()) as relay,
        open_server(relay, StreamingConfig(), ServeSettings(port=0)) as server,
    ):
        reply = await ask(int(server.url.rpartition(":")[2]), "GET", "/metrics")

        assert 200 == reply.status
        assert {"gestura_log_up 0.0", "gestura_streams_waiting NaN"} <= set(reply.body.decode().splitlines())


async def test_streams_end_with_an_ending_when_the_service_does() -> None:
    """All is in memory, so they end with the process: their followers are told, and no connection just breaks."""
    ends: list[object] = []
    bodies: list[bytes] = []

    async def follow(port: int, stream_id: str, *, task_status: trio.TaskStatus[None]) -> None:
        async with asked(port, "GET", f"/v1/streams/{stream_id}") as reply:
            reader = EventReader(reply)
            await reader.next()
            task_status.started()
            ends.append((await reader.all())[-1].chunk)

    async def chat(port: int, *, task_status: trio.TaskStatus[None]) -> None:
        body = {"model": "sim/slow", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        async with asked(port, "POST", "/v1/chat/completions", body) as reply:
            await reply.more()
            task_status.started()
            bodies.append((await reply.whole()).body)

    slow = Scenario(model="slow", steps=(Text(LONG),), faults=(Stall(after_events=4),))
    async with (
        open_simulator([slow, *SCENARIOS]) as simulator,
        open_relay() as relay,
        open_client(config_for(simulator)) as client,
        working(relay, client),
        trio.open_nursery() as nursery,
    ):
        with trio.fail_after(20):
            async with open_server(relay, config_for(simulator), ServeSettings(port=0)) as server:
                port = int(server.url.rpartition(":")[2])
                await nursery.start(follow, port, await begin(port, model="slow"))
                await nursery.start(chat, port)

    assert [Cancelled] == [type(each) for each in ends]
    assert b'"code":"cancelled"' in bodies[0]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_left_early_it_closes_at_once(cancelled: bool) -> None:
    """By an exception, which comes out as it was, or by cancellation: nothing runs on, and the port is free again."""
    slow = Scenario(model="slow", steps=(Text(LONG),), faults=(Stall(after_events=4),))

    class Leave(Exception):
        pass

    port = 0

    async def leave_amid_an_answer(relay: Relay, config: StreamingConfig) -> None:
        nonlocal port
        with trio.fail_after(5):
            async with open_server(relay, config, ServeSettings(port=0)) as server:
                port = int(server.url.rpartition(":")[2])
                async with asked(port, "GET", f"/v1/streams/{await begin(port, model='slow')}") as reply:
                    await reply.more()
                    if not cancelled:
                        raise Leave
                    scope.cancel()
                    await trio.sleep_forever()

    async with (
        open_simulator([slow]) as simulator,
        open_relay() as relay,
        open_client(config_for(simulator)) as client,
        working(relay, client),
    ):
        with trio.CancelScope() as scope, nullcontext() if cancelled else pytest.raises(Leave):
            await leave_amid_an_answer(relay, config_for(simulator))
        assert cancelled is scope.cancelled_caught
        with pytest.raises(OSError):
            await trio.open_tcp_stream("127.0.0.1", port)
        async with open_server(relay, config_for(simulator), ServeSettings(port=port)) as again:
            assert str(port) in again.url


async def test_a_hundred_followers_of_whom_half_leave() -> None:
    """Those who stay have every chunk, once; those who leave cost nobody anything."""
    endings: list[object] = []

    async def follow(port: int, stream_id: str, leaves: bool) -> None:
        async with asked(port, "GET", f"/v1/streams/{stream_id}") as reply:
            reader = EventReader(reply)
            events = [await reader.next()]
            if not leaves:
                events += await reader.all()
                assert [number + 1 for number in range(len(events))] == [int(each.id.split("-")[1]) for each in events]
                assert LONG == "".join(each.chunk.text for each in events if isinstance(each.chunk, Text))
                endings.append(events[-1].chunk)

    async with serving() as world:
        stream_id = await begin(world.port, model="long")
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(follow, world.port, stream_id, bool(number % 2))

    assert [Done] * 50 == [type(each) for each in endings]
