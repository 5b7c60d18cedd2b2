"""What became of an attempt, and the ending it makes: the one rule for live streams and for replayed ones."""

from __future__ import annotations

import attrs

from gestura.chunks import ContextOverflow, Done, Ending, Error, FinishReason, TokenUsageUpdate
from gestura.config import ProviderSettings
from gestura.errors import ErrorKind, Fault
from gestura.pricing import context_window, estimate_cost
from gestura.providers import biller
from gestura.stages.deltas import Anomaly, Control, Finish, ModelName, Terminal, Usage
from gestura.usage import TokenUsage, TokenUsageStatus

__all__ = ["AttemptOutcome", "ending_of"]


@attrs.define(kw_only=True)
class AttemptOutcome:
    """What became of an attempt.

    Args:
        provider: the provider's name in the configuration.
        settings: its settings.
        fault: why it failed; `None` for an answer that did not.
        finish: why the model stopped, as far as it was told.
        model: which model answered.
        complete: the wire format's own end of an answer was read.
    """

    provider: str
    settings: ProviderSettings
    fault: Fault | None = None
    finish: Finish | None = None
    model: str | None = None
    complete: bool = False
    _counts: TokenUsage | None = attrs.field(default=None, init=False)

    @property
    def usage(self) -> TokenUsage | None:
        """Token counts, as far as they were told, and whose they are."""
        if self._counts is None:
            return None
        return attrs.evolve(
            self._counts, provider=biller(self.provider, self.settings), model=self.model or self.settings.model
        )

    def note(self, delta: Control) -> TokenUsageUpdate | None:
        """Take in what a control delta tells of the answer. Anomalies tell nothing of it.

        Returns:
            What to show of it: new token counts, and nothing else.
        """
        match delta:
            case Usage(usage):
                before, self._counts = self._counts, self._counts.updated(usage) if self._counts else usage
                if self.usage is not None and self._counts != before:
                    return _update(self.usage)
            case Finish():
                self.finish = delta
            case ModelName(model):
                self.model = model
            case Terminal():
                self.complete = True
            case Fault():
                self.fail(delta)
            case Anomaly():
                pass
        return None

    def fail(self, fault: Fault) -> None:
        """Note why the attempt fails. The first reason is the cause; later ones follow from it."""
        if self.fault is None:
            self.fault = attrs.evolve(fault, provider=self.provider)


def ending_of(outcome: AttemptOutcome) -> Ending:
    """The last chunk for an attempt that nothing follows."""
    fault = outcome.fault
    if fault is None and not outcome.complete:
        fault = Fault(
            kind=ErrorKind.TRUNCATED,
            message=f"{outcome.provider}: the stream ended before the answer did (no end of the answer was sent)",
        )
    # What comes after the end of a complete answer (a connection that breaks, a late timeout) does not spoil it.
    if fault is None or (outcome.complete and fault.kind in (ErrorKind.CONNECTION, ErrorKind.TIMEOUT)):
        finish = outcome.finish or Finish(FinishReason.UNKNOWN)
        return Done(
            usage=outcome.usage,
            finish_reason=finish.reason,
            provider_finish_reason=finish.word,
            model=outcome.model,
            provider=outcome.provider,
        )
    if fault.kind is ErrorKind.CONTEXT_OVERFLOW:
        return ContextOverflow(fault.message)
    return Error(
        fault.message,
        kind=fault.kind,
        provider=outcome.provider,
        status=fault.status,
        code=fault.code,
        request_id=fault.request_id,
        usage=outcome.usage,
    )


def _update(usage: TokenUsage) -> TokenUsageUpdate:
    """How full `usage` makes the context window of its model."""
    used, limit = usage.parts().total, context_window(usage.provider, usage.model)
    percentage = used * 100 // limit
    return TokenUsageUpdate(
        estimated=used,
        limit=limit,
        percentage=percentage,
        status=TokenUsageStatus.of(percentage),
        estimated_cost=estimate_cost(usage),
    )
