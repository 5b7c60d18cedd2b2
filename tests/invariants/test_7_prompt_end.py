"""Invariant 7: cancel and pause take effect while the server is silent, not at its next byte."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from misfortunes import Plan, configs, scripts, transport
from scripting import ANSWER, ENDINGS, THRICE, answers, open_scripted, provider, run_virtually, text

import gestura
from gestura.answer import Transcript
from gestura.cancellation import CancellationToken
from gestura.chunks import Cancelled, Paused, StreamChunk, Text
from gestura.config import StreamingConfig, Timeouts
from gestura.transport.scripted import Hang, ScriptedExchange, ScriptedTransport, Wait

AT_ONCE = 0.01
"""Seconds."""

NEVER = Timeouts(connect=None, first_content=None, idle=None)
STRIKES = {"cancel": Cancelled, "pause": Paused}

CROWDED = {"a": provider(max_concurrent_streams=1)}
RATIONED = {"a": provider(requests_per_minute=1)}


@attrs.frozen
class Silence:
    """A moment at which a stream waits for something that does not come.

    Args:
        script: what its requests meet.
        settings: its client's, where it matters.
        others: streams that were begun before it, and hold what it waits for.
        shown: what its user has by then.
    """

    script: ScriptedExchange
    settings: dict[str, Any] = attrs.field(factory=dict)
    others: int = 0
    shown: str = ""


SILENCES = {
    "the connection": Silence(answers(connecting=[Hang()])),
    "the head": Silence(answers(answering=[Hang()])),
    "the body": Silence(answers(Hang())),
    "more of the body": Silence(answers(text("Hel"), Hang()), shown="Hel"),
    "half a tag": Silence(answers(text("Hel<thi"), Hang()), shown="Hel<thi"),
    "the reason for a refusal": Silence(answers(Hang(), status=500)),
    "a refusal's other half": Silence(answers(b'{"error":', Hang(), status=500)),
    "the next attempt": Silence(answers(status=503), {"retry": THRICE}),
    "the next attempt, which is far": Silence(answers(status=429, headers={"Retry-After": "100"}), {"retry": THRICE}),
    "a free place": Silence(answers(Hang()), {"providers": CROWDED}, others=1),
    "room in the budget": Silence(answers(text("Hel"), Hang()), {"providers": RATIONED}, others=1),
    "one of two providers": Silence(answers(Hang()), {"fallback": ("b",), "hedge_after": 0.1}),
}


async def strike_amid(silence: Silence, strike: str) -> tuple[float, list[StreamChunk], ScriptedTransport]:
    """Use the token half a second after the stream began: how long it took, and what the user received."""
    played, token = ScriptedTransport(lambda _: silence.script), CancellationToken()
    async with (
        open_scripted(played, timeouts=NEVER, **silence.settings) as client,
        trio.open_nursery() as nursery,
    ):
        for _ in range(silence.others):
            nursery.start_soon(client.ask, "Hold what there is")
        await trio.sleep(0.5)
        chunks: list[StreamChunk] = []
        async with client.stream("Hi", token=token) as stream, trio.open_nursery() as around:
            around.start_soon(strike_after, 0.5, token, strike)
            began = trio.current_time()
            chunks.extend([chunk async for chunk in stream])
            took = trio.current_time() - began - 0.5
            assert all(exchange.closed for exchange in played.exchanges[silence.others :])
        nursery.cancel_scope.cancel()
    return took, chunks, played


async def strike_after(seconds: float, token: CancellationToken, strike: str) -> None:
    await trio.sleep(seconds)
    getattr(token, strike)()


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("awaited", SILENCES)
def test_a_token_is_heard_in_every_silence(awaited: str, strike: str):
    """Within 10 ms the stream has its ending, with what was shown, and its socket is closed."""
    silence = SILENCES[awaited]
    took, chunks, _ = run_virtually(strike_amid, silence, strike)

    assert 0 <= took <= AT_ONCE
    assert isinstance(chunks[-1], STRIKES[strike])
    assert silence.shown == "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
    assert silence.shown == (chunks[-1].partial.text if chunks[-1].partial else "")


async def strike_behind_a_full_channel(strike: str) -> tuple[float, list[StreamChunk]]:
    played, token = ScriptedTransport([answers(*[text("x") * 10] * 200, Hang())]), CancellationToken()
    async with open_scripted(played) as client, client.stream("Hi", token=token) as stream:
        await trio.sleep(5)
        getattr(token, strike)()
        await trio.sleep(AT_ONCE)
        assert played.exchanges[0].closed
        began = trio.current_time()
        chunks = [chunk async for chunk in stream]
        return trio.current_time() - began, chunks


@pytest.mark.parametrize("strike", STRIKES)
def test_a_token_is_heard_behind_a_full_channel(strike: str):
    """Whoever has not read for long: the socket is closed at once, and what was read is there, the ending after it."""
    took, chunks = run_virtually(strike_behind_a_full_channel, strike)

    assert took <= AT_ONCE
    assert isinstance(chunks[-1], STRIKES[strike])
    assert len(chunks[-1].partial.text) == len(chunks) - 1 < 2000


@attrs.frozen
class Struck:
    """What a user saw of a stream: when it was struck, when it ended, and all that came."""

    at: float | None
    ended: float
    chunks: list[StreamChunk]
    closed: bool


async def strike_anywhere(settings: StreamingConfig, script: Sequence[Plan], seconds: float, strike: str) -> Struck:
    played, token = transport(script), CancellationToken()
    struck: list[float] = []

    async def act() -> None:
        await strike_after(seconds, token, strike)
        struck.append(trio.current_time())

    async with gestura.open_client(settings, transport=played) as client, trio.open_nursery() as nursery:
        nursery.start_soon(act)
        async with client.stream("Hi", token=token) as stream:
            chunks = [chunk async for chunk in stream]
            ended = trio.current_time()
            closed = all(exchange.closed for exchange in played.exchanges)
        nursery.cancel_scope.cancel()
    return Struck(struck[0] if struck else None, ended, chunks, closed)


@given(configs(), scripts(), st.floats(0, 15), st.sampled_from(sorted(STRIKES)))
def test_a_token_is_heard_whatever_happens(settings: StreamingConfig, script: Sequence[Plan], at: float, strike: str):
    """At any moment of any stream: it ends within 10 ms, all its sockets closed, and tells what was shown."""
    seen = run_virtually(strike_anywhere, settings, script, at, strike)
    ending = seen.chunks[-1]

    assert isinstance(ending, ENDINGS)
    assert seen.closed
    assert seen.at is None or seen.ended <= seen.at + AT_ONCE
    if isinstance(ending, Cancelled | Paused):
        assert type(ending) is STRIKES[strike]
        assert seen.at is not None
        shown = Transcript()
        for chunk in seen.chunks:
            shown.add(chunk)
        assert ending.partial == shown.partial()


async def cancel_anywhere(settings: StreamingConfig, script: Sequence[Plan], seconds: float) -> None:
    played = transport(script)
    began = trio.current_time()
    async with gestura.open_client(settings, transport=played) as client:
        with trio.move_on_after(seconds) as scope:
            async with client.stream("Hi") as stream:
                async for _ in stream:
                    pass
        assert not scope.cancelled_caught or trio.current_time() == began + seconds
        assert all(exchange.closed for exchange in played.exchanges)


@given(configs(), scripts(), st.floats(0, 15))
def test_a_cancel_scope_is_heard_whatever_happens(settings: StreamingConfig, script: Sequence[Plan], at: float):
    """A cancelled stream is over at the very moment, with all its sockets, wherever it stood."""
    run_virtually(cancel_anywhere, settings, script, at)


@pytest.mark.parametrize("strike", STRIKES)
def test_a_token_that_was_used_before_lets_nothing_begin(strike: str):
    """A stream under a token that is no longer running ends at once, and asks nobody."""

    async def stream() -> tuple[list[StreamChunk], ScriptedTransport]:
        played, token = ScriptedTransport([]), CancellationToken()
        getattr(token, strike)()
        async with open_scripted(played) as client, client.stream("Hi", token=token) as chunks:
            return [chunk async for chunk in chunks], played

    chunks, played = run_virtually(stream)

    assert [STRIKES[strike]] == [type(chunk) for chunk in chunks]
    assert not played.exchanges


def test_one_token_ends_many_streams():
    """All at once, each with its own ending; streams without it go on."""

    async def many() -> list[tuple[float, type]]:
        token, ends = CancellationToken(), []

        async def one(under: CancellationToken | None) -> None:
            async with client.stream("Hi", token=under) as stream:
                chunks = [chunk async for chunk in stream]
            ends.append((trio.current_time() - began, type(chunks[-1])))

        script = answers(text("a"), Wait(10), ANSWER)
        async with open_scripted(script) as client, trio.open_nursery() as nursery:
            began = trio.current_time()
            for number in range(6):
                nursery.start_soon(one, token if number else None)
            await trio.sleep(1)
            token.pause()
        return ends

    assert [(1, Paused)] * 5 + [(10, gestura.Done)] == [(round(at, 2), kind) for at, kind in run_virtually(many)]


# From outside Trio, in real time.

SOON = 0.5
"""Seconds of real time, on a machine that is busy with other tests."""


async def read_until_struck(strike: Callable[[CancellationToken], Any]) -> None:
    token = CancellationToken()
    async with open_scripted(answers(text("a"), Hang())) as client, client.stream("Hi", token=token) as stream:
        assert await anext(stream) == Text("a")
        await strike(token)
        with trio.fail_after(SOON):
            assert isinstance(await anext(stream), Cancelled)


async def test_a_token_may_be_used_in_any_thread():
    """The stream hears of it at once, though nothing else wakes its loop."""

    async def in_a_thread(token: CancellationToken) -> None:
        await trio.to_thread.run_sync(token.cancel)

    await read_until_struck(in_a_thread)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this platform has no such signal")
async def test_a_token_may_be_used_in_a_signal_handler():
    """A handler interrupts the thread that runs the loop; using a token there is safe."""

    async def in_a_handler(token: CancellationToken) -> None:
        before = signal.signal(signal.SIGUSR1, lambda *_: token.cancel())
        try:
            signal.raise_signal(signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, before)

    await read_until_struck(in_a_handler)


def test_a_token_outlives_the_run_it_was_used_in():
    """Using a token whose streams are gone, and whose `trio.run` is over, does nothing."""
    token = CancellationToken()

    async def leave() -> None:
        async with open_scripted(answers(Hang())) as client, client.stream("Hi", token=token):
            await trio.sleep(1)

    run_virtually(leave)
    token.pause()
    token.cancel()

    assert token.state.value == "cancelled"
