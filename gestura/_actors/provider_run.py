"""One provider of a stream, asked as often as the policy allows."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable

import attrs
import trio

from gestura._actors.attempt import Attempt
from gestura._actors.forwarder import Sink
from gestura._actors.guard import Guard
from gestura._actors.interrupt import Interrupt
from gestura._actors.outcome import AttemptOutcome
from gestura._actors.policy import Verdict, decide
from gestura.answer import Transcript
from gestura.cancellation import TokenState
from gestura.chunks import RetryAttempt
from gestura.config import AfterOutput, RetryPolicy
from gestura.conversation import Request, continuation
from gestura.errors import ConfigError, ErrorKind, Fault

__all__ = ["ProviderRun"]


@attrs.define(kw_only=True)
class ProviderRun:
    """Asks one provider until it answers, may not be asked again, or the stream is over.

    Args:
        name: the provider's name in the configuration.
        make_attempt: makes the next attempt at it.
        guard: what the client's streams share about it.
        policy: how often, and how long to wait.
        after_output: what a failure after output leads to.
        deadline: when the stream's own time is up, in Trio's time.
        interrupt: the user's token.
        sink: where retries are announced.
        transcript: what the stream has shown so far.
    """

    name: str
    make_attempt: Callable[[], Attempt]
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
        for number in itertools.count(1):
            await self._ask(self._rest_of(request))
            failure = self.outcome.failure
            if failure is None or self.interrupt.state is not TokenState.RUNNING:
                return Verdict.END
            decision = decide(
                failure,
                policy=self.policy,
                attempt=number,
                shown=self.transcript.shown and not self._may_ask_after_output(),
                seconds_left=self.deadline - trio.current_time(),
                random=random.random(),
            )
            if decision.verdict is not Verdict.RETRY:
                return decision.verdict
            if not self.guard.retries.withdraw(trio.current_time()):
                return Verdict.NEXT_PROVIDER
            self._announce(failure, number, decision.delay)
            with self.interrupt.scope():
                await trio.sleep(decision.delay)
            if self.interrupt.state is not TokenState.RUNNING:
                return Verdict.END
        raise AssertionError("unreachable")

    def discard_output(self) -> None:
        """Before an answer begins anew that was shown in part."""
        if self.transcript.shown and self.after_output is AfterOutput.RESTART:
            self.transcript.clear()

    def _may_ask_after_output(self) -> bool:
        return self.after_output is not AfterOutput.END and not self.transcript.has_tool_call

    def _rest_of(self, request: Request) -> Request:
        if self.after_output is AfterOutput.CONTINUE:
            return continuation(request, self.transcript.partial())
        return request

    def _announce(self, failure: Fault, number: int, delay: float) -> None:
        restart = self.transcript.shown and self.after_output is AfterOutput.RESTART
        self.sink.announce(
            RetryAttempt(number, self.policy.max_attempts, round(delay * 1000), failure.message, discard=restart)
        )
        self.discard_output()

    async def _ask(self, request: Request) -> None:
        """One attempt, or the reason why none was made."""
        self.outcome = AttemptOutcome(provider=self.name)
        now = trio.current_time()
        skipped_for = self.guard.breaker.seconds_to_wait(now)
        if skipped_for:
            self._fail(ErrorKind.OVERLOADED, "circuit_open", f"skipped for {skipped_for:.0f} s after repeated failures")
            return
        told = False
        try:
            with trio.move_on_at(self.deadline) as in_time, self.interrupt.scope():
                async with self.guard.places:
                    await self.guard.wait_for_turn()
                    in_time.deadline = math.inf  # from here on the attempt keeps its own deadlines
                    self.attempt = self.make_attempt()
                    ...
        except ConfigError as error:
            self._fail(error.kind, None, str(error))
        finally:
            if not told:
                self.guard.breaker.abandon()

    def _fail(self, kind: ErrorKind, code: str | None, message: str) -> None:
        self.outcome.fail(Fault(kind=kind, code=code, message=f"{self.name}: {message}", should_retry=False))
