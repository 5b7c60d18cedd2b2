"""`CancellationToken`: cancel and pause, from anywhere, at any time, and how to go on from a pause."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from scripting import ANSWER, DONE, FINISH, THRICE, answers, config, delta, event, provider, text
from trio.testing import MockClock, wait_all_tasks_blocked

import gestura
from gestura import (
    AfterOutput,
    CancellationToken,
    Cancelled,
    ConfigError,
    Done,
    Paused,
    Request,
    Text,
    ThinkingPart,
    TokenUsage,
    ToolCall,
    assistant,
    user,
)
from gestura._actors.interrupt import Interrupt
from gestura.cancellation import TokenState
from gestura.chunk_json import from_json, to_json
from gestura.chunks import Ending, StreamChunk
from gestura.conversation import GO_ON
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait

PROMPTLY = 0.010
"""Seconds of virtual time within which a token takes effect."""

OK = answers(ANSWER)
PAUSE, CANCEL = CancellationToken.pause, CancellationToken.cancel
Call = Callable[[CancellationToken], None]


# The token itself.


class TokenMachine(RuleBasedStateMachine):
    """Any calls in any order, beside the plain rule: cancelled once cancelled, else paused once paused."""

    def __init__(self) -> None:
        super().__init__()
        self.token = CancellationToken()
        self.calls: list[str] = []
        self.heard: list[TokenState] = []
        self.listening = self.token.listening(lambda: self.heard.append(self.token.state))
        self.listening.__enter__()

    def teardown(self) -> None:
        self.listening.__exit__(None, None, None)

    @rule()
    def pause(self) -> None:
        self.calls.append("pause")
        self.token.pause()

    @rule()
    def cancel(self) -> None:
        self.calls.append("cancel")
        self.token.cancel()

    @invariant()
    def is_what_the_calls_made_it(self) -> None:
        if "cancel" in self.calls:
            expected = TokenState.CANCELLED
        else:
            expected = TokenState.PAUSED if self.calls else TokenState.RUNNING

        assert expected is self.token.state

    @invariant()
    def tells_each_change_once(self) -> None:
        changes = [TokenState.PAUSED] if self.calls[:1] == ["pause"] else []
        changes += [TokenState.CANCELLED] if "cancel" in self.calls else []

        assert changes == self.heard


TestToken = TokenMachine.TestCase


def test_a_listener_that_has_left_hears_nothing() -> None:
    """A stream that has ended is not woken."""
    token = CancellationToken()
    heard = []
    with token.listening(lambda: heard.append("first")), token.listening(lambda: heard.append("second")):
        pass
    token.cancel()

    assert [] == heard


def test_threads_agree_on_one_state() -> None:
    """Many threads pause and cancel at once: each change is heard once, and cancel wins."""
    token = CancellationToken()
    heard: list[TokenState] = []
    barrier = threading.Barrier(8)

    def call(calls: Callable[[], None]) -> None:
        barrier.wait()
        for _ in range(100):
            calls()

    with token.listening(lambda: heard.append(token.state)):
        threads = [threading.Thread(target=call, args=(each,)) for each in (token.pause, token.cancel) * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert TokenState.CANCELLED is token.state
    assert 1 <= len(heard) <= 2


def test_a_signal_handler_may_cancel_while_the_token_is_busy() -> None:
    """The handler interrupts the very thread that holds the token's lock, and does not hang."""
    token = CancellationToken()
    before = signal.signal(signal.SIGUSR1, lambda *_: token.cancel())
    try:
        with token._lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert TokenState.CANCELLED is token.state


# A stream under a token.


@attrs.define
class Stopped:
    """A stream that a token ended.

    Args:
        chunks: what came, the ending last.
        after: seconds from the call of the token to the ending.
        transport: whom it asked.
    """

    chunks: list[StreamChunk]
    after: float
    transport: ScriptedTransport

    @property
    def ending(self) -> Ending:
        return self.chunks[-1]


async def stopped(script: Any, call: Call, *, at: float = 5.0, raw: bool = False, **changes: Any) -> Stopped:
    """One stream, whose token is called after `at` seconds."""
    transport = ScriptedTransport(script if callable(script) else iter(script))
    token, called_at = CancellationToken(), trio.current_time() + at

    async def call_in_time() -> None:
        await trio.sleep(at)
        call(token)

    settings = config(**{"retry": THRICE, **changes})
    async with gestura.open_client(settings, transport=transport) as client, trio.open_nursery() as nursery:
        nursery.start_soon(call_in_time)
        async with client.stream("Hi", token=token, raw=raw) as stream:
            chunks = [chunk async for chunk in stream]
            after = trio.current_time() - called_at
            assert all(exchange.closed for exchange in transport.exchanges)
    return Stopped(chunks, after, transport)


SILENCES: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "connecting": lambda: ([ScriptedExchange(connecting=[Hang()])], {}),
    "waiting for the head": lambda: ([ScriptedExchange(answering=[Hang()])], {}),
    "waiting for the first word": lambda: ([answers(Hang())], {}),
    "in the middle of the text": lambda: ([answers(text("Hel"), Hang())], {}),
    "behind the model's last word": lambda: ([answers(text("Hel"), b"data: ", Hang())], {}),
    "reading the body of an error": lambda: ([ScriptedExchange(status=400, body=[Wait(3.0), b"{", Hang()])], {}),
    "waiting to try again": lambda: ([ScriptedExchange(status=429, headers={"Retry-After": "60"})], {}),
    "waiting to try again after output": lambda: (
        [answers(text("Hel"), Wait(4.5), Break())],
        {"after_output": AfterOutput.RESTART},
    ),
    "waiting for a request of the minute": lambda: (
        [ScriptedExchange(status=503)],
        {"providers": {"a": provider("a", requests_per_minute=1)}},
    ),
    "asking two at once": lambda: (lambda _request: answers(Hang()), {"hedge_after": 1.0, "fallback": ("b",)}),
    "asking the fallback": lambda: (
        lambda request: ScriptedExchange(status=400) if "/a/" in request.url else answers(Hang()),
        {"fallback": ("b",)},
    ),
    "trickling comments": lambda: ([answers(*[b": ping\n\n", Wait(0.3)] * 100)], {}),
}


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
@pytest.mark.parametrize("silence", SILENCES)
async def test_a_token_takes_effect_at_once(autojump_clock: MockClock, silence: str, call: Call) -> None:
    """Whatever the stream waits for, it ends within 10 ms, with the one ending, and its connections are closed."""
    script, changes = SILENCES[silence]()
    stream = await stopped(script, call, **changes)

    assert (Paused if call is PAUSE else Cancelled) is type(stream.ending)
    assert 0 <= stream.after <= PROMPTLY
    assert 1 == sum(isinstance(chunk, Paused | Cancelled) for chunk in stream.chunks)


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
async def test_a_token_closes_the_connection_of_a_reader_who_has_stopped(autojump_clock: MockClock, call: Call) -> None:
    """The channel is full and nobody reads: the server is left at once, and what was read comes before the ending."""
    words = [text(f"{number} ") for number in range(600)]
    transport = ScriptedTransport([answers(*words, Hang())])
    token = CancellationToken()
    async with gestura.open_client(config(), transport=transport) as client, client.stream("Hi", token=token) as stream:
        await wait_all_tasks_blocked()
        assert not transport.exchanges[0].closed
        call(token)
        with trio.fail_after(PROMPTLY):
            await wait_all_tasks_blocked()
            assert transport.exchanges[0].closed
        chunks = [chunk async for chunk in stream]

    got = "".join(chunk.text for chunk in chunks[:-1])
    assert chunks[-1].partial == assistant(got)
    assert "".join(f"{number} " for number in range(600)).startswith(got)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([PAUSE, CANCEL], Cancelled),
        ([CANCEL, PAUSE], Cancelled),
        ([PAUSE, PAUSE], Paused),
        ([CANCEL, CANCEL], Cancelled),
        ([PAUSE, PAUSE, CANCEL, PAUSE], Cancelled),
    ],
)
async def test_cancel_beats_pause(autojump_clock: MockClock, calls: list[Call], expected: type[Ending]) -> None:
    """Called in the same moment, in any order and number."""
    stream = await stopped([answers(text("Hel"), Hang())], lambda token: [call(token) for call in calls] and None)

    assert expected is type(stream.ending)


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
async def test_a_token_that_has_spoken_lets_no_stream_begin(autojump_clock: MockClock, call: Call) -> None:
    """Nothing is asked; the stream has its one ending."""
    transport = ScriptedTransport([])
    token = CancellationToken()
    call(token)
    async with (
        gestura.open_client(config(), transport=transport) as client,
        client.stream("Hi", token=token) as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert [] == transport.exchanges
    assert [Cancelled()] == chunks or [
        Paused(request=Request(messages=(user("Hi"),)), provider="a", model="m")
    ] == chunks


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
async def test_a_token_says_nothing_to_a_stream_that_has_ended(autojump_clock: MockClock, call: Call) -> None:
    """A call after the ending changes nothing."""
    token = CancellationToken()
    async with (
        gestura.open_client(config(), transport=ScriptedTransport([OK])) as client,
        client.stream("Hi", token=token) as stream,
    ):
        chunks = [chunk async for chunk in stream]
        call(token)
        assert [] == [chunk async for chunk in stream]
        assert stream.ending is chunks[-1]

    assert isinstance(chunks[-1], Done)


async def test_a_complete_answer_is_done_though_the_token_spoke(autojump_clock: MockClock) -> None:
    """The model's last word was read before the token was called, and only the end of the body was still to come."""
    stream = await stopped([answers(ANSWER, Hang())], CANCEL, at=0.05)

    assert isinstance(stream.ending, Done)


async def test_one_token_governs_many_streams(autojump_clock: MockClock) -> None:
    """All of them end, each once; those of other tokens go on."""
    transport = ScriptedTransport(lambda _request: answers(text("Hel"), Wait(10.0), ANSWER))
    token, other = CancellationToken(), CancellationToken()
    endings: list[tuple[CancellationToken, Ending]] = []

    async def ask(under: CancellationToken) -> None:
        async with client.stream("Hi", token=under) as stream:
            endings.append((under, [chunk async for chunk in stream][-1]))

    async with gestura.open_client(config(), transport=transport) as client, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask, token)
            nursery.start_soon(ask, other)
        await trio.sleep(5.0)
        token.cancel()

    assert [Cancelled] * 20 == [type(ending) for under, ending in endings if under is token]
    assert [Done] * 20 == [type(ending) for under, ending in endings if under is other]


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
async def test_a_token_may_be_called_from_a_thread(call: Call) -> None:
    """Real time: the stream hangs, a thread calls, the stream ends."""
    token = CancellationToken()
    transport = ScriptedTransport([answers(text("Hel"), Hang())])
    with trio.fail_after(10):
        async with (
            gestura.open_client(config(), transport=transport) as client,
            client.stream("Hi", token=token) as stream,
            trio.open_nursery() as nursery,
        ):
            assert Text("Hel") == await anext(stream)
            nursery.start_soon(trio.to_thread.run_sync, call, token)
            chunks = [chunk async for chunk in stream]

    assert [assistant("Hel")] == [ending.partial for ending in chunks]


async def test_no_wait_begins_under_a_token_that_has_spoken() -> None:
    """A scope that opens after the call is cancelled from the first."""
    token = CancellationToken()
    token.cancel()
    with Interrupt(token).scope() as scope:
        await trio.sleep_forever()

    assert scope.cancelled_caught


def test_a_token_outlives_the_run_of_its_stream() -> None:
    """Called when the stream's `trio.run` has ended under it, it does no harm."""
    token = CancellationToken()
    with ExitStack() as never_left:

        async def begin() -> None:
            never_left.enter_context(Interrupt(token).listening())

        trio.run(begin)
        token.cancel()

    assert TokenState.CANCELLED is token.state


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
async def test_an_ending_by_a_token_tells_what_was_shown_and_counted(autojump_clock: MockClock, call: Call) -> None:
    """Text, thinking and usage, as far as they came; an unfinished tool call is left out."""
    body = [
        delta(reasoning_content="hm"),
        text("Hel"),
        delta(tool_calls=[{"index": 0, "id": "one", "function": {"name": "look", "arguments": '{"a'}}]),
        event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}),
        Hang(),
    ]
    stream = await stopped([answers(*body)], call)

    assert assistant(ThinkingPart("hm"), "Hel") == stream.ending.partial
    assert TokenUsage(input_tokens=3, output_tokens=1, total_tokens=4, provider="a", model="m") == stream.ending.usage


@pytest.mark.parametrize("call", [PAUSE, CANCEL])
async def test_an_ending_by_a_token_keeps_complete_tool_calls(autojump_clock: MockClock, call: Call) -> None:
    """A provider that says where a call ends has it kept, though the answer is not complete."""
    events = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "one", "name": "look"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "two", "name": "look"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a'}},
    ]
    body = [b"event: " + each["type"].encode() + b"\n" + event(**each) for each in events]
    settings = {"a": provider("a", kind="anthropic", api_key="key")}
    stream = await stopped([answers(*body, Hang())], call, providers=settings)

    assert assistant(ToolCall("one", "look", '{"a": 1}')) == stream.ending.partial


@given(st.integers(0, 60), st.sampled_from([PAUSE, CANCEL]))
def test_at_any_moment_a_token_ends_a_stream_once(eighths: int, call: Call) -> None:
    """Wherever the call falls between the events of a stream with retries, there is one ending, and it fits."""
    script = [
        ScriptedExchange(status=503),
        ScriptedExchange(connecting=[Wait(0.25)], answering=[Wait(0.25)], body=[Wait(0.25), Break()]),
        answers(*[step for word in "abcde" for step in (text(word), Wait(0.25))], FINISH, DONE),
    ]
    moment = eighths / 8 + 0.01  # never that of an event

    async def check() -> Stopped:
        return await stopped(iter(script), call, at=moment)

    stream = trio.run(check, clock=MockClock(autojump_threshold=0))

    done_at = 1.0 + 0.75 + 2.0 + 5 * 0.25
    assert type(stream.ending) is (Done if moment > done_at else Paused if call is PAUSE else Cancelled)
    assert not any(isinstance(chunk, Done | Paused | Cancelled) for chunk in stream.chunks[:-1])


# A cancel scope of the user's.


async def test_a_cancel_scope_around_the_stream_leaks_nothing(autojump_clock: MockClock) -> None:
    """Trio's own way to leave: the scope catches its cancellation, and no task or connection is left."""
    before = trio.lowlevel.current_statistics().tasks_living
    for script, changes in (make() for make in SILENCES.values()):
        transport = ScriptedTransport(script if callable(script) else iter(script))
        settings = config(**{"retry": THRICE, **changes})
        async with gestura.open_client(settings, transport=transport) as client:
            with trio.move_on_after(5.0) as scope:
                async with client.stream("Hi") as stream:
                    async for _ in stream:
                        pass
        assert scope.cancelled_caught
        assert all(exchange.closed for exchange in transport.exchanges)

    assert before == trio.lowlevel.current_statistics().tasks_living


# Resuming.


@asynccontextmanager
async def paused_client(rest: ScriptedExchange, **changes: Any) -> AsyncIterator[tuple[Any, Paused, ScriptedTransport]]:
    """A client, the ending of a stream that was paused after "Hel", and the transport, which goes on with `rest`."""
    transport = ScriptedTransport([answers(text("Hel"), Hang()), rest, OK])
    providers = {"a": provider("a"), "b": provider("b", kind="anthropic", api_key="key", model="n")}
    settings = config(providers=providers, **changes)
    async with gestura.open_client(settings, transport=transport) as client:
        token = CancellationToken()
        async with client.stream("Hi", token=token) as stream:
            assert Text("Hel") == await anext(stream)
            token.pause()
            [ending] = [chunk async for chunk in stream]
        assert isinstance(ending, Paused)
        yield client, ending, transport


def conversation(body: bytes) -> list[tuple[str, str]]:
    """Who said what, in the body of a Chat Completions request."""
    return [(message["role"], message["content"]) for message in json.loads(body)["messages"]]


async def test_a_paused_stream_tells_what_is_needed_to_go_on(autojump_clock: MockClock) -> None:
    """The request, the provider, the model that was asked, and the part that was shown; it survives JSON."""
    async with paused_client(OK) as (_client, paused, _transport):
        assert (
            Paused(partial=assistant("Hel"), request=Request(messages=(user("Hi"),)), provider="a", model="m") == paused
        )
        assert paused == from_json(json.loads(json.dumps(to_json(paused))))


async def test_resuming_asks_the_same_provider_for_the_rest(autojump_clock: MockClock) -> None:
    """The chunks are those of the rest, after the part that was shown."""
    async with (
        paused_client(answers(text("lo"), FINISH, DONE)) as (client, paused, transport),
        client.resume(paused) as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert Text("lo") == chunks[0]
    assert isinstance(chunks[-1], Done)
    assert [("user", "Hi"), ("assistant", "Hel"), ("user", GO_ON)] == conversation(transport.exchanges[1].request.body)


async def test_resuming_works_on_another_provider(autojump_clock: MockClock) -> None:
    """In its own wire format, with its own model."""
    async with (
        paused_client(answers(Break())) as (client, paused, transport),
        client.resume(paused, provider="b") as stream,
    ):
        [_ async for _ in stream]
    asked = json.loads(transport.exchanges[1].request.body)

    assert "/b/" in transport.exchanges[1].request.url
    assert "n" == asked["model"]
    assert ["user", "assistant", "user"] == [message["role"] for message in asked["messages"]]
    assert "Hel" in json.dumps(asked["messages"][1])


async def test_resuming_keeps_the_model_that_was_asked(autojump_clock: MockClock) -> None:
    """A stream with a model of its own goes on with that; a model that is named now wins."""
    transport = ScriptedTransport([answers(Hang()), OK, OK])
    async with gestura.open_client(config(), transport=transport) as client:
        token = CancellationToken()
        async with client.stream("Hi", model="special", token=token) as stream:
            await wait_all_tasks_blocked()
            token.pause()
            [paused] = [chunk async for chunk in stream]
        for model in (None, "other"):
            async with client.resume(paused, model=model) as stream:
                [_ async for _ in stream]

    assert ["special", "special", "other"] == [
        json.loads(exchange.request.body)["model"] for exchange in transport.exchanges
    ]


async def test_a_resumed_stream_can_be_paused_again(autojump_clock: MockClock) -> None:
    """Each part becomes a turn of the model's, so nothing of the answer is asked for twice."""
    async with paused_client(answers(text("lo, "), Hang())) as (client, paused, transport):
        token = CancellationToken()
        async with client.resume(paused, token=token) as stream:
            assert Text("lo, ") == await anext(stream)
            token.pause()
            [again] = [chunk async for chunk in stream]
        async with client.resume(again) as stream:
            [_ async for _ in stream]

    assert ["Hi", "Hel", GO_ON, "lo, ", GO_ON] == [
        content for _, content in conversation(transport.exchanges[2].request.body)
    ]


async def test_a_pause_before_the_first_word_resumes_with_the_same_request(autojump_clock: MockClock) -> None:
    """There is nothing to continue: the question is asked again as it was."""
    stream = await stopped([answers(Hang())], PAUSE)
    transport = ScriptedTransport([OK])
    async with (
        gestura.open_client(config(), transport=transport) as client,
        client.resume(stream.ending) as resumed,
    ):
        chunks = [chunk async for chunk in resumed]

    assert isinstance(chunks[-1], Done)
    assert [("user", "Hi")] == conversation(transport.exchanges[0].request.body)


async def test_resuming_under_the_token_that_paused_ends_at_once(autojump_clock: MockClock) -> None:
    """The token stays paused: another is needed."""
    token = CancellationToken()
    token.pause()
    async with paused_client(OK) as (client, paused, transport), client.resume(paused, token=token) as stream:
        assert [Paused] == [type(chunk) async for chunk in stream]

    assert 1 == len(transport.exchanges)


async def test_what_holds_no_request_can_t_be_resumed(autojump_clock: MockClock) -> None:
    """A `Paused` made by hand is refused with words."""
    async with gestura.open_client(config(), transport=ScriptedTransport([])) as client:
        with pytest.raises(ConfigError, match="request"):
            async with client.resume(Paused()):
                pass


async def test_a_token_reaches_the_other_doors(autojump_clock: MockClock) -> None:
    """What waits for a whole answer, or sends a stream into a channel, heeds a token like a stream."""
    token = CancellationToken()
    token.cancel()
    send, receive = trio.open_memory_channel[StreamChunk](1)
    async with gestura.open_client(config(), transport=answers()) as client:
        with pytest.raises(gestura.StreamFailed) as failed:
            await client.ask("Hi", token=token)
        await client.stream_into("Hi", send, token=token)

    assert isinstance(failed.value.ending, Cancelled)
    assert [Cancelled()] == [chunk async for chunk in receive]
