"""A provider in memory that says what a test means: text, thinking, tool calls, usage, failures.

    async with scripted_client([HttpError(status=503), "Hello!"]) as client:
        assert "Hello!" == str(await client.ask("Hi"))

The real pipeline reads what the real wire formats would have; only the network is missing, so nothing waits and nothing
is flaky. In virtual time the second between the two attempts takes none.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

from gestura._client import Client
from gestura._open_client import open_client
from gestura.config import ProviderSettings, StreamingConfig
from gestura.providers import ProviderFactory
from gestura.testing.faults import Strike
from gestura.testing.replies import Reply, exchange_of
from gestura.transport import HttpRequest
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

__all__ = ["Replies", "ScriptedModel", "scripted_client"]

Replies = Iterable[Reply] | Callable[[Mapping[str, Any]], Reply]
"""The answers in the order in which the requests come, or a function that makes one from a request's JSON body."""


class ScriptedModel(ScriptedTransport):
    """A transport, for `open_client`, behind which a model answers as a test says, in every wire format of gestura's.

    Args:
        replies: what it answers.
        faults: what goes wrong.

    Attributes:
        requests: the JSON bodies of the requests so far.
        exchanges: what became of each.
        mistake: what was wrong with the script, if anything; the stream that met it has ended with an `Error`.
    """

    def __init__(self, replies: Replies, *, faults: Iterable[Strike] = ()) -> None:
        super().__init__(self._meet)
        self.requests: list[Mapping[str, Any]] = []
        self.mistake: Exception | None = None
        self._answer = replies if callable(replies) else _in_turn(replies)
        self._faults = tuple(faults)

    def _meet(self, request: HttpRequest) -> ScriptedExchange:
        body = json.loads(request.body)
        self.requests.append(body)
        due = [strike for strike in self._faults if strike.request in (None, len(self.requests))]
        try:
            return exchange_of(self._answer(body), request, due)
        except Exception as error:
            self.mistake = self.mistake or error
            raise


def _in_turn(replies: Iterable[Reply]) -> Callable[[Mapping[str, Any]], Reply]:
    left = iter(replies)

    def choose(_body: Mapping[str, Any]) -> Reply:
        for reply in left:
            return reply
        raise AssertionError("one request more was made than there are replies")

    return choose


@asynccontextmanager
async def scripted_client(
    replies: ScriptedModel | Replies,
    *,
    config: StreamingConfig | None = None,
    kind: str = "openai_chat",
    faults: Iterable[Strike] = (),
    providers: Mapping[str, ProviderFactory] = MappingProxyType({}),
) -> AsyncIterator[Client]:
    """A client, as `open_client` opens it, of a model that answers as a test says.

    Args:
        replies: what it answers; or a `ScriptedModel`, to look at what it was asked.
        config: what the client is told; unless given, one provider called `scripted`, of this `kind`.
        kind: a wire format.
        faults: what goes wrong, unless a model is given, which has its own.
        providers: wire formats of your own by `kind`. Their requests are answered with a `ScriptedExchange`.

    Raises:
        AssertionError: on leaving the block, where a request is still open, or one was made that no reply is left for.
        ValueError: on leaving the block, where a fault had no place in an answer.
    """
    model = replies if isinstance(replies, ScriptedModel) else ScriptedModel(replies, faults=faults)
    if config is None:
        settings = ProviderSettings(kind=kind, model="scripted", api_key="none", base_url="http://localhost")
        config = StreamingConfig(primary="scripted", providers={"scripted": settings})
    async with open_client(config, transport=model, providers=providers) as client:
        try:
            yield client
        finally:
            if model.mistake is not None:
                raise model.mistake
    for number, exchange in enumerate(model.exchanges, start=1):
        if not exchange.closed:
            raise AssertionError(f"request {number} ({exchange.request.url}) is still open")
