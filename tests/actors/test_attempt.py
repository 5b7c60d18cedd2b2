"""One attempt: how it ends, by whatever door, and that nothing of it is left when it has."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from doors import Leave, by_an_exception, by_break
from scripting import ANSWER, DONE, FINISH, answers, chunks_of, config, delta, event, open_scripted, run_virtually, text
from trio.testing import MockClock

import gestura
from gestura.chunks import Done, Error, Text
from gestura.config import ProviderSettings
from gestura.errors import ErrorKind
from gestura.providers.openai_chat import OpenAIChat
from gestura.stages import Stage
from gestura.transport.scripted import Break, Hang, ScriptedExchange, ScriptedTransport, Wait


async def stream_to_end(script: ScriptedExchange, **changes: Any) -> tuple[float, list[gestura.StreamChunk], Any]:
    """When the stream ended, its chunks, and what became of its exchange."""
    played = ScriptedTransport([script])
    chunks = await chunks_of(played, **changes)
    (exchange,) = played.exchanges
    assert exchange.closed
    return trio.current_time(), chunks, exchange


# The end of an answer.


@pytest.mark.parametrize(
    ("after", "seconds"),
    [([], 0), ([Wait(0.05)], 0.05), ([Hang()], 0.1), ([Wait(60), text("more")], 0.1), ([Break()], 0)],
)
async def test_done_does_not_wait_for_the_server(autojump_clock: MockClock, after: list[Any], seconds: float):
    """After the wire's own end of the answer the body has 0.1 s to end too, to give its connection back."""
    ended, chunks, exchange = await stream_to_end(answers(ANSWER, *after))

    assert seconds == pytest.approx(ended)
    assert [Text("Hello")] == chunks[:-1]
    assert isinstance(chunks[-1], Done)
    assert exchange.ended is (after in ([], [Wait(0.05)]))


async def test_what_follows_the_end_is_not_read_for_ever(autojump_clock: MockClock):
    """A server that goes on after `[DONE]` is left, however much it sends."""
    script = answers(ANSWER, *[Wait(0.01), b": more\n" * 1000] * 500)
    ended, chunks, exchange = await stream_to_end(script)

    assert ended == pytest.approx(0.1)
    assert isinstance(chunks[-1], Done)
    assert not exchange.ended


@pytest.mark.parametrize(
    ("last", "expected"), [([], Done), ([Break()], Done), ([Hang()], Done), ([b": " + b"x" * 9000], Done)]
)
async def test_a_finish_reason_is_an_end_by_itself(autojump_clock: MockClock, last: list[Any], expected: type):
    """Some servers send no `[DONE]`. What comes after the finish reason, or does not, spoils no answer."""
    limits = gestura.Limits(max_frame_bytes=5000)
    _, chunks, _ = await stream_to_end(answers(text("a"), FINISH, *last), limits=limits)

    assert isinstance(chunks[-1], expected)


async def test_an_input_that_ends_is_no_success_by_itself():
    """Without the wire's own end the answer is truncated; what was shown is kept, and so are the counts."""
    counts = event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1})
    _, chunks, exchange = await stream_to_end(answers(text("Hel"), counts))
    ending = chunks[-1]

    assert isinstance(ending, Error)
    assert ErrorKind.TRUNCATED is ending.kind
    assert ending.partial is not None
    assert "Hel" == ending.partial.text
    assert ending.usage is not None
    assert 3 == ending.usage.input_tokens
    assert exchange.ended


@pytest.mark.parametrize("after", [b"", DONE, FINISH, FINISH + DONE])
async def test_an_error_in_the_stream_is_no_answer_however_well_it_ends(autojump_clock: MockClock, after: bytes):
    """Some servers send `[DONE]` after an error, too; the error came first."""
    error = event(error={"message": "the model fell over", "type": "server_error"})
    _, chunks, _ = await stream_to_end(answers(text("Hel"), error + after))

    assert isinstance(chunks[-1], Error)
    assert ErrorKind.SERVER is chunks[-1].kind


# Leaving early.


async def by_a_deadline(stream: gestura.ChunkStream) -> None:
    await anext(stream)
    with trio.fail_after(1):
        await anext(stream)


async def by_a_task_of_its_own(stream: gestura.ChunkStream) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(by_an_exception, stream)


async def without_a_look(_stream: gestura.ChunkStream) -> None:
    pass


DOORS = [by_break, by_an_exception, by_a_deadline, by_a_task_of_its_own, without_a_look]

POINTS = {
    "connecting": answers(connecting=[Hang()]),
    "before the head": answers(answering=[Hang()]),
    "before the body": answers(Hang()),
    "amid the body": answers(text("a"), Hang()),
    "amid a flood": answers(*[text("a") * 50] * 500),
    "after a finish reason": answers(text("a"), FINISH, Hang()),
    "draining": answers(text("a"), DONE, Hang()),
    "at the end": answers(text("a"), ANSWER),
}


@pytest.mark.parametrize("leave", DOORS)
@pytest.mark.parametrize("script", [POINTS["amid the body"], POINTS["amid a flood"], POINTS["draining"]])
def test_every_door_closes_the_socket_before_the_next_line(
    leave: Callable[[gestura.ChunkStream], Awaitable[None]], script: ScriptedExchange
):
    """However the block is left: when the line after it runs, the socket is closed and no task of the stream lives."""

    async def main() -> None:
        played = ScriptedTransport([script])
        async with open_scripted(played) as client:
            before = trio.lowlevel.current_statistics().tasks_living
            with suppress(Leave, trio.TooSlowError, ExceptionGroup):
                async with client.stream("Hi") as stream:
                    await leave(stream)
            assert all(exchange.closed for exchange in played.exchanges)
            assert before == trio.lowlevel.current_statistics().tasks_living

    run_virtually(main)


@pytest.mark.parametrize(
    ("leave", "expected"), [(by_an_exception, Leave), (by_a_deadline, trio.TooSlowError), (by_a_task_of_its_own, Leave)]
)
async def test_the_users_own_exception_comes_out_as_it_is(
    autojump_clock: MockClock, leave: Callable[[gestura.ChunkStream], Awaitable[None]], expected: type[Exception]
):
    """Bare where it was bare; a group where the user's own nursery made one, and only that one group."""
    async with open_scripted(POINTS["amid the body"]) as client:
        try:
            async with client.stream("Hi") as stream:
                await leave(stream)
        except Exception as error:  # noqa: BLE001  # whatever comes is looked at
            caught = error

    if leave is by_a_task_of_its_own:
        assert isinstance(caught, ExceptionGroup)
        (caught,) = caught.exceptions
    assert type(caught) is expected


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("seconds", [0, 0.05, 5])
def test_a_cancel_scope_ends_an_attempt_wherever_it_is(point: str, seconds: float):
    """Cancelled while anything hangs, or while nothing does, all is closed at that very moment."""

    async def main() -> None:
        played = ScriptedTransport([POINTS[point]])
        async with open_scripted(played) as client:
            before = trio.lowlevel.current_statistics().tasks_living
            with trio.move_on_after(seconds) as scope:
                async with client.stream("Hi") as stream:
                    async for _ in stream:
                        await trio.sleep(0.001)
                    await trio.sleep_forever()
            assert scope.cancelled_caught
            assert seconds == trio.current_time()
            assert all(exchange.closed for exchange in played.exchanges)
            assert before == trio.lowlevel.current_statistics().tasks_living

    run_virtually(main)


class CountCheckpoints(trio.abc.Instrument):
    """Cancels a scope when tasks have run so often."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self._scope = scope
        self._left = steps

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._scope.cancel()


def test_an_attempt_can_be_cancelled_at_every_step():
    """A sweep over all the moments at which any task runs: closed, with nothing left, whichever it is."""

    async def main(steps: int) -> bool:
        played = ScriptedTransport([answers(text("a"), Wait(1), ANSWER, connecting=[Wait(1)])])
        async with open_scripted(played) as client:
            with trio.CancelScope() as scope:
                sweep = CountCheckpoints(scope, steps)
                trio.lowlevel.add_instrument(sweep)
                try:
                    async with client.stream("Hi") as stream:
                        async for _ in stream:
                            pass
                finally:
                    trio.lowlevel.remove_instrument(sweep)
            assert all(exchange.closed for exchange in played.exchanges)
        return scope.cancelled_caught

    cancelled = [run_virtually(main, steps) for steps in range(1, 120)]

    assert sum(cancelled) > 15
    assert not cancelled[-1]


def test_many_streams_leave_nothing_behind():
    """Hundreds of streams, ended and left: no task, no exchange and no object of theirs stays."""

    async def main() -> int:
        streams: weakref.WeakSet[gestura.ChunkStream] = weakref.WeakSet()
        played = ScriptedTransport(lambda _: answers(text("a"), Wait(1), ANSWER))
        async with open_scripted(played) as client:
            for number in range(200):
                with trio.move_on_after(0.5 if number % 2 else 5):
                    async with client.stream("Hi") as stream:
                        streams.add(stream)
                        async for _ in stream:
                            pass
            del stream
            assert all(exchange.closed for exchange in played.exchanges)
            gc.collect()
            return len(streams)

    assert 0 == run_virtually(main)


# Harm to others.


class Stumbles(OpenAIChat):
    """A provider whose decoder has a bug that the word "stumble" finds."""

    def decoder(self) -> Stage[Any, Any]:
        return Stumbling(super().decoder())


class Stumbling:
    def __init__(self, decoder: Stage[Any, Any]) -> None:
        self._decoder = decoder

    def feed(self, batch: Any) -> Any:
        if any("stumble" in frame.data for frame in batch):
            raise ZeroDivisionError("a bug")
        return self._decoder.feed(batch)

    def close(self) -> Any:
        return self._decoder.close()


async def test_a_crash_in_a_stage_harms_no_other_stream(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture):
    """Its stream ends with an `Error` that names the actor and keeps what was shown; the others go on to their end."""
    bodies = iter([[text("a"), Wait(5), text("stumble"), Wait(5), ANSWER], *[[text("a"), Wait(60), ANSWER]] * 3])
    settings = ProviderSettings(kind="stumbles", model="m", base_url="http://localhost/a")
    endings = []

    async def one() -> None:
        async with client.stream("Hi") as stream:
            endings.append([chunk async for chunk in stream][-1])

    async with (
        gestura.open_client(
            config(providers={"a": settings}, fused=False),
            transport=ScriptedTransport(lambda _: answers(*next(bodies))),
            providers={"stumbles": Stumbles},
        ) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(4):
            nursery.start_soon(one)

    error, *others = endings
    assert isinstance(error, Error)
    assert ErrorKind.INTERNAL is error.kind
    assert "wire decoder" in error.message
    assert error.partial is not None
    assert "a" == error.partial.text
    assert [Done] * 3 == [type(ending) for ending in others]
    assert "ZeroDivisionError" in caplog.text


async def test_a_crash_after_the_end_of_the_answer_is_told_though():
    """A bug is never passed over as a late accident of the network."""
    settings = ProviderSettings(kind="stumbles", model="m", base_url="http://localhost/a")
    script = answers(delta("stop", content="Hello") + event(choices=[], stumble=True))
    transport = ScriptedTransport([script])
    async with (
        gestura.open_client(
            config(providers={"a": settings}), transport=transport, providers={"stumbles": Stumbles}
        ) as client,
        client.stream("Hi") as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert isinstance(chunks[-1], Error)
    assert ErrorKind.INTERNAL is chunks[-1].kind
