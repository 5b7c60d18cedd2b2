"""The supervisor: turns a request into attempts, and what becomes of them into one ending."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import attrs
import trio

from gestura._actors.attempt import Attempt
from gestura._actors.forwarder import Outlet
from gestura._actors.outcome import ending_of
from gestura._actors.statistics import Counts, StreamStatistics
from gestura.chunks import Ending, Error, Status
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.environment import how_to_configure
from gestura.errors import ConfigError, ErrorKind
from gestura.providers import ProviderFactory
from gestura.transport import Transport

__all__ = ["Supervisor"]

_log = logging.getLogger("gestura.supervisor")


@attrs.define(kw_only=True)
class Supervisor:
    """Serves one stream.

    Args:
        config: which providers, how long to wait, how much to hold.
        providers: wire formats by kind.
        transport: opens requests.
        outlet: where chunks go.
        counts: counts of the stream to keep.
        raw: show the providers' own events, too.
    """

    config: StreamingConfig
    providers: Mapping[str, ProviderFactory]
    transport: Transport
    outlet: Outlet
    counts: Counts
    raw: bool = False
    ending: Ending | None = attrs.field(default=None, init=False)
    """The last chunk, once it is known; the outlet is closed then."""

    _attempt: Attempt | None = attrs.field(default=None, init=False)

    async def serve(self, request: Request, name: str) -> None:
        """Put `request` to the provider called `name`, deliver what comes, and leave the stream's ending."""
        try:
            self.ending = await self._answer(request, name)
        except Exception as error:  # noqa: BLE001  # whatever happens, a stream has its ending
            _log.exception("a stream failed by a bug of gestura's")
            self.ending = Error(f"gestura failed: {type(error).__name__}: {error}", kind=ErrorKind.INTERNAL)
        finally:
            self.outlet.close()

    def statistics(self) -> StreamStatistics:
        """What the stream did so far, or in the end."""
        return StreamStatistics(
            actors=tuple(self._attempt.statistics) if self._attempt else (),
            dropped=dict(self.counts.dropped),
            oddities=dict(self.counts.oddities),
            deepest_queue=self.outlet.deepest_queue,
        )

    async def _answer(self, request: Request, name: str) -> Ending:
        try:
            outcome = await self._prepare(name).run(request)
        except ConfigError as error:
            await self.outlet.send(Status(f"{name}: {error}"))
            return Error(str(error), kind=error.kind, provider=name)
        return ending_of(outcome)

    def _prepare(self, name: str) -> Attempt:
        settings = self.config.providers.get(name)
        if settings is None:
            raise ConfigError(not_configured(name))
        make_provider = self.providers.get(settings.kind)
        if make_provider is None:
            known = ", ".join(sorted(self.providers))
            raise ConfigError(f"providers.{name}.kind: {settings.kind!r} is not known; known are {known}")
        self._attempt = Attempt(
            name=name,
            provider=make_provider(settings),
            transport=self.transport,
            outlet=self.outlet,
            timeouts=self.config.timeouts,
            limits=self.config.limits,
            started=trio.current_time(),
            counts=self.counts,
            raw=self.raw,
        )
        return self._attempt


def not_configured(name: str) -> str:
    """That a provider isn't configured, and how to do it."""
    return f"LLM provider '{name}' is not configured: {how_to_configure(name)}"
