"""Client, token, consumer and server together, beside a plain model, in any order of anything they can do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from live_stream import LiveStream
from stream_model import OPEN, Phase, StreamModel

from gestura import (
    AfterOutput,
    Cancelled,
    Done,
    Error,
    ErrorKind,
    Paused,
    ProviderSettings,
    RetryAttempt,
    RetryPolicy,
    StreamChunk,
    StreamingConfig,
    Timeouts,
    TransportError,
)
from gestura._actors import interrupt, policy, provider_run
from gestura.testing import assert_calls_contiguous, assert_ends_once

CALL = "call_1"


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish_reason}])


def config_of(after_output: AfterOutput, total: float | None) -> StreamingConfig:
    """Two providers, each asked twice at the most."""
    return StreamingConfig(
        primary="a",
        fallback=("b",),
        providers={
            name: ProviderSettings(kind="openai_chat", model="m", base_url=f"http://localhost/{name}") for name in "ab"
        },
        retry=RetryPolicy(max_attempts=2, jitter=0),
        after_output=after_output,
        timeouts=Timeouts(connect=10, first_content=30, idle=20, total=total),
    )


def texts() -> st.SearchStrategy[str]:
    return st.text("ab é\n", min_size=1, max_size=5)


def comparable(chunk: StreamChunk) -> StreamChunk:
    """Why a retry is made is told in words, which the model leaves out."""
    return attrs.evolve(chunk, error_message="") if isinstance(chunk, RetryAttempt) else chunk


def is_at(*phases: Phase) -> Any:
    return precondition(lambda self: self.model.phase in phases)


class StreamMachine(RuleBasedStateMachine):
    """The model says at every step what must be there."""

    @initialize(
        after_output=st.sampled_from(AfterOutput),
        total=st.sampled_from([None, None, 25.0, 60.0]),
        strikes_after=st.sampled_from([0, 1, 3, 6]),
    )
    def begin(self, after_output: AfterOutput, total: float | None, strikes_after: int) -> None:
        """`strikes_after`: how many chunks the token waits for, so that it does not end nearly every stream at once."""
        config = config_of(after_output, total)
        self.stream = LiveStream(config)
        self.model = StreamModel(config, self.stream.now)
        self.strikes_after = strikes_after

    def serve(self, *what: Any) -> None:
        """The server of the open request does something."""
        [request] = self.stream.transport.open_requests

        def act() -> None:
            for each in what:
                request.does(each)

        self.stream.do(act)

    # The server.

    @is_at(Phase.CONNECTING)
    @rule()
    def connects(self) -> None:
        self.serve(True)
        self.model.connects()

    @is_at(Phase.ANSWERING)
    @rule()
    def answers(self) -> None:
        self.serve(200)
        self.model.answers()

    @is_at(Phase.CONNECTING)
    @rule(text=texts())
    def begins_well(self, text: str) -> None:
        self.connects()
        self.answers()
        self.says(text)

    @is_at(Phase.ANSWERING)
    @rule(refusal=st.sampled_from([(503, ErrorKind.OVERLOADED, True), (400, ErrorKind.BAD_REQUEST, False)]))
    def refuses(self, refusal: tuple[int, ErrorKind, bool]) -> None:
        status, kind, retryable = refusal
        self.serve(status, b"No.", b"")
        self.model.refuses(kind, retryable=retryable)

    @is_at(Phase.CONNECTING, Phase.ANSWERING, Phase.BODY)
    @rule()
    def breaks(self) -> None:
        self.serve(TransportError("it broke"))
        self.model.breaks()

    @precondition(lambda self: self.model.phase is Phase.BODY and not self.model.finished)
    @rule(text=texts())
    def says(self, text: str) -> None:
        self.serve(delta(content=text))
        self.model.says(text)

    @precondition(lambda self: self.model.phase is Phase.BODY and not self.model.finished)
    @rule(arguments=st.sampled_from(['{"a"', ":1", "}"]))
    def calls(self, arguments: str) -> None:
        start = {} if self.model.in_call else {"id": CALL}
        name = {} if self.model.in_call else {"name": "look"}
        self.serve(delta(tool_calls=[{"index": 0, **start, "function": {**name, "arguments": arguments}}]))
        self.model.calls(CALL, arguments)

    @is_at(Phase.BODY)
    @rule(nothing=st.sampled_from([b": ping\n\n", delta(), b"\n"]))
    def says_nothing(self, nothing: bytes) -> None:
        self.serve(nothing)

    @precondition(lambda self: self.model.phase is Phase.BODY and not self.model.finished)
    @rule()
    def finishes(self) -> None:
        self.serve(delta("tool_calls" if self.model.in_call else "stop"))
        self.model.finishes(CALL)

    @is_at(Phase.BODY)
    @rule()
    def is_done(self) -> None:
        self.serve(b"data: [DONE]\n\n")
        self.model.is_done(CALL)

    @is_at(Phase.BODY, Phase.DRAINING)
    @rule()
    def ends(self) -> None:
        self.serve(b"")
        if self.model.phase is Phase.DRAINING:
            self.model.strikes(Done)
        else:
            self.model.ends()

    # The others.

    @rule(chunks=st.integers(1, 4))
    def reads(self, chunks: int) -> None:
        self.stream.read(chunks)

    @precondition(lambda self: len(self.model.told) >= self.strikes_after)
    @rule(ending=st.sampled_from([Paused, Cancelled]))
    def strikes(self, ending: type[StreamChunk]) -> None:
        token = self.stream.token
        self.stream.do(token.pause if ending is Paused else token.cancel)
        self.model.strikes(ending)

    @rule(seconds=st.sampled_from([0.05, 0.1, 1.0, 5.0, 12.0, 25.0]))
    def passes(self, seconds: float) -> None:
        self.model.passes(seconds)
        self.stream.pass_time(self.model.now)

    # What must hold.

    @invariant()
    def holds(self) -> None:
        stream, model = self.stream, self.model
        received = [comparable(chunk) for chunk in stream.received]

        assert stream.error is None
        assert model.told[: len(received)] == received[: len(model.told)]
        assert model.requests == len(stream.transport.requests)
        assert (model.phase in OPEN) == bool(stream.transport.open_requests)
        if stream.transport.open_requests:
            [request] = stream.transport.open_requests
            assert f"/{model.names[model.provider]}/" in request.request.url

    def teardown(self) -> None:
        if not hasattr(self, "stream"):
            return
        try:
            self.check_the_end()
        finally:
            self.stream.stop()

    def check_the_end(self) -> None:
        """Read all there is: it is what the model says, and then nothing is left."""
        stream, model = self.stream, self.model
        if model.phase is not Phase.OVER:
            stream.leave()
        else:
            stream.read(1000)
            ending = assert_ends_once(stream.received)
            assert_calls_contiguous(stream.received)

            assert model.told == [comparable(chunk) for chunk in stream.received[:-1]]
            assert (model.ending, model.kind) == (type(ending), getattr(ending, "kind", None))
            if not isinstance(ending, Done):
                assert model.text == (ending.partial.text if ending.partial else "")
            if isinstance(ending, Error):
                assert model.requests == ending.attempts

        assert stream.over
        assert [] == stream.transport.open_requests
        assert 0 == stream.tasks_left()


TestStream = StreamMachine.TestCase
TestStream.settings = settings(
    settings.default, max_examples=max(50, settings.default.max_examples // 2), stateful_step_count=30
)


def ignore_tokens(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(interrupt.Interrupt, "_cancel_scopes", lambda self: None)


def wait_longer(patch: pytest.MonkeyPatch) -> None:
    backoff = policy.backoff
    patch.setattr(policy, "backoff", lambda *args: backoff(*args) + 0.5)


def begin_anew_in_silence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(provider_run.ProviderRun, "begins_anew", False)


@pytest.mark.parametrize("sabotage", [ignore_tokens, wait_longer, begin_anew_in_silence])
def test_the_model_notices(monkeypatch: pytest.MonkeyPatch, sabotage: Callable[[pytest.MonkeyPatch], None]) -> None:
    """Where a part of gestura is broken, the model and it disagree before long."""
    sabotage(monkeypatch)
    only_find = settings(settings.default, max_examples=300, stateful_step_count=30, phases=[hypothesis.Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(StreamMachine, settings=only_find)
