"""What is counted and measured, for Prometheus (`GET /metrics`). Neither callers nor streams are named.

Times are those of streams that were begun here and are followed here, from the moment when they are in the queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gestura.chunks import Ending, Error

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format."""

BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds: an answer's first word takes tenths of one, and a long answer minutes."""

TIMED_STREAMS: Final = 10_000
"""So many streams are timed at once; of more, the oldest are not, which nobody may ever follow."""


class Metrics:
    """The counts of one service."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests: Counter = Counter(
            "gestura_requests", "Requests that were answered.", ["endpoint", "status"], registry=registry
        )
        self.begun: Counter = Counter("gestura_streams_begun", "Streams that were begun here.", registry=registry)
        self._chunks = Counter("gestura_chunks_sent", "Chunks that were sent to followers.", registry=registry)
        self._endings = Counter(
            "gestura_endings_sent",
            "Endings that were sent to followers, by their kind and that of the error.",
            ["kind", "error"],
            registry=registry,
        )
        self.following: Gauge = Gauge("gestura_following", "Connections that follow a stream now.", registry=registry)
        self.running: Gauge = Gauge(
            "gestura_streams_running", "Streams that this process publishes.", registry=registry
        )
        self.waiting: Gauge = Gauge(
            "gestura_streams_waiting", "Streams in the queue that no worker has taken up.", registry=registry
        )
        self.log_up: Gauge = Gauge("gestura_log_up", "1 where the log of streams answers, else 0.", registry=registry)
        self._first = Histogram(
            "gestura_first_chunk_seconds", "From the queue to the first chunk.", buckets=BUCKETS, registry=registry
        )
        self._whole = Histogram(
            "gestura_stream_seconds", "From the queue to the ending.", buckets=BUCKETS, registry=registry
        )
        self._silent: dict[str, float] = {}
        self._unended: dict[str, float] = {}

    def count_begun(self, stream_id: str, now: float) -> None:
        """A stream is in the queue, at Trio's time `now`."""
        self.begun.inc()
        for timed in (self._silent, self._unended):
            timed[stream_id] = now
            if len(timed) > TIMED_STREAMS:
                del timed[next(iter(timed))]

    def count_sent(self, stream_id: str, chunks: int, ending: Ending | None, now: float) -> None:
        """A follower was told so many chunks, of which `ending` is the last one of the stream."""
        self._chunks.inc(chunks)
        if (began := self._silent.pop(stream_id, None)) is not None:
            self._first.observe(now - began)
        if ending is None:
            return
        error = ending.kind.value if isinstance(ending, Error) else ""
        self._endings.labels(type(ending).__name__, error).inc()
        if (began := self._unended.pop(stream_id, None)) is not None:
            self._whole.observe(now - began)

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(_WithoutCreated(self._registry))


@attrs.frozen
class _WithoutCreated(Collector):
    """Without those series that tell when another was begun. The package's own switch is for the whole process."""

    registry: CollectorRegistry

    def collect(self) -> Iterable[Metric]:
        """What is in the registry."""
        for metric in self.registry.collect():
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric
