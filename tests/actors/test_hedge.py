"""Hedging: the next provider beside a silent first one; whoever speaks first is heard, and nobody else."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from scripting import ANSWER, DONE, FINISH, answers, event, provider, text
from timelines import Play, Timeline, only, open_play, read, said, seconds, timeline
from trio.testing import MockClock

from gestura import (
    AfterOutput,
    CancellationToken,
    Cancelled,
    ContextOverflow,
    Done,
    Error,
    ErrorKind,
    FinishReason,
    Limits,
    ProviderEvent,
    RetryPolicy,
    Status,
    Text,
    Timeouts,
)
from gestura._actors.hedge import race
from gestura.transport.scripted import Break, Hang, ScriptedExchange, Wait

ONCE_EACH: dict[str, Any] = {"retry": RetryPolicy(max_attempts=1)}
THREE: dict[str, Any] = {
    **ONCE_EACH,
    "fallback": ("b", "c"),
    "providers": {name: provider(name) for name in "abc"},
}
BUSY = ScriptedExchange(status=503)


def answering(name: str, after: float) -> ScriptedExchange:
    """Says who it is, after so many seconds."""
    return answers(Wait(after), text(name), Wait(1.0), FINISH, DONE)


async def hedged(play: Play, after: float = 2.0, **changes: Any) -> Timeline:
    return await timeline(play, hedge_after=after, **changes)


async def test_who_answers_in_time_is_asked_alone(autojump_clock: MockClock) -> None:
    """The first word comes before `hedge_after`, so no second request is made, however long the answer takes."""
    play = Play(a=answers(text("a"), Wait(60.0), FINISH, DONE), b=answering("b", 0.0))
    got = await hedged(play)

    assert [(0.0, "a")] == play.asked
    assert "a" == said(got)


@pytest.mark.parametrize(
    ("first", "second", "winner", "heard_at"),
    [(10.0, 0.0, "b", 2.0), (3.0, 5.0, "a", 3.0), (2.5, 0.4, "b", 2.4), (10.0, 20.0, "a", 10.0)],
)
async def test_who_speaks_first_is_heard_alone(
    autojump_clock: MockClock, first: float, second: float, winner: str, heard_at: float
) -> None:
    """After 2 s of silence the second is asked, too. The winner's chunks are seen, and no other."""
    play = Play(a=answering("a", first), b=answering("b", second))
    got = await hedged(play)

    assert [(0.0, "a"), (2.0, "b")] == play.asked
    assert [(heard_at, Text(winner)), (heard_at + 1.0, Done)] == [
        (when, chunk if isinstance(chunk, Text) else type(chunk)) for when, chunk in got
    ]
    assert winner == got[-1][1].provider


async def test_the_loser_s_connection_is_closed_at_once(autojump_clock: MockClock) -> None:
    """When the winner has spoken, the other exchange is over, while the answer goes on."""
    play = Play(a=answers(Hang()), b=answers(text("b"), Wait(60.0), FINISH, DONE))
    async with open_play(play, hedge_after=2.0) as client, client.stream("Hi") as stream:
        started = trio.current_time()
        assert Text("b") == await anext(stream)
        await trio.testing.wait_all_tasks_blocked()

        assert 2.0 == seconds(trio.current_time() - started)
        assert [True, False] == [exchange.closed for exchange in play.exchanges]


async def test_thinking_wins_and_pings_do_not(autojump_clock: MockClock) -> None:
    """Only content is a word: comments and empty deltas are none, however many come."""
    pings = [
        b": ping\n\n",
        event(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}}]),
        Wait(1.0),
    ] * 20
    thinking = event(choices=[{"index": 0, "delta": {"reasoning_content": "hm"}}])
    play = Play(a=answers(*pings, ANSWER), b=answers(thinking, ANSWER))
    got = await hedged(play)

    assert "b" == got[-1][1].provider


async def test_a_third_is_asked_when_two_are_silent(autojump_clock: MockClock) -> None:
    """Each silence of `hedge_after` brings the next provider in, beside those before it."""
    play = Play(a=answering("a", 5.0), b=answers(Hang()), c=answering("c", 3.0))
    got = await hedged(play, **THREE)

    assert [(0.0, "a"), (2.0, "b"), (4.0, "c")] == play.asked
    assert "a" == said(got)
    assert play.is_closed


async def test_a_failure_brings_the_next_one_in_at_once(autojump_clock: MockClock) -> None:
    """Who has failed is not waited for; the user is told as without hedging."""
    play = Play(a=BUSY, b=BUSY, c=answering("c", 0.0))
    got = await hedged(play, **THREE)

    assert [(0.0, "a"), (0.0, "b"), (0.0, "c")] == play.asked
    assert [Status("a failed; asking b instead"), Status("b failed; asking c instead")] == only(Status, got)


async def test_an_unconfigured_primary_is_passed_over_with_a_word(autojump_clock: MockClock) -> None:
    """The fallback is asked at once, and the user hears what to configure."""
    play = Play(b=answering("b", 0.0))
    got = await hedged(play, primary="absent")

    assert [(0.0, "b")] == play.asked
    assert only(Status, got)[0].message.startswith("LLM provider 'absent' is not configured")


async def test_who_is_silent_may_still_win_when_the_other_has_failed(autojump_clock: MockClock) -> None:
    """The second fails; the first is waited for."""
    got = await hedged(Play(a=answering("a", 30.0), b=BUSY), **ONCE_EACH)

    assert (30.0, Text("a")) == next(each for each in got if isinstance(each[1], Text))


async def test_the_retries_of_who_is_not_heard_are_not_seen(autojump_clock: MockClock) -> None:
    """Both try again as the policy says; of a race the user sees the winner's answer."""
    play = Play(a=[BUSY, answering("a", 60.0)], b=[BUSY, answering("b", 0.0)])
    got = await hedged(play)

    assert [(0.0, "a"), (1.0, "a"), (2.0, "b"), (3.0, "b")] == play.asked
    assert [Text, Done] == [type(chunk) for _, chunk in got]


async def test_all_fail_and_one_error_names_them(autojump_clock: MockClock) -> None:
    """Nobody has spoken: the error tells each one's reason, and counts all requests."""
    play = Play(a=answers(Wait(3.0), Break()), b=BUSY)
    got = await hedged(play, **ONCE_EACH)

    assert (3.0, 2) == (got[-1][0], got[-1][1].attempts)
    assert got[-1][1].message.startswith("all providers failed: ")
    assert all(name in got[-1][1].message for name in ("a /a/", "b /b/"))


async def test_a_winner_that_breaks_off_is_blamed_alone(autojump_clock: MockClock) -> None:
    """The loser was cut off, and did not fail: the error does not speak of it."""
    play = Play(a=answers(Hang()), b=answers(text("b"), Break()))
    got = await hedged(play, **ONCE_EACH)

    assert "b /b/chat/completions: the connection broke" == got[-1][1].message
    assert ("b", "b", 2) == (got[-1][1].provider, got[-1][1].partial.text, got[-1][1].attempts)


async def test_an_overflow_ends_the_race(autojump_clock: MockClock) -> None:
    """The conversation is too long for one provider: the stream ends, and the other request is closed."""
    too_long = ScriptedExchange(status=400, body=[b'{"error": {"message": "", "code": "context_length_exceeded"}}'])
    play = Play(a=answers(Hang()), b=too_long)
    got = await hedged(play)

    assert [(2.0, ContextOverflow)] == [(when, type(chunk)) for when, chunk in got]
    assert play.is_closed


async def test_an_answer_without_a_word_is_an_answer(autojump_clock: MockClock) -> None:
    """A model that stops without having said anything has decided the race."""
    got = await hedged(Play(a=answers(Hang()), b=answers(FINISH, DONE)))

    assert [FinishReason.STOP] == [chunk.finish_reason for _, chunk in got]


async def test_a_cancelled_race_closes_every_connection(autojump_clock: MockClock) -> None:
    """The token ends all that are asked, at once."""
    play = Play(a=answers(Hang()), b=answers(Hang()))
    token = CancellationToken()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def cancel_later() -> None:
            await trio.sleep(5.0)
            token.cancel()

        got = await hedged(play, token=token)

    assert [(5.0, Cancelled())] == got
    assert 2 == len(play.exchanges)
    assert play.is_closed


async def test_a_left_race_closes_every_connection(autojump_clock: MockClock) -> None:
    """So does a cancel scope of the user's."""
    play = Play(a=answers(Hang()), b=answers(Hang()))
    with trio.move_on_after(5.0) as scope:
        await hedged(play)

    assert scope.cancelled_caught
    assert 2 == len(play.exchanges)
    assert play.is_closed


async def test_the_deadline_of_the_whole_stream_ends_the_race(autojump_clock: MockClock) -> None:
    """One error, which names the deadline."""
    got = await hedged(Play(a=answers(Hang()), b=answers(Hang())), timeouts=Timeouts(total=10.0))

    assert [(10.0, ErrorKind.TIMEOUT, "total")] == [(when, chunk.kind, chunk.code) for when, chunk in got]


# After the race.


@pytest.mark.parametrize("mode", [AfterOutput.RESTART, AfterOutput.CONTINUE])
async def test_who_lost_a_race_may_be_asked_again_and_is_heard(autojump_clock: MockClock, mode: AfterOutput) -> None:
    """The winner breaks off for good; the provider that was cut off before answers now, and every word is seen."""
    slow, second_time = answers(Wait(3.0), text("b"), Break()), answers(text("c"), FINISH, DONE)
    play = Play(a=answers(Hang()), b=slow, c=[answers(Hang()), second_time])
    got = await hedged(play, after_output=mode, **THREE)

    assert [(0.0, "a"), (2.0, "b"), (4.0, "c"), (5.0, "c")] == play.asked
    assert ("c" if mode is AfterOutput.RESTART else "bc") == said(got)
    assert isinstance(got[-1][1], Done)


async def test_a_winner_that_never_raced_hands_its_words_on(autojump_clock: MockClock) -> None:
    """The first spoke at once and broke off: the second continues from its words."""
    play = Play(a=answers(text("Hel"), Break()), b=answers(text("lo"), FINISH, DONE))
    got = await hedged(play, after_output=AfterOutput.CONTINUE, **ONCE_EACH)

    assert "Hello" == said(got)
    assert b"Hel" in play.bodies_to("b")[0]


async def test_words_that_were_shown_are_not_raced_for(autojump_clock: MockClock) -> None:
    """The first broke off, and two are left: one of them continues, and they are not hedged against one another."""
    play = Play(a=answers(text("Hel"), Break()), b=answers(Wait(10.0), text("lo"), FINISH, DONE), c=answering("c", 0.0))
    got = await hedged(play, after_output=AfterOutput.CONTINUE, **THREE)

    assert [(0.0, "a"), (0.0, "b")] == play.asked
    assert "Hello" == said(got)


async def test_every_request_is_counted_once(autojump_clock: MockClock) -> None:
    """Losers and winners alike, however often a provider came up."""
    play = Play(a=answers(Hang()), b=answers(Wait(3.0), text("b"), Break()), c=answers(Hang(), text("c")))
    async with (
        open_play(play, hedge_after=2.0, after_output=AfterOutput.RESTART, **THREE) as client,
        client.stream("Hi") as stream,
    ):
        async for _ in stream:
            pass

        assert len(play.exchanges) == stream.statistics().attempts == stream.ending.attempts


async def test_the_statistics_are_the_winner_s(autojump_clock: MockClock) -> None:
    """What the actors of the attempt did that was heard."""
    play = Play(a=answering("a", 3.0), b=answers(Hang()))
    async with open_play(play, hedge_after=2.0) as client, client.stream("Hi") as stream:
        async for _ in stream:
            pass

        assert 1 == stream.statistics().actors[-1].items


async def test_the_winner_s_raw_events_are_all_seen(autojump_clock: MockClock) -> None:
    """Events of the provider that came before its first word are shown before it."""
    opening = event(choices=[{"index": 0, "delta": {"role": "assistant"}}])
    play = Play(a=answers(Hang()), b=answers(opening, Wait(1.0), ANSWER))
    async with open_play(play, hedge_after=2.0) as client:
        got = await read(client, raw=True)

    assert 4 == len(only(ProviderEvent, got))
    assert isinstance(got[0][1], ProviderEvent)


async def test_any_number_of_raw_events_before_the_first_word_is_seen(autojump_clock: MockClock) -> None:
    """Also more of them than may wait for the user, in their order, before the content."""
    openings = [event(choices=[], id=number) for number in range(600)]
    play = Play(a=answers(Hang()), b=answers(*openings, Wait(1.0), ANSWER))
    async with open_play(play, hedge_after=2.0) as client:
        got = [chunk for _, chunk in await read(client, raw=True)]
    numbers = [json.loads(chunk.data)["id"] for chunk in got[:600]]

    assert list(range(600)) == numbers
    assert isinstance(got[-1], Done)


async def test_a_leg_that_only_shows_raw_events_comes_to_a_limit(autojump_clock: MockClock) -> None:
    """What it holds back is bounded like an answer; it has failed then, and the others go on."""
    noise = [event(choices=[], noise="x" * 1000)] * 100
    play = Play(a=answers(*noise, Hang()), b=answers(Wait(5.0), ANSWER))
    async with open_play(play, hedge_after=2.0, limits=Limits(max_answer_bytes=50_000)) as client:
        got = [chunk for _, chunk in await read(client, raw=True)]

    assert isinstance(got[-1], Done)
    assert "b" == got[-1].provider

    play = Play(a=answers(*noise, Hang()), b=answers(*noise, Hang()))
    async with open_play(play, hedge_after=2.0, limits=Limits(max_answer_bytes=50_000)) as client:
        *_, (_, ending) = await read(client, raw=True)

    assert isinstance(ending, Error)
    assert ErrorKind.LIMIT is ending.kind
    assert "what came before the first content exceeds 50,000 (max_answer_bytes)" in ending.message


async def test_a_crash_in_a_leg_leaves_bare(autojump_clock: MockClock) -> None:
    """A bug is one exception, whatever nurseries it passed through."""

    async def crash(sink: object) -> bool:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await race([crash], None, 1.0, 1000)
