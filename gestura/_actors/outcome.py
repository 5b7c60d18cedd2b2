"""What became of an attempt, and the ending it makes: the one rule for live streams and for replayed ones."""

from __future__ import annotations

import attrs

from gestura._actors.policy import is_retryable
from gestura.chunks import ContextOverflow, Done, Ending, Error, FinishReason, PartialAnswer
from gestura.errors import ErrorKind, Fault
from gestura.stages.deltas import Anomaly, Control, Finish, ModelName, Terminal, Usage
from gestura.usage import TokenUsage

__all__ = ["AttemptOutcome", "ending_of", "error_of"]


@attrs.define(kw_only=True)
class AttemptOutcome:
    """What became of an attempt.

    Args:
        provider: the provider's name in the configuration.
        fault: what went wrong in it, if anything.
        finish: why the model stopped, as far as it was told.
        usage: token counts, as far as they were told.
        model: which model answered.
        complete: the wire format's own end of an answer was read.
    """

    provider: str
    fault: Fault | None = None
    finish: Finish | None = None
    usage: TokenUsage | None = None
    model: str | None = None
    complete: bool = False

    @property
    def failure(self) -> Fault | None:
        """Why there is no whole answer; `None` where there is one.

        An input that ends is no success by itself. What comes after the end of a complete answer (a connection that
        breaks, a late timeout) does not spoil it.
        """
        if self.fault is not None:
            harmless = self.complete and self.fault.kind in (ErrorKind.CONNECTION, ErrorKind.TIMEOUT)
            return None if harmless else self.fault
        if self.complete:
            return None
        return Fault(
            kind=ErrorKind.TRUNCATED,
            message=f"{self.provider}: the stream ended before the answer did (no end of the answer was sent)",
            provider=self.provider,
        )

    def note(self, delta: Control) -> None:
        """Take in what a control delta tells of the answer. Anomalies tell nothing of it."""
        match delta:
            case Usage(usage):
                self.usage = self.usage.updated(usage) if self.usage else usage
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

    def fail(self, fault: Fault) -> None:
        """Note why the attempt fails. The first reason is the cause; later ones follow from it."""
        if self.fault is None:
            self.fault = attrs.evolve(fault, provider=self.provider)


def ending_of(outcome: AttemptOutcome, partial: PartialAnswer | None = None, attempts: int = 1) -> Ending:
    """The last chunk for an attempt that nothing follows.

    Args:
        outcome: what became of it.
        partial: what was shown.
        attempts: requests that were made in all.
    """
    failure = outcome.failure
    if failure is not None:
        return error_of(failure, usage=outcome.usage, partial=partial, attempts=attempts)
    finish = outcome.finish or Finish(FinishReason.UNKNOWN)
    return Done(
        usage=outcome.usage,
        finish_reason=finish.reason,
        provider_finish_reason=finish.word,
        model=outcome.model,
        provider=outcome.provider,
    )


def error_of(
    fault: Fault, *, usage: TokenUsage | None = None, partial: PartialAnswer | None = None, attempts: int = 0
) -> Error | ContextOverflow:
    """The last chunk of a stream that failed by `fault`."""
    if fault.kind is ErrorKind.CONTEXT_OVERFLOW:
        return ContextOverflow(fault.message)
    return Error(
        fault.message,
        kind=fault.kind,
        provider=fault.provider,
        status=fault.status,
        code=fault.code,
        request_id=fault.request_id,
        retryable=is_retryable(fault),
        retry_after=fault.retry_after,
        attempts=attempts,
        usage=usage,
        partial=partial,
    )
