"""What stands around the nursery of a stream: bare errors, and whoever records and observes it.

Hardly a stream is recorded, and few are observed; the others hold nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gestura._actors.groups import bare_errors
from gestura._actors.observed import observed
from gestura._actors.recorded import open_recorder, recorded
from gestura._actors.supervisor import Supervisor
from gestura.observing import Observer

if TYPE_CHECKING:
    from gestura.recorder import Recorder

__all__ = ["witnessed"]


def witnessed(
    supervisor: Supervisor, record: str | Path | Recorder | None, observer: Observer | None
) -> AbstractContextManager[None]:
    """Around the nursery that a stream is served in.

    Args:
        supervisor: serves it.
        record: where it is recorded, if it is.
        observer: who observes it, if somebody does.

    Raises:
        OSError: the recording can't be written.
    """
    if record is None and observer is None:
        return bare_errors()
    return _witnessed(supervisor, record, observer)


@contextmanager
def _witnessed(
    supervisor: Supervisor, record: str | Path | Recorder | None, observer: Observer | None
) -> Iterator[None]:
    with (
        bare_errors(),
        open_recorder(record, supervisor.config.providers.values()) as recorder,
        recorded(supervisor, recorder),
        observed(supervisor, observer),
    ):
        yield
