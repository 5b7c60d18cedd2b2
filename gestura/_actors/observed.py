"""A stream that is watched: an outlet that tells an observer of each chunk, and the end of the watch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from gestura._actors.outlet import Outlet, Way
from gestura._actors.statistics import Counts
from gestura._actors.supervisor import Supervisor
from gestura.chunks import StreamChunk
from gestura.observing import Asked, Observation, Observer

__all__ = ["ObservedOutlet", "observed"]

_log = logging.getLogger("gestura.observer")


class ObservedOutlet(Outlet):
    """An outlet that somebody watches."""

    def __init__(self, way: Way, counts: Counts) -> None:
        super().__init__(way, counts)
        self.observation: Observation | None = None

    def send_nowait(self, chunk: StreamChunk) -> None:
        super().send_nowait(chunk)
        self._tell(chunk)

    async def _send(self, chunk: StreamChunk) -> None:
        await super()._send(chunk)
        self._tell(chunk)

    def _tell(self, chunk: StreamChunk) -> None:
        """Tell the observer, who may fail."""
        if self.observation is not None:
            try:
                self.observation.chunk(chunk)
            except Exception:  # noqa: BLE001  # whoever watches must not break what is watched
                _log.exception("an observer failed, and is told no more")
                self.observation = None


def observed(supervisor: Supervisor, observer: Observer | None) -> AbstractContextManager[None]:
    """Let the observer, if there is one, watch the stream while the block runs."""
    outlet = supervisor.outlet
    if observer is None or not isinstance(outlet, ObservedOutlet):
        return nullcontext()
    return _observed(supervisor, outlet, observer)


@contextmanager
def _observed(supervisor: Supervisor, outlet: ObservedOutlet, observer: Observer) -> Iterator[None]:
    name = supervisor.names[0]
    asked = Asked(request=supervisor.request, provider=name, settings=supervisor.config.providers.get(name))
    try:
        outlet.observation = observer.begin(asked)
    except Exception:  # noqa: BLE001  # as above
        _log.exception("an observer failed, and is told no more")
    try:
        yield
    finally:
        if outlet.observation is not None:
            try:
                outlet.observation.end(supervisor.ending, supervisor.statistics())
            except Exception:  # noqa: BLE001  # whoever watches must not break what is watched
                _log.exception("an observer failed at the end of a stream")
