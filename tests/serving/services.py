"""What the tests of the service share: a simulated provider, a relay, a service in front of it, and whoever asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from gestura import Client, Limits, ProviderSettings, RetryPolicy, StreamingConfig, from_json, open_client
from gestura._actors.groups import bare_errors
from gestura.chunks import StreamChunk, Text, Thinking
from gestura.relay import Relay, Worker, open_relay
from gestura.serve_settings import ServeSettings
from gestura.serving import Server, open_server
from gestura.simulator import Scenario, Sending, Simulator, ToolCall, open_simulator
from gestura.stages.sse import SseFramer
from gestura.usage import TokenUsage

SLOW = Sending(interval=0.02)
WORDS = tuple(f"word{number}" for number in range(40))
LONG = " ".join(WORDS)
USAGE = TokenUsage(input_tokens=7, output_tokens=9, total_tokens=16)

SCENARIOS = (
    Scenario(model="hello", steps=(Text("Hello, "), Text("world!")), usage=USAGE),
    Scenario(model="long", steps=(Text(LONG),), sending=SLOW),
    Scenario(
        model="tools",
        steps=(
            Thinking("Let me see."),
            Text("I look."),
            ToolCall("call_1", "get_weather", '{"city": "Oslo"}'),
            ToolCall("call_2", "get_weather", '{"city": "Lima"}'),
        ),
        usage=USAGE,
    ),
)


@attrs.frozen
class World:
    """A running service and what is behind it."""

    server: Server
    relay: Relay
    simulator: Simulator
    config: StreamingConfig

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])


def config_for(simulator: Simulator) -> StreamingConfig:
    """One provider, the simulated one, whose own model says hello."""
    settings = ProviderSettings(kind="openai_chat", model="hello", base_url=simulator.url, api_key="provider-secret")
    return StreamingConfig(
        primary="sim", providers={"sim": settings}, retry=RetryPolicy(max_attempts=1), limits=Limits()
    )


@asynccontextmanager
async def serving(
    settings: ServeSettings | None = None, *, scenarios: Sequence[Scenario] = SCENARIOS, worker: bool = True
) -> AsyncIterator[World]:
    """A service over memory, on a free port."""
    async with (
        open_simulator(scenarios) as simulator,
        open_relay() as relay,
        open_client(config_for(simulator)) as client,
        working(relay, client if worker else None),
        open_server(relay, config_for(simulator), settings or ServeSettings(port=0)) as server,
    ):
        yield World(server, relay, simulator, config_for(simulator))


@asynccontextmanager
async def working(relay: Relay, client: Client | None) -> AsyncIterator[None]:
    """A worker that runs what is asked; none where there is no client."""
    with bare_errors():
        async with trio.open_nursery() as nursery:
            if client is not None:
                nursery.start_soon(Worker(client, relay).serve)
            yield
            nursery.cancel_scope.cancel()


@attrs.define
class Reply:
    """An answer over HTTP: its head, and its body as far as it was read."""

    status: int
    headers: dict[str, str]
    stream: trio.SocketStream
    body: bytes = b""
    ended: bool = False
    _raw: bytearray = attrs.field(factory=bytearray, alias="raw")

    def json(self) -> Any:
        return json.loads(self.body)

    async def more(self) -> bytes:
        """The next piece of the body; empty at its end, which a connection that breaks off is not."""
        while not self.ended:
            chunked = self.headers.get("transfer-encoding") == "chunked"
            piece = self._chunk() if chunked else self._counted()
            if piece or self.ended:
                self.body += piece
                return piece
            data = await self.stream.receive_some(65536)
            if not data:
                raise EOFError("the connection broke off")
            self._raw += data
        return b""

    def _chunk(self) -> bytes:
        size, found, rest = bytes(self._raw).partition(b"\r\n")
        if not found or len(rest) < (length := int(size, 16)) + 2:
            return b""
        self.ended = length == 0
        self._raw = bytearray(rest[length + 2 :])
        return rest[:length]

    def _counted(self) -> bytes:
        left = int(self.headers.get("content-length", 0)) - len(self.body)
        piece = bytes(self._raw[:left])
        del self._raw[:left]
        self.ended = len(piece) == left
        return piece

    async def whole(self) -> Reply:
        while await self.more():
            pass
        return self


@asynccontextmanager
async def asked(
    port: int, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
) -> AsyncIterator[Reply]:
    """Ask in plain HTTP/1.1, byte for byte, and read the head. Leaving the block closes the connection."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    told = {"Host": f"127.0.0.1:{port}"}
    if body is not None:
        told |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
    told |= headers or {}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in told.items())
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(head.encode() + b"\r\n" + data)
        raw = bytearray()
        while b"\r\n\r\n" not in raw:
            piece = await stream.receive_some(65536)
            if not piece:
                raise EOFError("no answer")
            raw += piece
        top, _, rest = bytes(raw).partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        yield Reply(int(first.split()[1]), fields, stream, raw=bytearray(rest))


async def ask(port: int, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Reply:
    """The whole answer."""
    with trio.fail_after(20):
        async with asked(port, method, path, body, headers=headers) as reply:
            return await reply.whole()


@attrs.define
class Event:
    """A server-sent event: a chunk and its id."""

    id: str
    chunk: StreamChunk


class EventReader:
    """Reads the events of a reply as they come: the data by gestura's own stage, the ids from the lines."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._framer = SseFramer(Limits())
        self._text = b""
        self._ready: list[Event] = []

    async def next(self) -> Event | None:
        """The next event; `None` at the end."""
        while not self._ready:
            piece = await self._reply.more()
            if not piece:
                return None
            frames = self._framer.feed([piece])
            ids = [line[4:].decode() for line in (self._text + piece).split(b"\n") if line.startswith(b"id: ")]
            self._ready += [
                Event(position, from_json(json.loads(frame.data))) for position, frame in zip(ids, frames, strict=True)
            ]
        return self._ready.pop(0)

    async def all(self) -> list[Event]:
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


async def begin(port: int, *, model: str = "hello", headers: dict[str, str] | None = None, **others: Any) -> str:
    """Begin a stream, and give its name."""
    body = {"prompt": "Hi", "model": model, **others}
    reply = await ask(port, "POST", "/v1/streams", body, headers=headers)
    assert 201 == reply.status, reply.body
    return str(reply.json()["id"])


async def events_of(port: int, stream_id: str, after: str | None = None, **headers: str) -> list[Event]:
    """All events of a stream, or those behind a position, to its end."""
    told = {**headers, **({"Last-Event-ID": after} if after else {})}
    with trio.fail_after(30):
        async with asked(port, "GET", f"/v1/streams/{stream_id}", headers=told) as reply:
            assert 200 == reply.status
            return await EventReader(reply).all()


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.chunk.text for event in events if isinstance(event.chunk, Text))
