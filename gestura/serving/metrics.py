"""What is counted, for Prometheus (`GET /metrics`). Neither callers nor streams are named."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest

from gestura.chunks import Ending

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format."""


class Metrics:
    """The counts of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests: Counter = Counter(
            "gestura_requests", "Requests that were answered.", ["endpoint", "status"], registry=self._registry
        )
        self.begun: Counter = Counter("gestura_streams_begun", "Streams that were begun here.", registry=self._registry)
        self.chunks: Counter = Counter(
            "gestura_chunks_sent", "Chunks that were sent to followers.", registry=self._registry
        )
        self._endings = Counter(
            "gestura_endings_sent", "Endings that were sent to followers.", ["kind"], registry=self._registry
        )
        self.following: Gauge = Gauge(
            "gestura_following", "Connections that follow a stream now.", registry=self._registry
        )

    def count_ending(self, ending: Ending) -> None:
        """A follower was told how its stream ended."""
        self._endings.labels(type(ending).__name__).inc()

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)
