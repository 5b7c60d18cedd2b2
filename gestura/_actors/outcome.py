"""What became of an attempt, and the ending it makes: the one rule for live streams and for replayed ones."""

from __future__ import annotations

import math

import attrs

from gestura._actors.policy import is_retryable
from gestura._actors.redaction import redact_fault
from gestura.chunks import ContextOverflow, Done, Ending, Error, FinishReason, TokenUsageUpdate
from gestura.config import ProviderSettings
from gestura.errors import ErrorKind, Fault
from gestura.messages import Message
from gestura.pricing import context_window, estimate_cost, is_price_known
from gestura.providers import biller
from gestura.providers.endpoints import is_on_this_machine
from gestura.stages.deltas import Anomaly, Control, Finish, ModelName, Terminal, Usage
from gestura.usage import TokenUsage, TokenUsageStatus

__all__ = ["AttemptOutcome", "ending_of", "error_of"]


@attrs.define(kw_only=True)
class AttemptOutcome:
    """What became of an attempt.

    Args:
        provider: the provider's name in the configuration.
        settings: its settings; `None` where it is not configured.
        fault: what went wrong in it, if anything.
        finish: why the model stopped, as far as it was told.
        model: which model answered.
        complete: the wire format's own end of an answer was read.
    """

    provider: str
    settings: ProviderSettings | None = None
    fault: Fault | None = None
    finish: Finish | None = None
    model: str | None = None
    complete: bool = False
    _counts: TokenUsage | None = attrs.field(default=None, init=False)
    _place: float = attrs.field(default=-math.inf, init=False)

    @property
    def failure(self) -> Fault | None:
        """Why there is no whole answer; `None` where there is one.

        An input that ends is no success by itself. What comes after the end of a complete answer (a connection that
        breaks, a late timeout, an endless line) does not spoil it; unless it is a bug of ours.
        """
        if self.fault is not None:
            came_later = self.complete and self._place < math.inf and self.fault.kind is not ErrorKind.INTERNAL
            return None if came_later else self.fault
        if self.complete:
            return None
        return Fault(
            kind=ErrorKind.TRUNCATED,
            message=f"{self.provider}: the stream ended before the answer did (no end of the answer was sent)",
            provider=self.provider,
        )

    @property
    def usage(self) -> TokenUsage | None:
        """Token counts, as far as they were told, and whose they are."""
        if self._counts is None or self.settings is None:
            return self._counts
        return attrs.evolve(
            self._counts, provider=biller(self.provider, self.settings), model=self.model or self.settings.model
        )

    def note(self, delta: Control) -> TokenUsageUpdate | None:
        """Take in what a control delta tells of the answer. Anomalies tell nothing of it.

        Returns:
            What to show of it: new token counts, and nothing else.
        """
        match delta:
            case Usage(told):
                usage = told.without_impossible()
                before, self._counts = self._counts, self._counts.updated(usage) if self._counts else usage
                if self.usage is not None and self._counts != before:
                    return _update(self.usage, self.settings)
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

    def fail(self, fault: Fault, place: float = math.inf) -> None:
        """Note why the attempt fails, without the secrets that a provider may have repeated.

        Of several failures the one met furthest along the flow counts, for what is there was read first, however far
        ahead the reader is. Of those met at one place the first counts; later ones follow from it.

        Args:
            fault: what went wrong.
            place: where in the flow it was met, 0 being its beginning; its end, where the provider's own words come
                out, unless told.
        """
        if place > self._place:
            self._place = place
            self.fault = attrs.evolve(redact_fault(fault, self.settings), provider=self.provider)


def ending_of(outcome: AttemptOutcome, partial: Message | None = None, attempts: int = 1) -> Ending:
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
    fault: Fault, *, usage: TokenUsage | None = None, partial: Message | None = None, attempts: int = 0
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


def _update(usage: TokenUsage, settings: ProviderSettings | None) -> TokenUsageUpdate:
    """How full `usage` makes the context window: the one that the settings tell, or the model's own; and its cost.

    What runs on the user's machine bills nobody, unless it has a price: then it may stand in front of who does.
    """
    told = settings.context_window if settings is not None else None
    used, limit = usage.parts().total, told or context_window(usage.provider, usage.model)
    percentage = used * 100 // limit
    is_known = is_price_known(usage.provider, usage.model)
    is_free = not is_known and settings is not None and is_on_this_machine(settings.base_url)
    return TokenUsageUpdate(
        estimated=used,
        limit=limit,
        percentage=percentage,
        status=TokenUsageStatus.of(percentage),
        estimated_cost=0.0 if is_free else estimate_cost(usage),
        is_cost_guessed=not is_known and not is_free,
    )
