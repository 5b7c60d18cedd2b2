"""gestura's own interface: `/v1/streams`.

    POST   /v1/streams               begin a stream; its events at once, where the caller accepts text/event-stream
    GET    /v1/streams/ID            its events, from the beginning or behind Last-Event-ID
    DELETE /v1/streams/ID            cancel it
    POST   /v1/streams/ID/pause      pause it
    POST   /v1/streams/ID/resume     go on with one that was paused or broke off, as a new stream

An event is one chunk as tagged JSON, its id the chunk's position; the last one is the ending. A follower that leaves
leaves the stream as it is.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio
from aiohttp import web

from gestura.chunk_json import to_json
from gestura.chunks import StreamChunk
from gestura.conversation import continuation
from gestura.relay.following import Following
from gestura.relay.log import START, LogUnreachable, Position, RelayError, UnknownStream
from gestura.serving.callers import no_such_stream
from gestura.serving.events import HEADERS, HEARTBEAT, LATER, OPENING, event
from gestura.serving.exchange import Exchange
from gestura.serving.refused import Refused
from gestura.serving.service import Service, batch, entering
from gestura.serving.stream_request import read_stream_request

__all__ = ["StreamsApi"]

LONGEST_ID = 200


class StreamsApi:
    """The endpoints. Each takes an exchange and the caller's name, and gives the answer."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def begin(self, exchange: Exchange, caller: str) -> web.StreamResponse:
        """`POST /v1/streams`."""
        asked = read_stream_request(await exchange.json())
        stream_id = await self._service.begin(caller, asked.request, provider=asked.provider, model=asked.model)
        return await self._begun(exchange, stream_id)

    async def follow(self, exchange: Exchange, caller: str) -> web.StreamResponse:
        """`GET /v1/streams/ID`."""
        stream_id = self._stream_of(exchange, caller)
        after = _after(exchange.request)
        state = await self._service.state(stream_id)
        if state.ended and after == state.last:
            return exchange.empty(status=204)  # at which a browser's EventSource stops coming back
        async with AsyncExitStack() as stack:
            try:
                chunks = await stack.enter_async_context(self._service.follow(stream_id, after))
            except (LogUnreachable, UnknownStream):
                raise
            except RelayError as error:
                raise _no_position(error) from None
            return await self._send(exchange, chunks)

    async def cancel(self, exchange: Exchange, caller: str) -> web.StreamResponse:
        """`DELETE /v1/streams/ID`."""
        with entering():
            await self._service.relay.cancel(self._stream_of(exchange, caller))
        return exchange.empty(status=202)

    async def pause(self, exchange: Exchange, caller: str) -> web.StreamResponse:
        """`POST /v1/streams/ID/pause`."""
        with entering():
            await self._service.relay.pause(self._stream_of(exchange, caller))
        return exchange.empty(status=202)

    async def resume(self, exchange: Exchange, caller: str) -> web.StreamResponse:
        """`POST /v1/streams/ID/resume`."""
        interrupted = self._stream_of(exchange, caller)
        await self._service.state(interrupted)  # which soon tells a log that is out of reach
        paused = await self._service.relay.interrupted(interrupted)
        if paused.request is None or paused.tool_results is not None:
            raise Refused(
                "this stream can only be resumed by the program that ran its tools", status=409, code="conflict"
            )
        request = continuation(paused.request, paused.partial)
        stream_id = await self._service.begin(caller, request, provider=paused.provider, model=paused.model)
        return await self._begun(exchange, stream_id)

    async def _begun(self, exchange: Exchange, stream_id: str) -> web.StreamResponse:
        address = f"/v1/streams/{stream_id}"
        if "text/event-stream" not in exchange.request.headers.get("Accept", ""):
            return exchange.whole({"id": stream_id, "url": address}, status=201, headers={"Location": address})
        async with self._service.follow(stream_id) as chunks:
            return await self._send(exchange, chunks, address)

    async def _send(self, exchange: Exchange, chunks: Following, address: str | None = None) -> web.StreamResponse:
        await exchange.begin(HEADERS if address is None else {**HEADERS, "Location": address})
        await exchange.write(OPENING)
        metrics, silence = self._service.metrics, self._service.settings.heartbeat
        while chunks.ending is None:
            with trio.move_on_after(silence) as waiting:
                taken = await batch(chunks)
            if waiting.cancelled_caught:
                await exchange.write(HEARTBEAT)
                continue
            await exchange.write(b"".join(_told(chunk, position) for chunk, position in taken))
            metrics.count_sent(chunks.stream_id, len(taken), chunks.ending, trio.current_time())
        return exchange.written()

    def _stream_of(self, exchange: Exchange, caller: str) -> str:
        stream_id = exchange.request.match_info["id"]
        if len(stream_id) > LONGEST_ID or not stream_id.isprintable():
            raise no_such_stream()
        self._service.callers.check_owner(caller, stream_id)
        return stream_id


def _told(chunk: StreamChunk, position: Position | None) -> bytes:
    """The event of a chunk; where it has no position, with when to come back."""
    return event(to_json(chunk), position) if position is not None else LATER + event(to_json(chunk))


def _after(request: web.Request) -> Position:
    """Behind which chunk the caller wants to go on."""
    told = request.headers.get("Last-Event-ID") or request.query.get("after")
    if not told:
        return START
    try:
        return Position.parse(told)
    except ValueError as error:
        raise _no_position(error) from None


def _no_position(error: Exception) -> Refused:
    return Refused(f"Last-Event-ID or after: {error}", path="after")
