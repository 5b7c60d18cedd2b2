"""From an iterable of chunks into a publication: anybody's chunks, which need not end as they should.

What comes out is one ending in any case: theirs; or one for them, where they stop without one, raise, or don't stop
when they are told to.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, nullcontext, suppress
from functools import partial
from typing import Final

import trio

from gestura._actors.groups import bare_errors
from gestura.cancellation import CancellationToken, TokenState
from gestura.chunks import Cancelled, ContextOverflow, Done, Ending, Error, Paused, StreamChunk
from gestura.delivery import PATIENCE
from gestura.errors import ErrorKind
from gestura.messages import Message
from gestura.relay.entries import About
from gestura.relay.log import Order
from gestura.relay.publication import Publication

__all__ = ["as_ordered", "pump"]

SECONDS_TO_OBEY: Final = 0.5
"""How long chunks have to end by themselves when an order came, before they are left."""

ORDERS: Final = {TokenState.CANCELLED: Order.CANCEL, TokenState.PAUSED: Order.PAUSE}


async def pump(chunks: AsyncIterable[StreamChunk], publication: Publication, about: About) -> None:
    """Publish chunks and their ending, or one for them where they don't end when they are told to."""
    token = publication.token
    ending: Ending | None = None
    with bare_errors():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_when_told, token, nursery.cancel_scope)
            try:
                ending = await _offer_all(chunks, publication)
            except Exception as error:
                await publication.end_as(partial(_broken, type(error).__name__))
                raise
            nursery.cancel_scope.cancel()
    if ending is None and (order := ORDERS.get(token.state)):
        await publication.end_as(partial(as_ordered, order, about))
    else:
        await publication.end(ending)


async def _offer_all(chunks: AsyncIterable[StreamChunk], publication: Publication) -> Ending | None:
    async with aclosing(chunks) if isinstance(chunks, AsyncGenerator) else nullcontext():
        return await _offer_each(chunks, publication)


async def _offer_each(chunks: AsyncIterable[StreamChunk], publication: Publication) -> Ending | None:
    async for chunk in chunks:
        if isinstance(chunk, Done | Cancelled | Paused | Error | ContextOverflow):
            return chunk
        if PATIENCE[chunk.delivery] == math.inf:
            await publication.wait_for_room()
        publication.offer(chunk)
    return None


async def _stop_when_told(token: CancellationToken, scope: trio.CancelScope) -> None:
    told, entry = trio.Event(), trio.lowlevel.current_trio_token()

    def tell() -> None:
        with suppress(trio.RunFinishedError):
            entry.run_sync_soon(told.set, idempotent=True)

    with token.listening(tell):
        if token.state is TokenState.RUNNING:
            await told.wait()
    await trio.sleep(SECONDS_TO_OBEY)
    scope.cancel()


def as_ordered(order: Order, about: About, partial_answer: Message | None) -> Ending:
    """The ending of a stream that was ordered to end, and could not tell it itself."""
    match order:
        case Order.CANCEL:
            return Cancelled(partial=partial_answer)
        case Order.PAUSE:
            return Paused(partial=partial_answer, request=about.request, provider=about.provider, model=about.model)


def _broken(name: str, partial_answer: Message | None) -> Ending:
    message = f"the chunks that were published broke off: {name}"
    return Error(message, kind=ErrorKind.INTERNAL, code=name, partial=partial_answer)
