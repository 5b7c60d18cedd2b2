"""The supervisor: one stream, from its request to its one ending.

It asks the primary provider and, where that fails, the fallbacks in turn (or, hedged, beside one another); `policy`
decides, `ProviderRun` asks, and here is only the order of it. Whatever happens, the stream gets an ending.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial

import attrs
import trio

from gestura._actors.attempt import Attempt
from gestura._actors.guard import Guards
from gestura._actors.hedge import race
from gestura._actors.interrupt import Interrupt
from gestura._actors.outcome import ending_of
from gestura._actors.outlet import Outlet, Sink
from gestura._actors.policy import Verdict
from gestura._actors.provider_run import ProviderRun
from gestura._actors.redaction import log_bug, redact
from gestura._actors.statistics import Counts, StreamStatistics
from gestura.answer import Transcript
from gestura.cancellation import TokenState
from gestura.chunks import Cancelled, ContextOverflow, Ending, Error, Paused, Status
from gestura.config import StreamingConfig
from gestura.conversation import Request
from gestura.environment import how_to_configure
from gestura.errors import ConfigError, ErrorKind
from gestura.providers import ProviderFactory, unknown_kind
from gestura.transport import Transport

__all__ = ["Supervisor"]

_log = logging.getLogger("gestura.stream")


@attrs.define(kw_only=True)
class Supervisor:
    """Serves one stream.

    Args:
        request: what is asked.
        names: the providers to ask, by their names in the configuration, in this order.
        config: how to reach them, how long to wait, how much to hold.
        providers: wire formats by kind.
        transport: opens requests.
        guards: what the client's streams share about each provider.
        outlet: where chunks go.
        interrupt: the user's token.
        counts: counts of the stream to keep.
        raw: show the providers' own events, too.
    """

    request: Request
    names: Sequence[str]
    config: StreamingConfig
    providers: Mapping[str, ProviderFactory]
    transport: Transport
    guards: Guards
    outlet: Outlet
    interrupt: Interrupt
    counts: Counts
    raw: bool = False
    ending: Ending | None = attrs.field(default=None, init=False)
    """The last chunk, once it is known; the outlet is closed then."""

    _started: float = attrs.field(factory=trio.current_time, init=False)
    _transcript: Transcript = attrs.field(factory=Transcript, init=False)
    _asked: dict[str, ProviderRun] = attrs.field(factory=dict, init=False)
    _failures: dict[str, str] = attrs.field(factory=dict, init=False)

    async def serve(self) -> None:
        """Ask, deliver what comes, and leave the stream's ending."""
        try:
            with self.interrupt.listening():
                self.ending = ending = await self._answer()
                self._log_end(ending)
                await self.outlet.drain()
        except Exception as error:  # noqa: BLE001  # whatever happens, a stream has its ending
            settings = self.config.providers.values()
            log_bug(_log, "a stream failed by a bug", error, settings)
            self.ending = Error(
                redact(f"gestura failed: {type(error).__name__}: {error}", settings),
                kind=ErrorKind.INTERNAL,
                attempts=self._attempts,
                partial=self._transcript.partial(),
            )
        finally:
            self.outlet.close()

    def _log_end(self, ending: Ending) -> None:
        match ending:
            case Error(message) | ContextOverflow(message):
                _log.info("%s: no answer: %s", self.names[0], message)
            case _:
                took = trio.current_time() - self._started
                _log.debug("%s: %s after %.2f s", self.names[0], type(ending).__name__.lower(), took)

    def statistics(self) -> StreamStatistics:
        """What the stream did so far, or in the end."""
        attempts = [run.attempt for run in self._asked.values() if run.attempt is not None]
        return StreamStatistics(
            actors=attempts[-1].statistics() if attempts else (),
            attempts=self._attempts,
            dropped=dict(self.counts.dropped),
            oddities=dict(self.counts.oddities),
            deepest_queue=self.outlet.deepest_queue,
        )

    @property
    def _attempts(self) -> int:
        return sum(run.attempts for run in self._asked.values())

    async def _answer(self) -> Ending:
        runs = list(map(self._run_of, self.names))
        if self.interrupt.has_struck():
            return self._interrupted(runs[0])
        while True:
            position = 0
            if self.config.hedge_after is None or self._transcript.shown or len(runs) == 1:
                verdict = await self._run(runs, 0, self.outlet, self._transcript)
            else:
                position, verdict = await self._race(runs, self.config.hedge_after)
            run, runs = runs[position], runs[position + 1 :]
            failure = run.outcome.failure
            if failure is None:
                return ending_of(run.outcome)
            if self.interrupt.has_struck():
                return self._interrupted(run)
            if verdict is Verdict.END or not runs:
                return self._failed(run)
            if run.begins_anew:
                run.announce(failure, run.attempts, 0.0)

    async def _race(self, runs: Sequence[ProviderRun], hedge_after: float) -> tuple[int, Verdict]:
        """Ask several of `runs`, hedged: the position of the one that counts, and its verdict."""
        verdicts: dict[int, Verdict] = {}

        async def leg(position: int, sink: Sink) -> bool:
            verdicts[position] = await self._run(runs, position, sink, Transcript())
            return verdicts[position] is Verdict.NEXT_PROVIDER

        legs = [partial(leg, position) for position in range(len(runs))]
        position = await race(legs, self.outlet, hedge_after, self.config.limits.max_answer_bytes)
        if position is None:
            return len(runs) - 1, Verdict.NEXT_PROVIDER
        winner = runs[position]
        winner.sink, self._transcript = self.outlet, winner.transcript
        self._asked[winner.name] = self._asked.pop(winner.name)  # it is the last one whose work counts
        return position, verdicts[position]

    async def _run(self, runs: Sequence[ProviderRun], position: int, sink: Sink, transcript: Transcript) -> Verdict:
        """Ask one provider of several; where it fails, and the next may not, tell the user."""
        run = runs[position]
        _log.debug("asking %s", run.name)
        self._asked[run.name] = run
        run.sink, run.transcript = sink, transcript
        verdict = await run.run(self.request)
        failure = run.outcome.failure
        if failure is None or self.interrupt.has_struck():
            return verdict
        self._failures[run.name] = failure.message
        if failure.kind in (ErrorKind.NOT_CONFIGURED, ErrorKind.BAD_REQUEST) and not run.attempts:
            self.outlet.announce(Status(failure.message))
        if verdict is Verdict.NEXT_PROVIDER and position + 1 < len(runs):
            self.outlet.announce(Status(f"{run.name} failed; asking {runs[position + 1].name} instead"))
        return verdict

    def _run_of(self, name: str) -> ProviderRun:
        total = self.config.timeouts.total
        settings = self.config.providers.get(name)
        return ProviderRun(
            name=name,
            model=settings.model if settings else "",
            maker=self,
            guard=self.guards.of(name),
            policy=self.config.retry,
            after_output=self.config.after_output,
            deadline=math.inf if total is None else self._started + total,
            interrupt=self.interrupt,
            sink=self.outlet,
            transcript=self._transcript,
        )

    def make_attempt(self, run: ProviderRun, request: Request) -> Attempt:
        name = run.name
        settings = self.config.providers.get(name)
        if settings is None:
            raise ConfigError(self.config.unavailable.get(name) or not_configured(name))
        make_provider = self.providers.get(settings.kind)
        if make_provider is None:
            raise ConfigError(f"{name}: kind: {unknown_kind(settings.kind, self.providers)}")
        provider = make_provider(settings)
        return Attempt(
            name=name,
            provider=provider,
            request=provider.ask(request),
            transport=self.transport,
            sink=run.sink,
            transcript=run.transcript,
            interrupt=self.interrupt,
            timeouts=self.config.timeouts,
            limits=self.config.limits,
            started=self._started,
            counts=self.counts,
            raw=self.raw,
            fused=self.config.fused,
        )

    def _interrupted(self, run: ProviderRun) -> Ending:
        usage, partial_answer = run.outcome.usage, self._transcript.partial()
        if self.interrupt.state is TokenState.CANCELLED:
            return Cancelled(usage=usage, partial=partial_answer)
        settings = self.config.providers.get(run.name)
        model = settings.model if settings else None
        return Paused(usage=usage, partial=partial_answer, request=self.request, provider=run.name, model=model)

    def _failed(self, last: ProviderRun) -> Ending:
        """The one ending of a stream that nobody answered, with each provider's last reason."""
        ending = ending_of(last.outcome, self._transcript.partial(), self._attempts)
        if isinstance(ending, Error) and len(self._failures) > 1:
            return attrs.evolve(ending, message="all providers failed: " + "; ".join(self._failures.values()))
        return ending


def not_configured(name: str) -> str:
    """That a provider isn't configured, and how to do it."""
    return f"LLM provider '{name}' is not configured: {how_to_configure(name)}"
