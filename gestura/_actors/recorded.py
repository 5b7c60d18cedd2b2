"""A stream that is written down: a recorder between it and its transport, for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from gestura._actors.redaction import secrets_of
from gestura._actors.statistics import StreamStatistics
from gestura._actors.supervisor import Supervisor

__all__ = ["recorded"]


@contextmanager
def recorded(supervisor: Supervisor, path: str | Path | None) -> Iterator[None]:
    """Record what the stream does, its statistics last; without a path, nothing is done.

    Raises:
        OSError: the file can't be written.
    """
    if path is None:
        yield
        return
    # Here, for hardly a stream is recorded.
    from importlib.metadata import version

    from gestura.recording import Recorder
    from gestura.transport.recording import RecordingTransport

    recorder = Recorder(
        Path(path),
        secrets=secrets_of(supervisor.config.providers.values()),
        clock=trio.current_time,
        version=version("gestura"),
    )
    with recorder:
        supervisor.transport = RecordingTransport(supervisor.transport, recorder)
        try:
            yield
        finally:
            recorder.note("statistics", **_as_json(supervisor.statistics()))


def _as_json(statistics: StreamStatistics) -> dict[str, Any]:
    return {
        **attrs.asdict(statistics),
        "oddities": {oddity.value: count for oddity, count in statistics.oddities.items()},
    }
