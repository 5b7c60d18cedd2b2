"""What the user does at a stop of the tour: reads, looks away, pauses, cancels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
import trio

from gestura._client import Client
from gestura.cancellation import CancellationToken
from gestura.chunks import Ending, Paused
from gestura.cli.demonstration.show import Show
from gestura.cli.display.wording import describe
from gestura.conversation import Request
from gestura.simulator import SeenRequest

if TYPE_CHECKING:
    from gestura.simulator import Simulator

__all__ = ["ANOTHER", "WORDS", "Reader", "Visit", "cancel_in_silence", "look_away", "pause_and_resume", "read"]

WORDS = 12  # that are read before the user acts
BREATH = 0.8  # seconds to see that nothing comes
ANOTHER = "another"  # the provider that goes on where a stream was paused
STILL = 0.2  # seconds without a byte more, after which a server that may send stands still


@attrs.frozen(kw_only=True)
class Visit:
    """One stop of the tour, as it is taken.

    Args:
        client: knows the stop's providers; the first of them is the primary one.
        simulator: plays them.
        request: what is asked.
        show: where the stream is shown.
    """

    client: Client
    simulator: Simulator
    request: Request
    show: Show


Reader = Callable[[Visit], Awaitable[None]]


async def read(visit: Visit) -> None:
    """Read what comes, as it comes."""
    async with visit.client.stream(visit.request) as chunks:
        await visit.show.stream(chunks)


async def cancel_in_silence(visit: Visit) -> None:
    """Read some words, wait for more, and have enough."""
    token = CancellationToken()
    async with visit.client.stream(visit.request, token=token) as chunks:
        await visit.show.stream(chunks, after=WORDS, then=_after_a_breath(token.cancel))


async def pause_and_resume(visit: Visit) -> None:
    """Pause after some words, and let the provider called `another` go on."""
    token = CancellationToken()
    async with visit.client.stream(visit.request, token=token) as chunks:
        await visit.show.stream(chunks, after=WORDS, then=_after_a_breath(token.pause))
    if isinstance(chunks.ending, Paused):
        visit.show.say('> client.resume(paused, provider="another")', style="bold")
        async with visit.client.resume(chunks.ending, provider=ANOTHER) as rest:
            await visit.show.stream(rest)


async def look_away(visit: Visit) -> None:
    """Read one chunk, then nothing until the server can send no more, then all the rest."""
    async with visit.client.stream(visit.request) as chunks:
        await anext(chunks)
        seen = visit.simulator.requests[-1]
        await _stands_still(seen)
        sent, waiting = seen.bytes_sent, chunks.statistics().deepest_queue
        visit.show.say(f"You take 1 chunk and look away. {waiting} wait for you; the server has sent {sent:,} bytes.")
        taken = 1
        async for chunk in chunks:
            taken += 1
            if isinstance(chunk, Ending):
                visit.show.say(f"You take the other {taken - 1:,}. Now it has sent all its {seen.bytes_sent:,} bytes.")
                visit.show.say(f"-- {describe(chunk)}", style="dim")
        visit.show.seen.append(chunks.statistics())


def _after_a_breath(act: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def act_later() -> None:
        await trio.sleep(BREATH)
        act()

    return act_later


async def _stands_still(seen: SeenRequest) -> None:
    sent = -1
    while sent < seen.bytes_sent:
        sent = seen.bytes_sent
        await trio.sleep(STILL)
