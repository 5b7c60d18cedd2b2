"""The keeper of a process's publications: it beats for them all, keeps them from expiring, and receives their orders.

One beat tells of any number of streams, so what a publisher costs the log does not grow with them. A log that is out
of reach is asked again; how long it may be is decided where its streams are appended.

Each of these is a task of its own, so that none delays the beats. A bug in one is logged, and it goes on: the streams
that are published meanwhile have nothing to do with it, and where beats stay away their followers see it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
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


RENEWED_AT_A_TIME: Final = 200

_log: Final = logging.getLogger("gestura.relay")


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
        self._to_settle = trio.Event()

    @property
    def publishing(self) -> int:
        """How many streams this process publishes."""
        return len(self._kept)

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
            self._to_settle.set()

    async def serve(self) -> None:
        """Beat, renew and pass orders on, until cancelled."""
        async with trio.open_nursery() as nursery:
            for part in (self._beat, self._settle, self._receive_orders):
                nursery.start_soon(self._again_and_again, part, self._settings.beat_seconds)
            nursery.start_soon(self._again_and_again, self._renew, self._settings.keep_seconds / RENEWALS)

    async def _again_and_again(self, part: Callable[[], Awaitable[None]], seconds: float) -> None:
        is_told = False
        while True:
            try:
                await part()
                is_told = False
            except LogUnreachable:
                pass
            except Exception:  # noqa: BLE001  # a bug in the log is no reason to take all streams down
                if not is_told:
                    _log.exception("the relay could not %s, by a bug; it tries again", part.__name__.strip("_"))
                is_told = True
            await trio.sleep(seconds)

    async def _beat(self) -> None:
        if not self._kept and not self._unsettled:
            self._wanted = trio.Event()
            await self._wanted.wait()
        await self._patience.once(lambda: self._log.beat(self.publisher))

    async def _settle(self) -> None:
        if not self._unsettled:
            self._to_settle = trio.Event()
            await self._to_settle.wait()
        for stream_id, publication in list(self._unsettled.items()):
            await self._patience.once(publication.settle)
            del self._unsettled[stream_id]

    async def _renew(self) -> None:
        """Renew all, a part at a time; one that fails is tried again, and not those before it. None is a call, too."""
        stream_ids = list(self._kept)
        for start in range(0, max(len(stream_ids), 1), RENEWED_AT_A_TIME):
            some = stream_ids[start : start + RENEWED_AT_A_TIME]
            while True:
                with suppress(LogUnreachable):
                    await self._patience.with_(partial(self._log.renew, some))
                    break

    async def _receive_orders(self) -> None:
        async with self._log.orders(self.publisher) as orders:
            await self._look_for_orders()
            async for stream_id, order in orders:
                self._pass_on(stream_id, order)

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
