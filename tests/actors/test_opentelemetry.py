"""Streams as OpenTelemetry has them: a span each, with its retries, and metrics, read by the SDK's own exporters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import trio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from scripting import DONE, FINISH, config, delta, event, text
from trio.testing import MockClock

import gestura
from gestura import CancellationToken, Request, RetryPolicy, Sampling, Status, StreamChunk, user
from gestura._actors.statistics import StreamStatistics
from gestura.chunks import Ending
from gestura.observing import Asked
from gestura.opentelemetry import OpenTelemetry
from gestura.transport.scripted import Hang, ScriptedExchange, ScriptedTransport, Wait

COUNTS = {
    "prompt_tokens": 7,
    "completion_tokens": 2,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
USAGE = event(choices=[], usage=COUNTS, model="m-2026")
HELLO = ScriptedExchange(answering=[Wait(0.5)], body=[text("Hel"), Wait(1), text("lo"), FINISH, USAGE, DONE])
BUSY = ScriptedExchange(status=503, body=[b"busy"])


@attrs.define
class Told:
    """What telemetry was told."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader
    observer: OpenTelemetry

    def span(self) -> Any:
        (span,) = self.spans.get_finished_spans()
        return span

    def metrics(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def told() -> Iterator[Told]:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    observer = OpenTelemetry(tracer_provider=tracers, meter_provider=meters, clock=trio.current_time)
    yield Told(spans, reader, observer)
    tracers.shutdown()
    meters.shutdown()


async def ask(
    told: Told, *exchanges: ScriptedExchange, prompt: str | Request = "Hi", token: CancellationToken | None = None
) -> None:
    settings = config(retry=RetryPolicy(jitter=0))
    async with (
        gestura.open_client(settings, transport=ScriptedTransport(exchanges), observer=told.observer) as client,
        client.stream(prompt, token=token) as stream,
    ):
        async for _ in stream:
            pass


async def test_a_stream_is_a_span(told: Told, autojump_clock: MockClock) -> None:
    """Named by operation and model; with what was asked for, who answered, why it stopped, and its tokens."""
    sampling = Sampling(temperature=0.5, max_output_tokens=99, stop="END")
    await ask(told, HELLO, prompt=Request(messages=[user("Hi")], sampling=sampling, reasoning="high"))
    span = told.span()

    assert ("chat m", SpanKind.CLIENT, StatusCode.UNSET) == (span.name, span.kind, span.status.status_code)
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "a",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 99,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.stream": True,
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "gen_ai.response.time_to_first_chunk": 0.5,
        "server.address": "localhost",
        "server.port": 80,
        "gestura.attempts": 1,
    } == dict(span.attributes)


async def test_a_stream_is_measured(told: Told, autojump_clock: MockClock) -> None:
    """How long it took, until its first word and from one to the next, and its tokens: each stream's, and in sum."""
    await ask(told, HELLO)
    measured = {
        name.removeprefix("gen_ai.client.inference."): getattr(point, "sum", getattr(point, "value", None))
        for name, points in told.metrics().items()
        for point in points
    }

    assert {
        "duration": 1.5,
        "time_to_first_chunk": 0.5,
        "time_per_output_chunk": 1.0,
        "usage.input_tokens": 7,
        "usage.output_tokens": 2,
        "usage.cache_read.input_tokens": 4,
        "usage.reasoning.output_tokens": 1,
        "operation.input_tokens": 7,
        "operation.output_tokens": 2,
    } == pytest.approx(measured)


async def test_what_is_measured_has_the_units_and_buckets_of_the_conventions(
    told: Told, autojump_clock: MockClock
) -> None:
    """Seconds from 10 ms to 82 s, tokens by powers of four."""
    await ask(told, HELLO)
    (duration,) = told.metrics()["gen_ai.client.inference.duration"]
    (tokens,) = told.metrics()["gen_ai.client.inference.operation.input_tokens"]

    assert [0.01 * 2**exponent for exponent in range(14)] == pytest.approx(duration.explicit_bounds)
    assert [4**exponent for exponent in range(14)] == list(tokens.explicit_bounds)
    assert "m-2026" == duration.attributes["gen_ai.response.model"]


async def test_retries_are_events_of_the_span(told: Told, autojump_clock: MockClock) -> None:
    """With the reason and the delay; and they are counted."""
    await ask(told, BUSY, BUSY, HELLO)
    events = [(event.name, event.attributes["gestura.retry.attempt"]) for event in told.span().events]

    assert [("gestura.retry", 1), ("gestura.retry", 2)] == events
    assert [2] == [point.value for point in told.metrics()["gestura.retries"]]
    assert 3 == told.span().attributes["gestura.attempts"]


async def test_a_failure_is_told_by_its_kind(told: Told, autojump_clock: MockClock) -> None:
    """In span and metric alike; the words are those of the ending."""
    await ask(told, BUSY, BUSY, BUSY)
    span, (duration,) = told.span(), told.metrics()["gen_ai.client.inference.duration"]

    assert (StatusCode.ERROR, True) == (span.status.status_code, "503" in span.status.description)
    assert ("error",) == span.attributes["gen_ai.response.finish_reasons"]
    assert ("overloaded", "overloaded") == (span.attributes["error.type"], duration.attributes["error.type"])


async def test_a_stream_that_was_cancelled_says_so(told: Told, autojump_clock: MockClock) -> None:
    """It is no failure."""
    token = CancellationToken()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_and_cancel, told, token)

    assert (StatusCode.UNSET, "cancelled") == (told.span().status.status_code, told.span().attributes["gestura.ending"])


async def ask_and_cancel(told: Told, token: CancellationToken) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel_later, token)
        await ask(told, ScriptedExchange(body=[text("Hel"), Hang()]), token=token)


async def cancel_later(token: CancellationToken) -> None:
    await trio.sleep(1)
    token.cancel()


async def test_a_stream_that_is_left_has_its_span(told: Told, autojump_clock: MockClock) -> None:
    """Leaving the block ends the span, and what was dropped is counted."""
    exchange = ScriptedExchange(body=[delta(content="a") * 5000, Hang()])
    async with (
        gestura.open_client(config(), transport=ScriptedTransport([exchange]), observer=told.observer) as client,
        client.stream("Hi") as stream,
    ):
        await trio.sleep(1)
        with trio.move_on_after(10):
            await stream.emit(Status("nobody reads this"))

    assert "left" == told.span().attributes["gestura.ending"]
    assert [("Status", 1)] == [
        (point.attributes["gestura.chunk"], point.value) for point in told.metrics()["gestura.dropped_chunks"]
    ]


async def test_neither_prompt_nor_answer_is_told(told: Told, autojump_clock: MockClock) -> None:
    """They may be anybody's secrets."""
    await ask(told, BUSY, HELLO, prompt="my secret")

    assert "my secret" not in told.span().to_json()
    assert "Hel" not in told.span().to_json()


@attrs.define
class Failing:
    """An observer with a bug, in one of its three places."""

    place: str
    told: list[str] = attrs.field(factory=list)

    def begin(self, asked: Asked) -> Failing:
        self._come_to("begin")
        return self

    def chunk(self, chunk: StreamChunk) -> None:
        self._come_to("chunk")

    def end(self, ending: Ending | None, statistics: StreamStatistics) -> None:
        self._come_to("end")

    def _come_to(self, place: str) -> None:
        self.told.append(place)
        if place == self.place:
            raise ValueError("a bug")


@pytest.mark.parametrize("place", ["begin", "chunk", "end"])
async def test_an_observer_with_a_bug_breaks_nothing(
    place: str, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream goes on, the bug is logged once, and that observer hears no more of this stream."""
    observer = Failing(place)
    async with gestura.open_client(config(), transport=ScriptedTransport([HELLO]), observer=observer) as client:
        answer = await client.ask("Hi")

    assert "Hello" == answer.text
    assert 1 == len([record for record in caplog.records if record.name == "gestura.observer"])
    assert place == observer.told[-1]
