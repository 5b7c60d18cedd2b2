"""Spans and metrics of streams for OpenTelemetry, by its semantic conventions for generative AI.

`open_client(observer=OpenTelemetry())` is all; it needs the extra `gestura[opentelemetry]`. Names are those of the
conventions for client inference, version 0.1 (github.com/open-telemetry/semantic-conventions-genai), which are in
development and may change; what they have no name for begins with `gestura.`. Neither prompts nor answers are told.

One span for each stream, with an event for each retry; metrics for its duration, the times to its first chunk of
content and from one to the next, its tokens, its retries and what it dropped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from gestura.chunks import (
    Cancelled,
    ContextOverflow,
    Done,
    Ending,
    Error,
    Paused,
    Refusal,
    RetryAttempt,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallStart,
)
from gestura.observing import Asked
from gestura.usage import TokenUsage

if TYPE_CHECKING:
    from gestura._actors.statistics import StreamStatistics

__all__ = ["OpenTelemetry"]

PROVIDER_NAMES: Final = {
    "openai": "openai",
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "grok": "x_ai",
}
"""The conventions' names for those of our wire formats that have one."""

DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Seconds; those that the conventions ask for."""

TOKEN_BUCKETS: Final = tuple(4**exponent for exponent in range(14))

TOKENS_OF_STREAM: Final = {"input_tokens": "Input tokens", "output_tokens": "Output tokens"}

TOKENS: Final = {
    **TOKENS_OF_STREAM,
    "cache_read.input_tokens": "Input tokens that were read from a cache",
    "cache_write.input_tokens": "Input tokens that were written to a cache",
    "reasoning.output_tokens": "Output tokens of reasoning",
}
"""What is counted, by the last part of its name: the metric's and that of the span's attribute. The others are parts of
the first two."""

PORTS: Final = {"http": 80, "https": 443}

CONTENT: Final = (Text, Thinking, Refusal, ToolCallStart, ToolCallArgs)


class OpenTelemetry:
    """An observer that tells OpenTelemetry.

    Args:
        tracer_provider: who makes spans; the global one unless given.
        meter_provider: who keeps metrics; the global one unless given.
        clock: seconds, from anywhere.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        meter = metrics.get_meter("gestura", meter_provider=meter_provider)
        self.tracer: trace.Tracer = trace.get_tracer("gestura", tracer_provider=tracer_provider)
        self.clock = clock

        def seconds(name: str, description: str) -> metrics.Histogram:
            return meter.create_histogram(
                f"gen_ai.client.inference.{name}",
                unit="s",
                description=description,
                explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
            )

        self.duration: metrics.Histogram = seconds("duration", "From the request to the ending.")
        self.first_chunk: metrics.Histogram = seconds(
            "time_to_first_chunk", "From the request to the first chunk of content."
        )
        self.next_chunk: metrics.Histogram = seconds("time_per_output_chunk", "From one chunk of content to the next.")
        self.tokens_of_stream: dict[str, metrics.Histogram] = {
            kind: meter.create_histogram(
                f"gen_ai.client.inference.operation.{kind}",
                unit="{token}",
                description=f"{words} of one stream.",
                explicit_bucket_boundaries_advisory=TOKEN_BUCKETS,
            )
            for kind, words in TOKENS_OF_STREAM.items()
        }
        self.tokens: dict[str, metrics.Counter] = {
            kind: meter.create_counter(f"gen_ai.client.inference.usage.{kind}", unit="{token}", description=f"{words}.")
            for kind, words in TOKENS.items()
        }
        self.retries: metrics.Counter = meter.create_counter(
            "gestura.retries", unit="{retry}", description="Requests made again."
        )
        self.drops: metrics.Counter = meter.create_counter(
            "gestura.dropped_chunks", unit="{chunk}", description="Chunks given up."
        )

    def begin(self, asked: Asked) -> _StreamSpan:
        """A span for the stream, below the one that is current."""
        return _StreamSpan(self, asked)


class _StreamSpan:
    """The span of one stream."""

    def __init__(self, telemetry: OpenTelemetry, asked: Asked) -> None:
        self._telemetry = telemetry
        self._began = telemetry.clock()
        self._last_content: float | None = None
        self._common = _common_attributes(asked)
        model = self._common.get("gen_ai.request.model", "")
        self._span = telemetry.tracer.start_span(
            f"chat {model}".rstrip(), kind=SpanKind.CLIENT, attributes=self._common | _request_attributes(asked)
        )

    def chunk(self, chunk: StreamChunk) -> None:
        """Note each content's time, and each retry."""
        if isinstance(chunk, CONTENT):
            now = self._telemetry.clock()
            if self._last_content is None:
                self._telemetry.first_chunk.record(now - self._began, self._common)
                self._span.set_attribute("gen_ai.response.time_to_first_chunk", now - self._began)
            else:
                self._telemetry.next_chunk.record(now - self._last_content, self._common)
            self._last_content = now
        elif isinstance(chunk, RetryAttempt):
            self._telemetry.retries.add(1, self._common)
            self._span.add_event(
                "gestura.retry",
                {
                    "gestura.retry.attempt": chunk.attempt,
                    "gestura.retry.delay_ms": chunk.delay_ms,
                    "gestura.retry.reason": chunk.error_message,
                },
            )

    def end(self, ending: Ending | None, statistics: StreamStatistics) -> None:
        """Tell how it ended, and end the span."""
        told = dict(self._common)
        match ending:
            case Done(model=model, finish_reason=reason, provider_finish_reason=word):
                self._span.set_attribute("gen_ai.response.finish_reasons", [word or reason.value])
                if model:
                    told["gen_ai.response.model"] = model
                    self._span.set_attribute("gen_ai.response.model", model)
            case Error(message=message, kind=failure):
                told["error.type"] = failure.value
                self._span.set_status(Status(StatusCode.ERROR, message))
            case ContextOverflow(message):
                told["error.type"] = "context_overflow"
                self._span.set_status(Status(StatusCode.ERROR, message))
            case Cancelled() | Paused():
                self._span.set_attribute("gestura.ending", type(ending).__name__.lower())
            case None:
                self._span.set_attribute("gestura.ending", "left")
        if "error.type" in told:
            self._span.set_attribute("gen_ai.response.finish_reasons", ["error"])
            self._span.set_attribute("error.type", told["error.type"])
        self._tell_usage(getattr(ending, "usage", None), told)
        self._span.set_attribute("gestura.attempts", statistics.attempts)
        for kind, count in statistics.dropped.items():
            self._telemetry.drops.add(count, {**self._common, "gestura.chunk": kind})
        self._telemetry.duration.record(self._telemetry.clock() - self._began, told)
        self._span.end()

    def _tell_usage(self, usage: TokenUsage | None, told: dict[str, AttributeValue]) -> None:
        if usage is None:
            return
        parts = usage.parts()
        counts = {
            "input_tokens": None if usage.input_tokens is None else parts.read,
            "output_tokens": None if usage.output_tokens is None else parts.output,
            "cache_read.input_tokens": usage.cached_input_tokens,
            "cache_write.input_tokens": usage.cache_write_tokens,
            "reasoning.output_tokens": usage.reasoning_tokens,
        }
        for kind, count in counts.items():
            if count is not None:
                self._span.set_attribute(f"gen_ai.usage.{kind}", count)
                self._telemetry.tokens[kind].add(count, told)
                if kind in self._telemetry.tokens_of_stream:
                    self._telemetry.tokens_of_stream[kind].record(count, told)


def _common_attributes(asked: Asked) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": asked.provider}
    if (settings := asked.settings) is not None:
        attributes["gen_ai.request.model"] = settings.model
        if settings.base_url is None:
            attributes["gen_ai.provider.name"] = PROVIDER_NAMES.get(settings.kind, asked.provider)
        elif (parts := urlsplit(settings.base_url)).hostname:
            attributes["server.address"] = parts.hostname
            if port := parts.port or PORTS.get(parts.scheme):
                attributes["server.port"] = port
    return attributes


def _request_attributes(asked: Asked) -> dict[str, AttributeValue]:
    sampling, reasoning = asked.request.sampling, asked.request.reasoning
    optional = {
        "gen_ai.request.max_tokens": sampling.max_output_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.seed": sampling.seed,
        "gen_ai.request.stop_sequences": list(sampling.stop) or None,
        "gen_ai.request.stream": True,
        "gen_ai.request.reasoning.level": reasoning if isinstance(reasoning, str) else None,
        "gen_ai.output.type": "json" if asked.request.response_format is not None else "text",
    }
    return {name: value for name, value in optional.items() if value is not None}
