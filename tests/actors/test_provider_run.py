"""One provider, asked as often as the rules allow: attempts, waits, what was shown, and what its streams share."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import trio
from inboxes import opened, receive
from scripting import ANSWER, DONE, FINISH, THRICE, answers, delta, event, provider, text
from timelines import Play, only, open_play, read, said, seconds, timeline
from trio.testing import MockClock

from gestura import (
    AfterOutput,
    Cancelled,
    Done,
    Error,
    ErrorKind,
    Request,
    RetryAttempt,
    RetryPolicy,
    Status,
    Text,
    Timeouts,
    ToolCallStart,
    user,
)
from gestura._actors.inbox import Inbox
from gestura._actors.outlet import Outlet
from gestura._actors.statistics import Counts
from gestura.cancellation import CancellationToken
from gestura.conversation import GO_ON
from gestura.transport.scripted import Break, Hang, ScriptedExchange, Wait

ALONE: dict[str, Any] = {"fallback": ()}
"""There is no other provider."""

BUSY = ScriptedExchange(status=503)
CONFLICT = ScriptedExchange(status=409)
"""Tried again, and counted by no circuit breaker."""

OK = answers(ANSWER)
BROKEN_TEXT = answers(text("Hel"), Break())
BROKEN_CALL = answers(
    delta(tool_calls=[{"index": 0, "id": "call", "function": {"name": "look", "arguments": '{"a'}}]), Break()
)


# Attempts and waits.


async def test_a_retry_is_announced_before_the_wait(autojump_clock: MockClock) -> None:
    """`RetryAttempt` comes when the attempt has failed, and tells how long it is until the next one."""
    play = Play(a=[BUSY, BUSY, OK])
    got = await timeline(play, **ALONE)

    assert [(0.0, "a"), (1.0, "a"), (3.0, "a")] == play.asked
    assert [
        (0.0, RetryAttempt(1, 3, 1000, "a /a/chat/completions HTTP 503: Service Unavailable")),
        (1.0, RetryAttempt(2, 3, 2000, "a /a/chat/completions HTTP 503: Service Unavailable")),
        (3.0, Text("Hello")),
    ] == got[:3]
    assert isinstance(got[3][1], Done)


async def test_jitter_varies_the_waits_within_its_share(autojump_clock: MockClock) -> None:
    """Streams that fail at once do not all come back at once, and each within 25 % of a second."""
    play = Play(a=CONFLICT)
    async with open_play(play, retry=RetryPolicy(max_attempts=2), **ALONE) as client, trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(read, client)
    waits = [when for when, _ in play.asked if when]

    assert 4 == len(waits)
    assert len(set(waits)) > 1
    assert all(0.75 <= wait <= 1.25 for wait in waits)


async def test_a_longer_hint_is_waited_for(autojump_clock: MockClock) -> None:
    """The provider's `Retry-After` is obeyed, and told in the announcement."""
    play = Play(a=[ScriptedExchange(status=429, headers={"Retry-After": "60"}), OK])
    got = await timeline(play, **ALONE)

    assert [(0.0, "a"), (60.0, "a")] == play.asked
    assert [60_000] == [retry.delay_ms for retry in only(RetryAttempt, got)]


async def test_the_whole_stream_s_deadline_counts_over_all_attempts(autojump_clock: MockClock) -> None:
    """Ten seconds: an attempt of four, a wait of one, another of four, and no wait of two that would end too late."""
    play = Play(a=answers(Wait(4.0), Break()))
    got = await timeline(play, timeouts=Timeouts(total=10.0), **ALONE)

    assert [(0.0, "a"), (5.0, "a")] == play.asked
    assert (9.0, ErrorKind.CONNECTION) == (got[-1][0], got[-1][1].kind)


async def test_an_error_in_the_stream_is_not_waited_out(autojump_clock: MockClock) -> None:
    """The server reports a failure and says nothing more: a tenth of a second later the attempt is over."""
    overloaded = event(error={"message": "Overloaded", "type": "overloaded_error"})
    play = Play(a=[answers(overloaded, Hang()), OK])
    got = await timeline(play, **ALONE)

    assert [(0.0, "a"), (1.1, "a")] == play.asked
    assert isinstance(got[-1][1], Done)


async def test_what_follows_an_error_in_the_stream_is_still_read(autojump_clock: MockClock) -> None:
    """Token counts may come behind it."""
    refused = event(error={"message": "no", "type": "invalid_request_error"})
    counted = event(choices=[], usage={"total_tokens": 4})
    got = await timeline(Play(a=answers(refused, Wait(0.05), counted, Hang())), **ALONE)

    assert 4 == got[-1][1].usage.total_tokens


async def test_a_refusal_is_told_by_its_status_where_its_body_never_ends(autojump_clock: MockClock) -> None:
    """The body is awaited for five seconds, not for the first content's 300."""
    got = await timeline(Play(a=answers(b'{"error"', Hang(), status=401)), **ALONE)

    assert (5.0, ErrorKind.AUTHENTICATION) == (got[-1][0], got[-1][1].kind)


async def test_an_attempt_is_cut_off_by_the_whole_stream_s_deadline(autojump_clock: MockClock) -> None:
    """It ends the stream, whatever provider is left, and says which deadline it was."""
    play = Play(a=[BUSY, answers(Hang())], b=OK)
    got = await timeline(play, timeouts=Timeouts(total=10.0))

    assert 10.0 == got[-1][0]
    assert (ErrorKind.TIMEOUT, "total", False, 2) == (
        got[-1][1].kind,
        got[-1][1].code,
        got[-1][1].retryable,
        got[-1][1].attempts,
    )
    assert play.is_closed


async def test_a_request_that_can_t_be_written_is_no_attempt(autojump_clock: MockClock) -> None:
    """What JSON can't say can't be sent: nothing was asked, and nothing is counted."""
    play = Play(a=OK)
    async with open_play(play, **ALONE) as client:
        got = await read(client, Request(messages=[user("hi")], extra={"user": object()}))

    assert [] == play.asked
    assert 0 == got[-1][1].attempts


# After output.


async def test_by_default_output_ends_the_right_to_a_retry(autojump_clock: MockClock) -> None:
    """The stream ends with an error, and the part that was shown is kept in it."""
    play = Play(a=BROKEN_TEXT, b=OK)
    got = await timeline(play)

    assert [(0.0, "a")] == play.asked
    assert [Text("Hel")] == only(Text, got)
    assert ("Hel", ErrorKind.CONNECTION) == (got[-1][1].partial.text, got[-1][1].kind)


async def test_restart_tells_the_user_to_discard_what_came(autojump_clock: MockClock) -> None:
    """Text was shown and the stream broke: the announcement says that the answer begins anew, and so it does."""
    play = Play(a=[BROKEN_TEXT, OK])
    got = await timeline(play, after_output=AfterOutput.RESTART, **ALONE)

    assert [True] == [retry.discard for retry in only(RetryAttempt, got)]
    assert "Hello" == said(got)
    assert [(0.0, "a"), (1.0, "a")] == play.asked
    assert play.bodies_to("a")[0] == play.bodies_to("a")[1]


async def test_restart_discards_nothing_where_nothing_was_shown(autojump_clock: MockClock) -> None:
    """A failure before output is announced as always."""
    got = await timeline(Play(a=[BUSY, OK]), after_output=AfterOutput.RESTART, **ALONE)

    assert [False] == [retry.discard for retry in only(RetryAttempt, got)]


@pytest.mark.parametrize("mode", list(AfterOutput))
async def test_after_a_tool_call_there_is_no_other_attempt(autojump_clock: MockClock, mode: AfterOutput) -> None:
    """A call that was shown may have been run: asking again could run it twice."""
    play = Play(a=BROKEN_CALL, b=OK)
    got = await timeline(play, after_output=mode)

    assert [(0.0, "a")] == play.asked
    assert [ToolCallStart("call", "look")] == only(ToolCallStart, got)
    assert isinstance(got[-1][1], Error)


async def test_continue_asks_for_the_rest(autojump_clock: MockClock) -> None:
    """The part that was shown becomes the model's own turn; what comes is appended to it, attempt by attempt."""
    rest = [answers(text("lo, "), Break()), answers(text("world"), FINISH, DONE)]
    play = Play(a=[BROKEN_TEXT, *rest])
    got = await timeline(play, after_output=AfterOutput.CONTINUE, **ALONE)

    assert "Hello, world" == said(got)
    assert [False, False] == [retry.discard for retry in only(RetryAttempt, got)]
    asked = [[message["content"] for message in json.loads(body)["messages"]] for body in play.bodies_to("a")]
    assert [["Hi"], ["Hi", "Hel", GO_ON], ["Hi", "Hello, ", GO_ON]] == asked


@pytest.mark.parametrize("mode", [AfterOutput.RESTART, AfterOutput.CONTINUE])
async def test_a_failing_answer_keeps_what_counts_of_it(autojump_clock: MockClock, mode: AfterOutput) -> None:
    """When all attempts break off, the error holds what the reader of the chunks has."""
    play = Play(a=BROKEN_TEXT)
    got = await timeline(play, after_output=mode, **ALONE)

    assert said(got) == got[-1][1].partial.text
    assert 3 == len(play.asked) == got[-1][1].attempts


# A full channel.


async def test_a_full_channel_holds_up_no_retry(autojump_clock: MockClock) -> None:
    """Nobody reads, and the retries are made in time; what is read then is in the order in which it happened."""
    play = Play(a=[BUSY, BUSY, OK])
    async with open_play(play, **ALONE) as client, client.stream("Hi") as stream:
        for number in range(256):
            await stream.emit(Text(str(number)))
        await trio.sleep(30.0)
        assert [(0.0, "a"), (1.0, "a"), (3.0, "a")] == play.asked
        got = [chunk async for chunk in stream]

    assert [Text, RetryAttempt, RetryAttempt, Text, Done] == [type(chunk) for chunk in got[255:]]
    assert [1, 2] == [retry.attempt for retry in got[256:258]]


@pytest.mark.parametrize("attempt", range(8))  # Trio starts tasks in any order
async def test_announcements_keep_their_order(autojump_clock: MockClock, attempt: int) -> None:
    """Several on a full channel, and a chunk behind them, come out as they went in."""
    inbox = Inbox[Any](1)
    outlet = Outlet(inbox, Counts())
    chunks = [Text("full"), *(RetryAttempt(number, 9, 0, "") for number in range(4)), Text("last")]
    async with opened(outlet):
        for chunk in chunks[:-1]:
            outlet.announce(chunk)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(outlet.send, chunks[-1])
            assert chunks == [await receive(inbox) for _ in chunks]


async def test_an_announcement_that_may_be_dropped_is_dropped_after_100_ms(autojump_clock: MockClock) -> None:
    """A `Status` that nobody takes is given up and counted; what comes behind it is not held up for longer."""
    inbox = Inbox[Any](1)
    counts = Counts()
    outlet = Outlet(inbox, counts)
    started = trio.current_time()
    async with opened(outlet):
        outlet.announce(Text("full"))
        outlet.announce(Status("stale"))
        with trio.move_on_after(1.0):
            await outlet.send(Status("behind it"))
        assert 0.1 == seconds(trio.current_time() - started)
    inbox.close()

    assert {"Status": 2} == counts.dropped


# What streams share.


async def test_streams_that_wait_for_a_place_are_served_in_order(autojump_clock: MockClock) -> None:
    """One at a time: the others wait, and come in the order in which they came."""
    play = Play(a=answers(Wait(1.0), ANSWER))
    ended: list[int] = []

    async def ask(number: int) -> None:
        await trio.sleep(number / 1000)
        await read(client)
        ended.append(number)

    settings = {"a": provider("a", max_concurrent_streams=1)}
    async with open_play(play, providers=settings, **ALONE) as client, trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(ask, number)

    assert [0, 1, 2, 3, 4] == ended
    assert [0.0, 1.0, 2.0, 3.0, 4.0] == [when for when, _ in play.asked]


async def test_a_place_is_free_while_its_stream_waits_to_try_again(autojump_clock: MockClock) -> None:
    """What limits requests in flight does not count those who only wait."""
    play = Play(a=[BUSY, OK])
    settings = {"a": provider("a", max_concurrent_streams=1)}
    async with open_play(play, providers=settings, **ALONE) as client, trio.open_nursery() as nursery:
        nursery.start_soon(read, client)
        await trio.sleep(0.5)
        got = await read(client)

    assert [(0.0, "a"), (0.5, "a"), (1.0, "a")] == play.asked
    assert isinstance(got[-1][1], Done)


async def test_the_wait_for_a_place_ends_with_the_stream_s_time(autojump_clock: MockClock) -> None:
    """`timeouts.total` counts while a stream queues, and the place it did not get is not lost."""
    play = Play(a=answers(Wait(8.0), ANSWER), b=OK)
    settings = {"a": provider("a", max_concurrent_streams=1), "b": provider("b")}
    async with (
        open_play(play, providers=settings, timeouts=Timeouts(total=10.0)) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(read, client)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(read, client)
        await trio.testing.wait_all_tasks_blocked()
        late = await read(client)

    assert (10.0, "total", 0) == (late[-1][0], late[-1][1].code, late[-1][1].attempts)
    assert [(0.0, "a"), (8.0, "a")] == play.asked


async def test_requests_beyond_the_minute_s_wait(autojump_clock: MockClock) -> None:
    """Two a minute are allowed: the third stream is asked half a minute later."""
    play = Play(a=OK)
    settings = {"a": provider("a", requests_per_minute=2)}
    async with open_play(play, providers=settings, **ALONE) as client:
        for _ in range(3):
            await read(client)

    assert [0.0, 0.0, 30.0] == [when for when, _ in play.asked]


async def test_a_dead_provider_is_skipped_and_then_tried_by_one(autojump_clock: MockClock) -> None:
    """Five failures open the circuit: the fallback is asked at once. After 30 s one stream probes, and closes it."""
    play = Play(a=[BUSY] * 5 + [OK], b=OK)
    async with open_play(play, retry=THRICE) as client:
        await read(client)
        before = len(play.asked)
        opening = await read(client)
        skipping = await read(client)
        assert ["a", "a", "b", "b"] == [name for _, name in play.asked[before:]]
        await trio.sleep(30.0)
        probing, healthy = await read(client), await read(client)

    assert 1 == len(only(RetryAttempt, opening))  # the one that would have been skipped is not announced
    assert Status("a failed; asking b instead") == only(Status, skipping)[-1]
    assert 0.0 == skipping[-1][0]
    assert ["a", "a"] == [probing[-1][1].provider, healthy[-1][1].provider]


async def test_a_model_that_is_skipped_says_for_how_long(autojump_clock: MockClock) -> None:
    """The ending has the seconds that are left; another model of the provider is asked meanwhile."""
    play = Play(a=[BUSY] * 5 + [OK])
    async with open_play(play, retry=RetryPolicy(max_attempts=1), **ALONE) as client:
        for _ in range(5):
            await read(client)
        await trio.sleep(10.0)
        skipped, other = await read(client), await read(client, model="other")

    ending = skipped[-1][1]
    assert ("circuit_open", 20.0) == (ending.code, pytest.approx(ending.retry_after))
    assert isinstance(other[-1][1], Done)


async def test_those_who_queue_for_a_dead_provider_do_not_ask_it(autojump_clock: MockClock) -> None:
    """Twenty streams wait for the one place: when five have failed, the others are skipped without a request."""
    play = Play(a=BUSY)
    settings = {"providers": {"a": provider("a", max_concurrent_streams=1)}, "retry": RetryPolicy(max_attempts=1)}
    async with open_play(play, **settings, **ALONE) as client, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(read, client)

    assert 5 == len(play.asked)


async def test_who_gives_up_waiting_for_the_minute_frees_the_place(autojump_clock: MockClock) -> None:
    """A stream that is cancelled while it holds the place, and waits for its request, leaves it to the next."""
    play = Play(a=OK)
    settings = {"a": provider("a", max_concurrent_streams=1, requests_per_minute=1)}
    token = CancellationToken()
    async with open_play(play, providers=settings, **ALONE) as client:
        await read(client)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_after, 1.0, token)
            await read(client, token=token)
        with trio.fail_after(1000):
            got = await read(client)

    assert isinstance(got[-1][1], Done)
    assert [(0.0, "a"), (60.0, "a")] == play.asked


async def test_refused_requests_never_open_the_circuit(autojump_clock: MockClock) -> None:
    """A client that asks wrongly ten times is answered the eleventh."""
    refused = ScriptedExchange(status=400, body=[b'{"error": {"message": "no"}}'])
    play = Play(a=[refused] * 10 + [OK])
    async with open_play(play, **ALONE) as client:
        endings = [(await read(client))[-1][1] for _ in range(11)]

    assert [Error] * 10 + [Done] == [type(ending) for ending in endings]


@pytest.mark.parametrize("leave", ["token", "cancel scope"])
async def test_a_probe_that_is_given_up_shuts_nobody_out(autojump_clock: MockClock, leave: str) -> None:
    """The probing stream is left before its outcome is known: one cooling time later the next one is let through."""
    busy = provider("a", max_concurrent_streams=1)
    play = Play(a=[BUSY] * 5 + [answers(Wait(100.0), ANSWER), OK])
    token = CancellationToken()
    async with open_play(play, providers={"a": busy}, retry=RetryPolicy(max_attempts=1), **ALONE) as client:
        for _ in range(5):
            await read(client)
        await trio.sleep(30.0)
        with trio.move_on_after(5.0 if leave == "cancel scope" else math.inf):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, 5.0, token)
                await read(client, token=token if leave == "token" else None)
        await trio.sleep(30.0)
        got = await read(client)

    assert isinstance(got[-1][1], Done)


async def _cancel_after(delay: float, token: CancellationToken) -> None:
    await trio.sleep(delay)
    token.cancel()


async def test_a_storm_of_failures_makes_few_retries(autojump_clock: MockClock) -> None:
    """A hundred streams meet a failing server: the retries are a fifth of them and a small floor, not two hundred."""
    play = Play(a=CONFLICT)
    async with open_play(play, **ALONE) as client, trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(read, client)

    assert 100 + 20 <= len(play.asked) <= 100 * 1.2 + 10 + 3  # three seconds of one retry each


async def test_an_interrupted_stream_counts_as_no_failure(autojump_clock: MockClock) -> None:
    """What the user broke off says nothing of the provider: it is as close to being skipped as before."""
    play = Play(a=[BUSY] * 4 + [answers(Hang())] * 10 + [BUSY, OK])
    async with open_play(play, retry=RetryPolicy(max_attempts=1), **ALONE) as client:
        for _ in range(4):
            await read(client)
        for _ in range(10):
            token = CancellationToken()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, 1.0, token)
                assert isinstance((await read(client, token=token))[-1][1], Cancelled)
        fifth, skipped = (await read(client))[-1][1], (await read(client))[-1][1]

    assert [503, None] == [fifth.status, skipped.status]  # neither a failure nor a success: four in a row still stand
