"""The public client over the scripted transport, in virtual time: what the tests of whole streams share.

Two providers speak Chat Completions, `a` and `b`, told apart by the path of their URLs. Nothing is tried twice unless a
test says so.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, get_args

import trio
from trio.testing import MockClock

import gestura
from gestura.chunks import Ending, StreamChunk
from gestura.config import ProviderSettings, RetryPolicy, StreamingConfig
from gestura.transport import HttpRequest
from gestura.transport.scripted import Pause, ScriptedExchange, ScriptedTransport

T = TypeVar("T")

ENDINGS = get_args(Ending)
ONCE = RetryPolicy(max_attempts=1)
THRICE = RetryPolicy(jitter=0)
"""Three attempts, one and two seconds apart."""

CENTURY = 3_000_000_000
"""Seconds of virtual time after which a test hangs."""

DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    """One server-sent event of these JSON fields."""
    return b"data: " + json.dumps(fields, ensure_ascii=False).encode() + b"\n\n"


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    """An event of the first choice."""
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish_reason}])


def text(words: str) -> bytes:
    return delta(content=words)


FINISH = delta("stop")
ANSWER = text("Hello") + FINISH + DONE
"""A whole answer."""


def answers(*body: bytes | Pause, **exchange: Any) -> ScriptedExchange:
    """An exchange with this body."""
    return ScriptedExchange(body=body, **exchange)


def provider(name: str = "a", **settings: Any) -> ProviderSettings:
    settings = {"kind": "openai_chat", "model": "m", "base_url": f"http://localhost/{name}", **settings}
    return ProviderSettings(**settings)


def config(**changes: Any) -> StreamingConfig:
    """Provider `a`, asked once; `b` is there as a fallback."""
    plain: dict[str, Any] = {"primary": "a", "providers": {"a": provider("a"), "b": provider("b")}, "retry": ONCE}
    return StreamingConfig(**(plain | changes))


def open_scripted(
    script: ScriptedTransport | ScriptedExchange | Iterable[ScriptedExchange], **changes: Any
) -> AbstractAsyncContextManager[gestura.Client]:
    """A client over `script`; one exchange meets every request. `changes` go to `config`."""
    return gestura.open_client(config(**changes), transport=scripted(script))


def scripted(script: ScriptedTransport | ScriptedExchange | Iterable[ScriptedExchange]) -> ScriptedTransport:
    if isinstance(script, ScriptedTransport):
        return script
    if isinstance(script, ScriptedExchange):
        return ScriptedTransport(lambda _request: script)
    return ScriptedTransport(script)


def by_provider(**exchanges: ScriptedExchange) -> ScriptedTransport:
    """A transport that plays `a`'s exchange to each request that `a` gets, and so on."""

    def choose(request: HttpRequest) -> ScriptedExchange:
        return next(exchange for name, exchange in exchanges.items() if f"/{name}/" in request.url)

    return ScriptedTransport(choose)


async def chunks_of(script: Any, *, raw: bool = False, **changes: Any) -> list[StreamChunk]:
    """All the chunks of one stream, its ending last."""
    async with open_scripted(script, **changes) as client, client.stream("Hi", raw=raw) as stream:
        return [chunk async for chunk in stream]


def run_virtually(main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run `main` in virtual time. It leaves no task behind, and one that hangs fails at once."""

    async def checked() -> T:
        before = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(CENTURY):
            result = await main(*args)
        assert before == trio.lowlevel.current_statistics().tasks_living
        return result

    return trio.run(checked, clock=MockClock(autojump_threshold=0))
