"""What can be set of a relay."""

from __future__ import annotations

import attrs
from attrs.validators import ge, gt

from gestura.errors import ConfigError, ErrorKind

__all__ = ["RelaySettings"]


@attrs.frozen(kw_only=True)
class RelaySettings:
    """All times are in seconds.

    Args:
        keep_seconds: how long a stream is kept after its ending.
        dead_after: a publisher is dead when it was silent for so long while the log was within reach.
        beat_seconds: how often a publisher tells that it lives.
        reach_seconds: how long the log may be out of reach before a stream ends for it.
        answer_seconds: how long the log may take for one answer.
        leave_seconds: how long leaving a publication by an exception or a cancellation may take, to tell its ending.
        begin_seconds: how long a follower waits for a submitted stream that no worker has taken up, or no other one
            after its worker died without having shown anything.
        takeover_seconds: how long followers leave an answer, amid which its worker died, to other workers.
        max_entries: entries of one stream, its ending included.

    Raises:
        ConfigError: `dead_after` is less than two beats.
        ValueError: another value can't be.
    """

    keep_seconds: float = attrs.field(default=3600.0, validator=gt(0))
    dead_after: float = attrs.field(default=10.0, validator=gt(0))
    beat_seconds: float = attrs.field(default=1.0, validator=gt(0))
    reach_seconds: float = attrs.field(default=30.0, validator=ge(0))
    answer_seconds: float = attrs.field(default=5.0, validator=gt(0))
    leave_seconds: float = attrs.field(default=5.0, validator=ge(0))
    begin_seconds: float = attrs.field(default=300.0, validator=ge(0))
    takeover_seconds: float = attrs.field(default=15.0, validator=ge(0))
    max_entries: int = attrs.field(default=100_000, validator=ge(2))

    @dead_after.validator
    def _two_beats_at_least(self, _field: attrs.Attribute[float], dead_after: float) -> None:
        if dead_after < 2 * self.beat_seconds:
            raise ConfigError(
                f"dead_after: expected two beats (beat_seconds, {self.beat_seconds:g}) at least, found {dead_after:g}: "
                "a beat may be late",
                kind=ErrorKind.BAD_REQUEST,
            )

    @property
    def look_seconds(self) -> float:
        """How often a follower that is told nothing looks at the publisher: it is a quarter too late at most."""
        return self.dead_after / 4
