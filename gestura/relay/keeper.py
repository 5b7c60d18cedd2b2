"""The keeper of a process's publications: it beats for them all, keeps them from expiring, and receives their orders.

One beat tells of any number of streams, so what a publisher costs the log does not grow with them. A log that is out
of reach is asked again; how long it may be is decided where its streams are appended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final
from uuid import uuid4

import trio

from gestura.relay.log import Log, LogUnreachable, Order, StreamExists, UnknownStream
from gestura.relay.patience import Patience
from gestura.relay.publication import Publication
from gestura.relay.settings import RelaySettings

__all__ = ["Keeper"]

RENEWALS: Final = 4
"""How often a stream is renewed in the time that it is kept: one that is late does no harm."""


class Keeper:
    """Keeps the publications of one process.

    Args:
        log: where they are.
        settings: how often to beat, and how long streams are kept.
        patience: with the log.
    """

    def __init__(self, log: Log, settings: RelaySettings, patience: Patience) -> None:
        self.publisher: Final = uuid4().hex
        self._log = log
        self._settings = settings
        self._patience = patience
        self._kept: dict[str, Publication | None] = {}
        self._early: dict[str, Order] = {}
        """Orders for streams that the log has begun, and whose publisher here is still to learn of it."""
        self._unsettled: dict[str, Publication] = {}
        self._wanted = trio.Event()

    @contextmanager
    def reserving(self, stream_id: str) -> Iterator[None]:
        """While the block runs, nobody else in this process publishes a stream of this name.

        Raises:
            StreamExists: somebody does.
        """
        if stream_id in self._kept or stream_id in self._unsettled:
            raise StreamExists(f"a stream {stream_id!r} is published already")
        self._kept[stream_id] = None
        self._wanted.set()
        try:
            yield
        finally:
            del self._kept[stream_id]
            self._early.pop(stream_id, None)

    def keep(self, publication: Publication) -> None:
        """Keep a publication, for as long as its name is reserved."""
        self._kept[publication.stream_id] = publication
        if (order := self._early.get(publication.stream_id)) is not None:
            publication.obey(order)

    def see_to(self, publication: Publication) -> None:
        """Tell the log how the stream ended, when it is back, if it does not know yet."""
        if not publication.is_settled:
            self._unsettled[publication.stream_id] = publication

    async def serve(self) -> None:
        """Beat, renew and pass orders on, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat)
            nursery.start_soon(self._pass_on_orders)

    async def _beat(self) -> None:
        renewed = trio.current_time()
        while True:
            if not self._kept and not self._unsettled:
                self._wanted = trio.Event()
                await self._wanted.wait()
            try:
                await self._patience.once(lambda: self._log.beat(self.publisher))
                if trio.current_time() - renewed >= self._settings.keep_seconds / RENEWALS:
                    await self._patience.once(lambda: self._log.renew(list(self._kept)))
                    renewed = trio.current_time()
                for stream_id, publication in list(self._unsettled.items()):
                    await self._patience.once(publication.settle)
                    del self._unsettled[stream_id]
            except LogUnreachable:
                pass
            await trio.sleep(self._settings.beat_seconds)

    async def _pass_on_orders(self) -> None:
        while True:
            try:
                async with self._log.orders(self.publisher) as orders:
                    await self._look_for_orders()
                    async for stream_id, order in orders:
                        self._pass_on(stream_id, order)
            except LogUnreachable:
                pass
            await trio.sleep(self._settings.beat_seconds)

    async def _look_for_orders(self) -> None:
        """What was ordered before anybody listened."""
        for stream_id in list(self._kept):
            with suppress(UnknownStream):
                state = await self._patience.once(partial(self._log.state, stream_id))
                if state.order is not None and state.publisher == self.publisher:
                    self._pass_on(stream_id, state.order)

    def _pass_on(self, stream_id: str, order: Order) -> None:
        if (publication := self._kept.get(stream_id)) is not None:
            publication.obey(order)
        elif stream_id in self._kept:
            self._early[stream_id] = order
