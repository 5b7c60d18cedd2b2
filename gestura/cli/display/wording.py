"""What a stream tells of itself, in words for a person: each on one line, and safe to show."""

from __future__ import annotations

from typing import Final

from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    Paused,
    RetryAttempt,
    TokenUsageUpdate,
    ToolCallResult,
)
from gestura.cli.terminal_text import visible_line
from gestura.messages import Message
from gestura.usage import TokenUsage

__all__ = ["describe", "describe_result", "describe_retry", "in_dollars"]

OUTPUT_SHOWN: Final = 200  # characters of what a tool gave back; the model reads the rest


def describe(ending: Ending, update: TokenUsageUpdate | None = None) -> str:
    """An ending, and what the stream told of its usage.

    >>> describe(Done(model="m", usage=TokenUsage(input_tokens=3, output_tokens=5)))
    'done: unknown, m, 3 tokens in, 5 out'
    >>> describe(Paused(partial=assistant("Half an")))
    'paused: 7 characters of text kept'
    """
    match ending:
        case Done():
            words = [ending.finish_reason.value, ending.model or ""]
            return _line("done", *words, *_counts(ending.usage), *_share(update))
        case Error():
            return _line(f"error ({ending.kind.value})", ending.message)
        case ContextOverflow():
            return _line("error (context_overflow)", ending.error_message)
        case Cancelled():
            return _line("cancelled", *_kept(ending.partial), *_counts(ending.usage), *_share(update))
        case Paused():
            return _line("paused", *_kept(ending.partial), *_counts(ending.usage), *_share(update))


def describe_retry(retry: RetryAttempt) -> str:
    """That an attempt failed, and what happens next.

    >>> describe_retry(RetryAttempt(1, 3, 1500, "busy"))
    'attempt 1 of 3 failed, another in 1.5 s: busy'
    """
    when = f"in {retry.delay_ms / 1000:.1f} s" if retry.delay_ms else "at once"
    anew = " (the answer begins anew: what came so far does not count)" if retry.discard else ""
    which = f"{retry.attempt} of {retry.max_attempts}"
    return visible_line(f"attempt {which} failed, another {when}{anew}: {retry.error_message}")


def describe_result(result: ToolCallResult) -> str:
    """What a tool gave back, or how it failed, as far as it fits on a line or two.

    >>> describe_result(ToolCallResult("add", True, "3", 1200))
    '<- add: 3 (1.2 s)'
    """
    output = visible_line(result.output.strip())
    if len(output) > OUTPUT_SHOWN:
        output = f"{output[:OUTPUT_SHOWN]}… ({len(result.output):,} characters)"
    failed = "" if result.success else " failed"
    return f"<- {visible_line(result.name)}{failed}: {output or 'nothing'} ({result.duration_ms / 1000:.1f} s)"


def in_dollars(cost: float) -> str:
    """A cost; answers are cheap, so in millionths."""
    return f"${cost:,.6f}" if cost else "no cost"


def _line(what: str, *details: str) -> str:
    told = ", ".join(detail for detail in details if detail)
    return visible_line(f"{what}: {told}" if told else what)


def _kept(partial: Message | None) -> list[str]:
    if partial is None:
        return ["nothing was shown"]
    return [f"{len(partial.text):,} characters of text kept"]


def _counts(usage: TokenUsage | None) -> list[str]:
    """The counts that were told, with those of which others are parts including these, whoever counted."""
    usage = usage or TokenUsage()
    parts = usage.parts()
    counts = {
        "tokens in": None if usage.input_tokens is None else parts.read,
        "of them cached": parts.cached_input or None,
        "out": None if usage.output_tokens is None else parts.output,
        "of them reasoning": usage.reasoning_tokens or None,
    }
    return [f"{count:,} {what}" for what, count in counts.items() if count is not None]


def _share(update: TokenUsageUpdate | None) -> list[str]:
    if update is None:
        return []
    guessed = " (a guess: nobody knows its price)" if update.is_cost_guessed else ""
    return [f"{update.percentage} % of the context window", in_dollars(update.estimated_cost) + guessed]
