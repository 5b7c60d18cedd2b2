"""One provider of a stream, asked as often as the policy allows."""

from __future__ import annotations

import logging
import random
from typing import Protocol

import attrs
import trio

from gestura._actors.attempt import Attempt
from gestura._actors.guard import Guard
from gestura._actors.interrupt import Interrupt
from gestura._actors.outcome import AttemptOutcome
from gestura._actors.outlet import Sink
from gestura._actors.policy import Verdict, decide
from gestura.answer import Transcript
from gestura.chunks import RetryAttempt
from gestura.config import AfterOutput, RetryPolicy
from gestura.conversation import Request, continuation
from gestura.errors import ConfigError, ErrorKind, Fault

__all__ = ["ProviderRun"]

_log = logging.getLogger("gestura.stream")


class AttemptMaker(Protocol):
    """Makes attempts: the supervisor."""

    def make_attempt(self, run: ProviderRun, request: Request) -> Attempt:
        """The next attempt at a run's provider, for its sink and transcript.

        Raises:
            ConfigError: the provider can't be asked.
        """


@attrs.define(kw_only=True)
class ProviderRun:
    """Asks one provider until it answers, may not be asked again, or the stream is over.

    Args:
        name: the provider's name in the configuration.
        maker: makes the attempts.
        model: which of its models is asked.
        guard: what the client's streams share about it.
        policy: how often, and how long to wait.
        after_output: what a failure after output leads to.
        deadline: when the stream's own time is up, in Trio's time.
        interrupt: the user's token.
        sink: where retries are announced.
        transcript: what the stream has shown so far.
    """

    name: str
    maker: AttemptMaker
    model: str
    guard: Guard
    policy: RetryPolicy
    after_output: AfterOutput
    deadline: float
    interrupt: Interrupt
    sink: Sink
    transcript: Transcript
    attempt: Attempt | None = attrs.field(default=None, init=False)
    """The latest attempt."""

    attempts: int = attrs.field(default=0, init=False)
    """Requests that were made."""

    outcome: AttemptOutcome = attrs.field(init=False)
    """What became of the latest attempt."""

    def __attrs_post_init__(self) -> None:
        self.outcome = AttemptOutcome(provider=self.name)

    async def run(self, request: Request) -> Verdict:
        """Ask, and ask again. `outcome` tells what came of it; the verdict, whether another provider should be asked.

        A run that the token has interrupted ends like one that has failed; the caller asks the token first.
        """
        self.guard.retries.deposit()
        number = self.attempts  # a loser of a race may be asked again
        while True:
            number += 1
            await self._ask(self._rest_of(request))
            failure = self.outcome.failure
            if failure is None or self.interrupt.has_struck():
                return Verdict.END
            decision = decide(
                failure,
                policy=self.policy,
                attempt=number,
                shown=self.transcript.shown and not self._may_ask_after_output(),
                seconds_left=self.deadline - trio.current_time(),
                random=random.random(),  # noqa: S311  # jitter, no secret
            )
            if decision.verdict is not Verdict.RETRY:
                return decision.verdict
            if not self.guard.allows_retry(self.model, trio.current_time(), decision.delay):
                return Verdict.NEXT_PROVIDER
            self.announce(failure, number, decision.delay)
            with self.interrupt.scope():
                await trio.sleep(decision.delay)
            if self.interrupt.has_struck():
                return Verdict.END

    def _may_ask_after_output(self) -> bool:
        return self.after_output is not AfterOutput.END and not self.transcript.has_tool_call

    def _rest_of(self, request: Request) -> Request:
        if self.after_output is AfterOutput.CONTINUE:
            return continuation(request, self.transcript.partial())
        return request

    @property
    def begins_anew(self) -> bool:
        """Whether another attempt would not go on from what was shown. From thinking alone no model does."""
        goes_on = self.after_output is AfterOutput.CONTINUE and self.transcript.has_text
        return self.transcript.shown and not goes_on

    def announce(self, failure: Fault, number: int, delay: float) -> None:
        """Tell the user of another attempt, and that what was shown does not count where the answer begins anew."""
        discard = self.begins_anew
        retry = RetryAttempt(number, self.policy.max_attempts, round(delay * 1000), failure.message, discard=discard)
        _log.info("%s: attempt %d failed, another in %.1f s: %s", self.name, number, delay, failure.message)
        self.transcript.add(retry)
        self.sink.announce(retry)

    async def _ask(self, request: Request) -> None:
        """One attempt, or the reason why none was made."""
        self.outcome = AttemptOutcome(provider=self.name)
        if self._is_skipped():
            return
        if not await self._take_place():
            self._fail(ErrorKind.TIMEOUT, "total", "the stream's time was up before its turn came (timeouts.total)")
            return
        try:
            if self._is_skipped():  # others have found it dead while this one waited
                return
            self.attempt = self.maker.make_attempt(self, request)
            self.guard.let_through(self.model, trio.current_time())
            self.attempts += 1
            self.outcome = self.attempt.outcome
            await self.attempt.run()
        except ConfigError as error:
            self.outcome.fail(Fault(kind=error.kind, message=str(error), should_retry=False))
            return
        finally:
            self.guard.places.release()
        if not self.interrupt.has_struck():  # what the user broke off says nothing of the provider
            self.guard.record(self.model, self.outcome.failure, self.outcome.usage, trio.current_time())

    def _is_skipped(self) -> bool:
        seconds = self.guard.seconds_to_wait(self.model, trio.current_time())
        if seconds:
            problem = f"{self.model} is skipped for {seconds:.0f} s after repeated failures"
            self._fail(ErrorKind.OVERLOADED, "circuit_open", problem, retry_after=seconds)
        return seconds > 0

    async def _take_place(self) -> bool:
        """Wait for a free place and room in the budgets; false when the stream was over first."""
        if trio.current_time() < self.deadline and self.guard.takes_now():
            return True
        with trio.move_on_at(self.deadline), self.interrupt.scope():
            await self.guard.places.acquire()
            try:
                await self.guard.wait_for_turn()
            except BaseException:
                self.guard.places.release()
                raise
            return True
        return False

    def _fail(self, kind: ErrorKind, code: str, message: str, *, retry_after: float | None = None) -> None:
        problem = f"{self.name}: {message}"
        self.outcome.fail(Fault(kind=kind, code=code, message=problem, retry_after=retry_after, should_retry=False))
