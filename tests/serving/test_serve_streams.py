"""gestura's own interface over real sockets: begin, follow, reconnect, cancel, pause, resume."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from services import LONG, EventReader, ask, asked, begin, events_of, serving, text_of

from gestura import StreamingConfig
from gestura.chunks import Cancelled, Done, Paused, Status, StreamChunk, Text, Thinking
from gestura.relay import RelaySettings, open_relay
from gestura.relay.log import Entry, Position
from gestura.relay.memory import MemoryLog
from gestura.serve_settings import ServeSettings
from gestura.serving import open_server

pytestmark = pytest.mark.timeout(60)


async def test_a_stream_is_begun_and_followed_to_its_ending() -> None:
    """POST gives its name and address; GET gives its chunks, each with its position, the ending last."""
    async with serving() as world:
        reply = await ask(world.port, "POST", "/v1/streams", {"prompt": "Hi"})

        assert 201 == reply.status
        assert reply.headers["location"] == reply.json()["url"] == f"/v1/streams/{reply.json()['id']}"

        events = await events_of(world.port, reply.json()["id"])

        assert "Hello, world!" == text_of(events)
        assert isinstance(events[-1].chunk, Done)
        assert [number + 1 for number in range(len(events))] == [int(event.id.split("-")[1]) for event in events]


async def test_a_caller_who_accepts_events_has_them_at_once() -> None:
    """POST with Accept: text/event-stream answers with the events themselves, and where to find them again."""
    async with serving() as world:
        reply = await ask(world.port, "POST", "/v1/streams", {"prompt": "Hi"}, headers={"Accept": "text/event-stream"})

        assert (200, "text/event-stream; charset=utf-8") == (reply.status, reply.headers["content-type"])

        again = await events_of(world.port, reply.headers["location"].rpartition("/")[2])

        assert reply.body.count(b"\nid: ") == len(again)
        assert "Hello, world!" == text_of(again)


async def test_a_reader_may_come_back_behind_every_event() -> None:
    """Wherever the connection was lost, Last-Event-ID goes on with the next chunk: none is missed, none comes twice."""
    async with serving() as world:
        stream_id = await begin(world.port)
        whole = await events_of(world.port, stream_id)
        for place, event in enumerate(whole[:-1]):
            assert whole[place + 1 :] == await events_of(world.port, stream_id, event.id)

        by_query = await ask(world.port, "GET", f"/v1/streams/{stream_id}?after={whole[0].id}")

        assert by_query.body.count(b"\nid: ") == len(whole) - 1


async def test_a_reader_who_has_the_ending_is_told_not_to_come_back() -> None:
    """204 is what makes a browser's EventSource give up."""
    async with serving() as world:
        stream_id = await begin(world.port)
        whole = await events_of(world.port, stream_id)
        reply = await ask(world.port, "GET", f"/v1/streams/{stream_id}", headers={"Last-Event-ID": whole[-1].id})

        assert (204, b"") == (reply.status, reply.body)


async def test_a_follower_who_leaves_leaves_the_stream_running() -> None:
    """Who comes back finds the whole answer."""
    async with serving() as world:
        stream_id = await begin(world.port, model="long")
        async with asked(world.port, "GET", f"/v1/streams/{stream_id}") as reply:
            first = await EventReader(reply).next()
        events = await events_of(world.port, stream_id)

        assert first == events[0]
        assert text_of(events) == LONG
        assert isinstance(events[-1].chunk, Done)


async def test_a_stream_is_cancelled() -> None:
    """DELETE ends it with what was said so far, for all who follow."""
    async with serving() as world:
        stream_id = await begin(world.port, model="long")
        async with asked(world.port, "GET", f"/v1/streams/{stream_id}") as reply:
            reader = EventReader(reply)
            events = [await reader.next()]
            order = await ask(world.port, "DELETE", f"/v1/streams/{stream_id}")
            events += await reader.all()

        assert 202 == order.status
        assert isinstance(events[-1].chunk, Cancelled)
        assert events[-1].chunk.partial.text == text_of(events)


async def test_a_stream_is_paused_and_goes_on() -> None:
    """POST …/pause ends it with `Paused`; POST …/resume asks for the rest, as a new stream."""
    async with serving() as world:
        stream_id = await begin(world.port, model="long")
        async with asked(world.port, "GET", f"/v1/streams/{stream_id}") as reply:
            reader = EventReader(reply)
            events = [await reader.next()]
            order = await ask(world.port, "POST", f"/v1/streams/{stream_id}/pause")
            events += await reader.all()

        assert 202 == order.status
        assert isinstance(events[-1].chunk, Paused)

        reply = await ask(world.port, "POST", f"/v1/streams/{stream_id}/resume")

        assert 201 == reply.status
        assert isinstance((await events_of(world.port, reply.json()["id"]))[-1].chunk, Done)
        shown = world.simulator.requests[-1].body["messages"][1]
        assert {"role": "assistant", "content": text_of(events)} == shown

        done = await ask(world.port, "POST", f"/v1/streams/{reply.json()['id']}/resume")

        assert (409, "the stream is complete: there is nothing to go on with") == (
            done.status,
            done.json()["error"]["message"],
        )


async def test_silence_is_filled_with_comments() -> None:
    """While nothing is said, a comment comes now and then, so that nothing between takes the connection for dead."""
    async with serving(ServeSettings(port=0, heartbeat=0.05), worker=False) as world:
        stream_id = await begin(world.port)
        async with asked(world.port, "GET", f"/v1/streams/{stream_id}") as reply:
            with trio.fail_after(10):
                while reply.body.count(b":\n\n") < 3:
                    await reply.more()

        assert reply.body.startswith(b"retry: 1000\n\n:\n\n")


async def much(pieces: int, size: int) -> AsyncIterator[StreamChunk]:
    """More than the buffers of any connection hold; calls between, so that no texts are joined."""
    for number in range(pieces):
        yield Text("x" * size)
        yield Status(str(number))
    yield Done()


async def test_a_slow_reader_holds_up_nobody() -> None:
    """One follower reads nothing for long; another has all of it meanwhile, and then the first has it, too."""
    async with serving() as world:
        async with (
            world.relay.publish("much", much(400, 50_000)),
            asked(world.port, "GET", "/v1/streams/much") as slow,
        ):
            quick = await events_of(world.port, "much")

            assert 400 * 50_000 == len(text_of(quick))
            assert 0 == len(slow.body)

            with trio.fail_after(30):
                late = await EventReader(slow).all()

        assert text_of(late) == text_of(quick)
        assert late[-1] == quick[-1]


async def test_who_reads_nothing_for_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is broken off, not ended; behind the last event that was read, the reader goes on."""

    async def wait_until_left() -> None:
        with trio.fail_after(30):
            while True:
                if b'status="broken off"} 1.0' in (await ask(world.port, "GET", "/metrics")).body:
                    return
                await trio.sleep(0.05)

    async with serving() as world, world.relay.publish("much", much(400, 50_000)):
        with monkeypatch.context() as impatient:
            impatient.setattr("gestura.serving.exchange.WRITE_SECONDS", 1.0)
            async with asked(world.port, "GET", "/v1/streams/much") as reply:
                reader = EventReader(reply)
                events = [await reader.next()]
                await wait_until_left()
                with pytest.raises((EOFError, OSError)):
                    await reader.all()
        rest = await events_of(world.port, "much", events[-1].id)

        assert 400 * 50_000 == len(text_of([*events, *rest]))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/streams/anyone.nothing", 404),
        ("/v1/streams/" + "x" * 300, 404),
        ("/v1/streams/%00", 404),
        ("/v1/streams/a%20b", 404),
        ("/nowhere", 404),
        ("/v1/streams/anyone.nothing?after=soon", 400),
    ],
)
async def test_what_is_not_there_is_told(path: str, status: int) -> None:
    """An unknown stream, an address that leads nowhere and a position that is none have an error each."""
    async with serving() as world:
        reply = await ask(world.port, "GET", path)

        assert status == reply.status
        assert reply.json()["error"]["message"]


async def test_a_position_behind_the_end_is_told() -> None:
    """There is nothing to wait for."""
    async with serving(worker=False) as world:
        stream_id = await begin(world.port)
        reply = await ask(world.port, "GET", f"/v1/streams/{stream_id}?after=1-99")

        assert (400, "after") == (reply.status, reply.json()["error"]["param"])


class WornLog(MemoryLog):
    """A log whose second entry can't be read any more, or is there no more."""

    def __init__(self, payload: bytes | None) -> None:
        super().__init__()
        self._payload = payload

    async def read(self, stream_id: str, after: Position, *, most: int) -> list[Entry]:
        entries = await super().read(stream_id, after, most=most)
        worn = [each if each.position.number == 1 else attrs.evolve(each, payload=self._payload) for each in entries]
        return [each for each in worn if each.payload is not None]


@pytest.mark.parametrize(("payload", "code"), [(b"?", "unreadable"), (None, "stream_lost")])
async def test_an_ending_of_one_follower_has_no_id(payload: bytes | None, code: str) -> None:
    """It stands nowhere in the stream; a browser that goes on behind the chunk before comes back, but seldom."""

    async def chunks() -> AsyncIterator[StreamChunk]:
        yield Text("a")
        yield Thinking("b")
        yield Done()

    async with (
        open_relay(log=WornLog(payload), settings=RelaySettings(dead_after=0.4, beat_seconds=0.1)) as relay,
        open_server(relay, StreamingConfig(), ServeSettings(port=0)) as server,
    ):
        async with relay.publish("worn", chunks()):
            pass
        body = (await ask(int(server.url.rpartition(":")[2]), "GET", "/v1/streams/worn")).body.decode()

    *before, first, retry, last, end = body.split("\n\n")
    assert ["retry: 1000"] == before
    assert first.startswith("id: 1-1\n")
    assert "retry: 60000" == retry
    assert last.startswith('data: {"type":"error"')
    assert f'"code":"{code}"' in last
    assert "" == end
