"""What a stream did: counted by its actors as they go, told at any time."""

from __future__ import annotations

import trio
from scripting import ANSWER, answers, delta, open_scripted, text
from trio.testing import MockClock

from gestura.chunks import Status
from gestura.transport.scripted import Wait


async def test_statistics_tell_what_each_actor_did():
    """In the order of the flow: what came in, what was made of it, and how deep its inbox was."""
    body = text("Hel") + text("lo") + delta("stop")
    async with (
        open_scripted(answers(body[:50], body[50:]), fused=False) as client,
        client.stream("Hi") as stream,
    ):
        await stream.collect()
        statistics = stream.statistics()
    actors = {actor.name: actor for actor in statistics.actors}

    assert [
        "HTTP reader",
        "line splitter",
        "wire decoder",
        "think-tag parser",
        "tool-call assembler",
        "forwarder",
    ] == list(actors)
    assert (2, len(body)) == (actors["HTTP reader"].batches, actors["HTTP reader"].items)
    assert (2, 3) == (actors["line splitter"].batches, actors["line splitter"].items)
    assert 2 == actors["forwarder"].items
    assert (1, {}, {}) == (statistics.attempts, statistics.dropped, statistics.oddities)
    assert 1 <= statistics.deepest_queue <= 2


async def test_statistics_can_be_had_at_any_time(autojump_clock: MockClock):
    """Before anything was asked, amid the answer, and after the end; each is of its moment and does not change."""
    async with open_scripted(answers(text("a"), Wait(5), ANSWER)) as client, client.stream("Hi") as stream:
        before = stream.statistics()
        await trio.sleep(1)
        amid = stream.statistics()
        await stream.collect()
    after = stream.statistics()

    assert (0, ()) == (before.attempts, before.actors)
    assert (1, len(text("a"))) == (amid.attempts, amid.actors[0].items)
    assert (1, len(text("a") + ANSWER)) == (after.attempts, after.actors[0].items)


async def test_statistics_count_what_was_passed_over_and_what_was_dropped(autojump_clock: MockClock):
    """Oddities by their sort, drops by the kind of chunk."""
    script = answers(*[text("a")] * 300, text("</think>"), Wait(1), ANSWER)
    async with open_scripted(script) as client, client.stream("Hi") as stream:
        await trio.sleep(0.5)
        await stream.emit(Status("too much"))
        async for _ in stream:
            pass
        statistics = stream.statistics()

    assert {"Status": 1} == dict(statistics.dropped)
    assert {"orphan_think_tag": 1} == {oddity.value: count for oddity, count in statistics.oddities.items()}
    assert 256 == statistics.deepest_queue
