"""Whole streams in virtual time, as timelines: when which provider was asked, and when which chunk came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio
from scripting import THRICE, config

import gestura
from gestura.cancellation import CancellationToken
from gestura.chunks import StreamChunk
from gestura.transport import HttpRequest
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

Timeline = list[tuple[float, StreamChunk]]


class Play(ScriptedTransport):
    """Each provider's exchanges in turn, the last one again and again; `asked` tells who was asked when.

    Args:
        scripts: by the names of the providers.
    """

    def __init__(self, **scripts: ScriptedExchange | Sequence[ScriptedExchange]) -> None:
        super().__init__(self._next)
        self.asked: list[tuple[float, str]] = []
        self._scripts = {
            name: [script] if isinstance(script, ScriptedExchange) else list(script) for name, script in scripts.items()
        }
        self._started = trio.current_time()

    def _next(self, request: HttpRequest) -> ScriptedExchange:
        name = request.url.split("/")[3]
        self.asked.append((seconds(trio.current_time() - self._started), name))
        script = self._scripts[name]
        return script.pop(0) if len(script) > 1 else script[0]

    def bodies_to(self, name: str) -> list[bytes]:
        """What was asked of a provider."""
        return [exchange.request.body for exchange in self.exchanges if f"/{name}/" in exchange.request.url]

    @property
    def is_closed(self) -> bool:
        """Whether every exchange that was opened has been closed."""
        return all(exchange.closed for exchange in self.exchanges)


def open_play(play: Play, **changes: Any) -> Any:
    """A client of provider `a` with the fallback `b`, each asked up to three times, 1 s and 2 s apart."""
    return gestura.open_client(config(**{"retry": THRICE, "fallback": ("b",), **changes}), transport=play)


async def read(
    client: gestura.Client, prompt: Any = "Hi", *, token: CancellationToken | None = None, **options: Any
) -> Timeline:
    """The chunks of one stream, with the seconds after which each came."""
    started = trio.current_time()
    async with client.stream(prompt, token=token, **options) as stream:
        return [(seconds(trio.current_time() - started), chunk) async for chunk in stream]


async def timeline(play: Play, *, token: CancellationToken | None = None, **changes: Any) -> Timeline:
    """One stream of a client of its own."""
    async with open_play(play, **changes) as client:
        return await read(client, token=token)


def seconds(time: float) -> float:
    """To the millisecond: sums of floats differ in their last digits."""
    return round(time, 3)


def only(kind: type[StreamChunk] | tuple[type[StreamChunk], ...], of: Timeline) -> list[Any]:
    """The chunks of some kinds."""
    return [chunk for _, chunk in of if isinstance(chunk, kind)]


def said(of: Timeline) -> str:
    """The text of the answer, by the rule that `RetryAttempt.discard` gives its readers."""
    words = ""
    for _, chunk in of:
        match chunk:
            case gestura.Text(piece):
                words += piece
            case gestura.RetryAttempt(discard=True):
                words = ""
    return words
