"""Whether a publisher is dead: a plain function of what was seen of it, and when.

Only silence that was seen counts. A log that was out of reach, or an onlooker who did not look for a while, saw
nothing in that time, and a publisher that could not reach the log could not beat. So each look adds no more than the
time to the next one that is due. Clocks of other machines play no part.
"""

from __future__ import annotations

from gestura.relay.log import StreamState

__all__ = ["Pulse"]


class Pulse:
    """What one onlooker knows of a publisher's life.

    Args:
        dead_after: seconds of silence after which a publisher is dead.
        look_seconds: how often the onlooker means to look.
    """

    def __init__(self, dead_after: float, look_seconds: float) -> None:
        self._dead_after = dead_after
        self._most = 2 * look_seconds
        self._seen: StreamState | None = None
        self._looked = 0.0
        self._silence = 0.0

    @property
    def silence(self) -> float:
        """How many seconds of silence were seen up to the last look."""
        return self._silence

    def look(self, state: StreamState, now: float) -> bool:
        """What the log says now.

        Args:
            state: the stream, as it is.
            now: the onlooker's own time, in seconds.

        Returns:
            Whether its publisher is dead. Whoever beats, adds or begins lives.
        """
        if state != self._seen:
            self._seen, self._silence = state, 0.0
        else:
            self._silence += min(now - self._looked, self._most)
        self._looked = now
        return self._silence >= self._dead_after
