"""The clients that are measured, as data. What a client needs is imported in its own process only.

A client's module has an opener: given a `Target`, it opens the client as its documentation says, and enters with a
`Reader`, which reads one stream to its end and calls `on_text` with each piece of text as it comes. What stands between
a model and its readers is measured as one more client: its opener runs it, and its reader reads what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, Final, Literal

import attrs

from benchmarks.workload import Wire, Workload

__all__ = ["CLIENTS", "FLOOR", "GESTURA", "Client", "Reader", "Target"]

Reader = Callable[[str, Callable[[str], None]], Coroutine[Any, Any, None]]
"""Called with the name of a model and with `on_text`."""


@attrs.frozen
class Target:
    """Whom a client asks: the server's URL, without a path, and the wire format."""

    url: str
    wire: Wire


@attrs.frozen(kw_only=True)
class Client:
    """How a client is found and run.

    Args:
        title: its name in tables.
        module: where its opener is.
        opener: the name of the opener.
        loop: the event loop that it runs on.
        wires: the wire formats that it reads.
        packages: what it needs, by the names that they are imported by.
        peer: somebody else's work that does the same, to be beaten; a floor is to be approached.
        burst_share: the share of a burst's events that it reads. What an event costs does not depend on their number,
            and the slowest would take as long as all the others together.
        most_streams: it is not asked for more at once: what it can't carry tells no more with more of it.
        over_tls: it is measured over TLS, too.
    """

    title: str
    module: str
    opener: str = "open_reader"
    loop: Literal["asyncio", "trio"] = "asyncio"
    wires: tuple[Wire, ...] = ("openai_chat", "anthropic")
    packages: tuple[str, ...] = ()
    peer: bool = True
    burst_share: float = 1.0
    most_streams: int = 1000
    over_tls: bool = True

    def reads(self, workload: Workload) -> Workload | None:
        """What this client reads of `workload`: all, fewer events or nothing."""
        if workload.streams > self.most_streams:
            return None
        share = 1.0 if workload.kind == "paced" else self.burst_share
        return attrs.evolve(workload, events=round(workload.events * share))

    def missing(self) -> str | None:
        """Why it can't be measured here, if it can't."""
        absent = [package for package in self.packages if find_spec(package) is None]
        return f"not installed: {', '.join(absent)}" if absent else None


GESTURA: Final = "gestura"
FLOOR: Final = "floor-aiohttp"

CLIENTS: Final = {
    GESTURA: Client(title="gestura", module="benchmarks.clients.of_gestura", loop="trio", peer=False),
    "gestura-thread": Client(
        title="gestura, thread transport",
        module="benchmarks.clients.of_gestura",
        opener="open_reader_on_thread",
        loop="trio",
        peer=False,
    ),
    FLOOR: Client(
        title="floor: aiohttp + orjson", module="benchmarks.clients.floor_aiohttp", packages=("orjson",), peer=False
    ),
    "floor-trio": Client(
        title="floor: Trio socket + orjson",
        module="benchmarks.clients.floor_trio",
        loop="trio",
        packages=("orjson",),
        peer=False,
        over_tls=False,
    ),
    "httpx-sse": Client(
        title="httpx + httpx-sse", module="benchmarks.clients.of_httpx_sse", packages=("httpx", "httpx_sse")
    ),
    "openai": Client(
        title="openai",
        module="benchmarks.clients.of_openai",
        wires=("openai_chat",),
        packages=("openai",),
        burst_share=0.5,
    ),
    "openai-aiohttp": Client(
        title="openai, aiohttp backend",
        module="benchmarks.clients.of_openai",
        opener="open_reader_on_aiohttp",
        wires=("openai_chat",),
        packages=("openai", "aiohttp"),
        burst_share=0.5,
        most_streams=200,
        over_tls=False,
    ),
    "anthropic": Client(
        title="anthropic", module="benchmarks.clients.of_anthropic", wires=("anthropic",), packages=("anthropic",)
    ),
    "litellm": Client(
        title="litellm",
        module="benchmarks.clients.of_litellm",
        wires=("openai_chat",),
        packages=("litellm",),
        burst_share=0.1,
        most_streams=50,
    ),
    "pydantic-ai": Client(
        title="pydantic-ai",
        module="benchmarks.clients.of_pydantic_ai",
        wires=("openai_chat",),
        packages=("pydantic_ai",),
        burst_share=0.1,
        most_streams=50,
    ),
}
