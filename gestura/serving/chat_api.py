"""OpenAI's interface: `/v1/chat/completions` and `/v1/models`, for the programs that speak it already.

An answer ends with its connection: a caller who leaves cancels it. So that a failure has its own status, the head of a
stream waits for the first word; a caller who has waited for as long as a heartbeat is given it anyway, and a failure
then comes as an event.
"""

from __future__ import annotations

import time

import trio
from aiohttp import web

from gestura.answer import Transcript
from gestura.chunks import Ending
from gestura.relay.following import Following
from gestura.serving.events import DONE, HEADERS, HEARTBEAT, event
from gestura.serving.exchange import Exchange
from gestura.serving.models import choose, model_list, model_object
from gestura.serving.openai_answer import CompletionEvents, completion, failure_of
from gestura.serving.openai_request import ChatRequest, read_chat_request
from gestura.serving.service import Service, batch

__all__ = ["ChatApi"]


class ChatApi:
    """The endpoints. Each takes an exchange and the caller's name, and gives the answer."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def complete(self, exchange: Exchange, caller: str) -> web.StreamResponse:
        """`POST /v1/chat/completions`."""
        asked = read_chat_request(await exchange.json())
        provider, model = choose(asked.model, self._service.config)
        stream_id = await self._service.begin(caller, asked.request, provider=provider, model=model)
        async with self._service.bound(stream_id) as chunks:
            return await (self._stream if asked.stream else self._whole)(exchange, chunks, asked)

    async def models(self, exchange: Exchange, _caller: str) -> web.StreamResponse:
        """`GET /v1/models`."""
        return exchange.whole(model_list(self._service.config))

    async def model(self, exchange: Exchange, _caller: str) -> web.StreamResponse:
        """`GET /v1/models/NAME`."""
        return exchange.whole(model_object(exchange.request.match_info["name"], self._service.config))

    async def _whole(self, exchange: Exchange, chunks: Following, asked: ChatRequest) -> web.StreamResponse:
        created = int(time.time())
        transcript = Transcript()
        while chunks.ending is None:
            taken = await batch(chunks)
            for chunk, _ in taken:
                transcript.add(chunk)
            self._count(chunks, len(taken))
        name = f"chatcmpl-{chunks.stream_id}"
        return exchange.whole(
            completion(transcript, chunks.ending, completion_id=name, model=asked.model, created=created),
            headers={"X-Request-Id": chunks.stream_id},
        )

    async def _stream(self, exchange: Exchange, chunks: Following, asked: ChatRequest) -> web.StreamResponse:
        name, created = f"chatcmpl-{chunks.stream_id}", int(time.time())
        events = CompletionEvents(name, model=asked.model, created=created, tells_usage=asked.tells_usage)
        headers = {**HEADERS, "X-Request-Id": chunks.stream_id}
        while chunks.ending is None and not events.failed:
            with trio.move_on_after(self._service.settings.heartbeat) as waiting:
                taken = await batch(chunks)
            if waiting.cancelled_caught:
                made = [HEARTBEAT]
            else:
                self._count(chunks, len(taken))
                self._refuse_if_failed(exchange, chunks.ending)
                made = [event(each) for chunk, _ in taken for each in events.feed(chunk)]
            if made and not exchange.begun:
                await exchange.begin(headers)
            if made:
                await exchange.write(b"".join(made))
        if not events.failed:
            await exchange.write(DONE)
        return exchange.written()

    def _count(self, chunks: Following, taken: int) -> None:
        self._service.metrics.count_sent(chunks.stream_id, taken, chunks.ending, trio.current_time())

    def _refuse_if_failed(self, exchange: Exchange, ending: Ending | None) -> None:
        """A failure before the first word is told by its status."""
        failure = failure_of(ending) if ending is not None else None
        if failure is not None and not exchange.begun:
            raise failure
