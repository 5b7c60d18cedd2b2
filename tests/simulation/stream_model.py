"""What a stream does, by a model too plain to be wrong: one object, no tasks, no channels.

It is told what the server, the token and the clock do, in that order, and says what the consumer must find.
"""

from __future__ import annotations

import enum
import math

import attrs

from gestura import (
    AfterOutput,
    Done,
    Error,
    ErrorKind,
    RetryAttempt,
    Status,
    StreamChunk,
    StreamingConfig,
    Text,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)

SECONDS_TO_DRAIN = 0.1


class Phase(enum.Enum):
    """Where the stream's request is."""

    CONNECTING = "connecting"
    ANSWERING = "answering"
    BODY = "body"
    DRAINING = "draining"
    """The answer is complete; the end of the body is awaited for a moment."""

    WAITING = "waiting"
    """There is none: the next one is due."""

    OVER = "over"


OPEN = (Phase.CONNECTING, Phase.ANSWERING, Phase.BODY, Phase.DRAINING)


@attrs.define
class StreamModel:
    """One stream.

    Args:
        config: what the client was told, without hedging and jitter.
        now: the time.
    """

    config: StreamingConfig
    now: float
    phase: Phase = Phase.CONNECTING
    provider: int = 0
    attempt: int = 1
    requests: int = 1
    told: list[StreamChunk] = attrs.field(factory=list)
    """What is to be shown before the ending. Of a retry and a status only what is said here counts."""
    ending: type[StreamChunk] | None = None
    kind: ErrorKind | None = None
    text: str = ""
    """What counts of the text that was shown."""
    shown: bool = False
    in_call: bool = False
    has_call: bool = False
    finished: bool = False
    due: float = math.inf
    """When the next deadline passes, or the next request is made, or the drain is over."""
    started: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.started = self.now
        self._await(self.config.timeouts.connect)

    @property
    def names(self) -> list[str]:
        return [self.config.primary, *self.config.fallback]

    @property
    def over_at(self) -> float:
        total = self.config.timeouts.total
        return math.inf if total is None else self.started + total

    # What the server does.

    def connects(self) -> None:
        self.phase = Phase.ANSWERING
        self._await(self.config.timeouts.first_content)

    def answers(self) -> None:
        self.phase = Phase.BODY

    def says(self, text: str) -> None:
        self._shows(Text(text))
        self.text += text

    def calls(self, call: str, arguments: str) -> None:
        if not self.in_call:
            self.in_call = self.has_call = True
            self._shows(ToolCallStart(call, "look"))
        self._shows(ToolCallArgs(call, arguments))

    def finishes(self, call: str) -> None:
        self.finished = True
        if self.in_call:
            self.told.append(ToolCallEnd(call))
            self.in_call = False

    def is_done(self, call: str) -> None:
        if not self.finished:
            self.finishes(call)
        self.phase = Phase.DRAINING
        self.due = self.now + SECONDS_TO_DRAIN

    def ends(self) -> None:
        """The body ends, cleanly."""
        self._stops(ErrorKind.TRUNCATED)

    def breaks(self) -> None:
        self._stops(ErrorKind.CONNECTION)

    def refuses(self, kind: ErrorKind, *, retryable: bool) -> None:
        self._fails(kind, retryable=retryable)

    # What the others do.

    def strikes(self, ending: type[StreamChunk]) -> None:
        """The token is told to pause or to cancel."""
        if self.phase in (Phase.OVER, Phase.DRAINING):
            self._finish_draining()
        else:
            self._end(Done if self.finished and self.phase is Phase.BODY else ending)

    def passes(self, seconds: float) -> None:
        """Time goes by, with all that is due in it."""
        until = self.now + seconds
        while min(self.due, self._total_due) <= until and self.phase is not Phase.OVER:
            self.now = min(self.due, self._total_due)
            if self.now == self._total_due and self.phase is not Phase.DRAINING:
                self._stops(ErrorKind.TIMEOUT, total=True)
            elif self.phase is Phase.DRAINING:
                self._finish_draining()
            elif self.phase is Phase.WAITING:
                self._asks()
            else:
                self._stops(ErrorKind.TIMEOUT)
        self.now = until

    @property
    def _total_due(self) -> float:
        return math.inf if self.phase is Phase.WAITING else self.over_at

    # How it goes on.

    def _shows(self, chunk: StreamChunk) -> None:
        self.told.append(chunk)
        self.shown = True
        self._await(self.config.timeouts.idle)

    def _await(self, timeout: float | None) -> None:
        self.due = math.inf if timeout is None else self.now + timeout

    def _finish_draining(self) -> None:
        if self.phase is Phase.DRAINING:
            self._end(Done)

    def _stops(self, kind: ErrorKind, *, total: bool = False) -> None:
        """The request is at its end. An answer that is finished is no failure."""
        if self.finished:
            self._end(Done)
        else:
            self._fails(kind, retryable=not total, total=total)

    def _fails(self, kind: ErrorKind, *, retryable: bool, total: bool = False) -> None:
        self.kind = kind
        left = self.over_at - self.now
        may_go_on = self.config.after_output is not AfterOutput.END and not self.has_call
        if (self.shown and not may_go_on) or left <= 0:
            self._end(Error)
            return
        delay = min(self.config.retry.initial_delay * 2 ** (self.attempt - 1), self.config.retry.max_delay)
        if retryable and self.attempt < self.config.retry.max_attempts and delay < left:
            self._announces(round(delay * 1000))
            self.attempt += 1
            self.phase, self.due = Phase.WAITING, self.now + delay
        elif self.provider + 1 < len(self.names):
            name, other = self.names[self.provider : self.provider + 2]
            self.told.append(Status(f"{name} failed; asking {other} instead"))
            if self._begins_anew:
                self._announces(0)
            self.provider, self.attempt = self.provider + 1, 1
            self._asks()
        else:
            self._end(Error)

    @property
    def _begins_anew(self) -> bool:
        return self.shown and not (self.config.after_output is AfterOutput.CONTINUE and self.text)

    def _announces(self, delay_ms: int) -> None:
        discard = self._begins_anew
        self.told.append(RetryAttempt(self.attempt, self.config.retry.max_attempts, delay_ms, "", discard=discard))
        if discard:
            self.shown, self.text = False, ""

    def _asks(self) -> None:
        self.requests += 1
        self.phase, self.in_call, self.finished = Phase.CONNECTING, False, False
        self._await(self.config.timeouts.connect)

    def _end(self, ending: type[StreamChunk]) -> None:
        self.phase, self.due, self.ending = Phase.OVER, math.inf, ending
        if ending is not Error:
            self.kind = None
