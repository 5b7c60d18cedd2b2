"""A stream that is written down: a recorder between it and its transport, for the length of a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from gestura._actors.redaction import secrets_of
from gestura._actors.statistics import StreamStatistics
from gestura._actors.supervisor import Supervisor
from gestura.config import ProviderSettings

if TYPE_CHECKING:
    from gestura.recorder import Recorder

__all__ = ["open_recorder", "recorded"]


def open_recorder(
    record: str | Path | Recorder | None, providers: Iterable[ProviderSettings]
) -> AbstractContextManager[Recorder | None]:
    """What writes to the file called `record`, for the length of a block; a recorder that is open stays so.

    Raises:
        OSError: the file can't be written.
    """
    if record is None:
        return nullcontext()
    # Here, for hardly a stream is recorded.
    from importlib.metadata import version

    from gestura.recorder import Recorder

    if isinstance(record, Recorder):
        return nullcontext(record)
    return Recorder(Path(record), secrets=secrets_of(providers), clock=trio.current_time, version=version("gestura"))


def recorded(supervisor: Supervisor, recorder: Recorder | None) -> AbstractContextManager[None]:
    """Record what the stream does, its statistics last; without a recorder, nothing is done."""
    return nullcontext() if recorder is None else _recorded(supervisor, recorder)


@contextmanager
def _recorded(supervisor: Supervisor, recorder: Recorder) -> Iterator[None]:
    from gestura.chunk_json import to_json  # as above
    from gestura.transport.recording import RecordingTransport

    asked = {name: settings for name, settings in supervisor.config.providers.items() if name in supervisor.names}
    primary, *others = supervisor.names
    recorder.begin_stream(
        attrs.evolve(supervisor.config, primary=primary, fallback=tuple(others), providers=asked, transport=None)
    )
    supervisor.transport = RecordingTransport(supervisor.transport, recorder)
    try:
        yield
    finally:
        ending = supervisor.ending
        recorder.note("ending", **({} if ending is None else {"type": to_json(ending)["type"]}))
        recorder.note("statistics", **_as_json(supervisor.statistics()))


def _as_json(statistics: StreamStatistics) -> dict[str, Any]:
    return {
        **attrs.asdict(statistics),
        "oddities": {oddity.value: count for oddity, count in statistics.oddities.items()},
    }
