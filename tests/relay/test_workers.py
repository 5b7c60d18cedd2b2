"""Workers: what is submitted is answered once, whoever dies of it or leaves."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from worlds import QUICK, Anywhere, FaultyLog, World, assert_the_same, heard, heard_some, in_memory, published, text_of

import gestura
from gestura.chunks import Cancelled, Done, Error, Paused, RetryAttempt, Status, StreamChunk, Text, Thinking
from gestura.errors import ConfigError
from gestura.relay import Relay, Worker
from gestura.relay.entries import About, to_entry
from gestura.relay.log import START
from gestura.testing import ScriptedModel, Sending, reply, scripted_client

SLOW = reply("One two three four.", sending=Sending(interval=0.1))
SLOWLY = Sending(interval=0.2)  # from word to word


@asynccontextmanager
async def working(world: World, replies: object, **settings: object) -> AsyncIterator[tuple[Relay, Worker]]:
    """A worker in a process of its own, until it has drained."""
    async with scripted_client(replies) as client, world.relay() as relay, trio.open_nursery() as nursery:
        worker = Worker(client, relay, **settings)
        nursery.start_soon(worker.serve)
        yield relay, worker
        if not worker._taking.cancel_called:
            worker.drain()


def asked(model: ScriptedModel) -> list[str]:
    """What it was asked last, each time."""
    return [str(body["messages"][-1]["content"]) for body in model.requests]


def test_what_is_submitted_is_answered(anywhere: Anywhere) -> None:
    """Before the worker was there or after; and then it is not in the queue any more."""

    async def test(world: World) -> None:
        async with world.relay() as relay:
            early = await relay.submit("early", stream_id="early")
            async with working(world, lambda body: f"You said {body['messages'][-1]['content']}."):
                late = await relay.submit("late")
                found = [text_of(await heard(relay, stream_id)) for stream_id in (early, late)]

        assert ["You said early.", "You said late."] == found
        assert 0 == await world.queue.waiting()
        assert () == tuple(await world.queue.take_abandoned("x", most=9, silent_seconds=0))

    anywhere(test)


def test_no_more_are_answered_at_once_than_there_is_room_for(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        async with working(world, lambda _body: SLOW, capacity=2) as (relay, worker):
            ids = [await relay.submit(f"{number}") for number in range(5)]
            most = 0
            while await world.queue.waiting():
                most = max(most, worker.running)
                await trio.sleep(0.05)
            found = [text_of(await heard(relay, stream_id)) for stream_id in ids]

        assert 2 == most
        assert ["One two three four."] * 5 == found

    anywhere(test)


def test_two_workers_share_the_work(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        first, second = ScriptedModel(lambda _body: SLOW), ScriptedModel(lambda _body: SLOW)
        async with (
            working(world, first, capacity=2) as (relay, _),
            working(world, second, capacity=2),
        ):
            ids = [await relay.submit(f"{number}") for number in range(4)]
            for stream_id in ids:
                assert "One two three four." == text_of(await heard(relay, stream_id))

        assert ["0", "1", "2", "3"] == sorted(asked(first) + asked(second))
        assert [2, 2] == [len(asked(first)), len(asked(second))]

    anywhere(test)


def test_a_worker_that_drains_finishes_what_it_has_and_takes_no_more(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        async with world.relay() as relay:
            async with working(world, lambda _body: SLOW) as (_, worker):
                running = await relay.submit("first")
                async with relay.follow(running) as chunks:
                    await heard_some(chunks, 1)
                    worker.drain()
                    await relay.submit("second", stream_id="second")
            assert "One two three four." == text_of(await heard(relay, running))
            assert 1 == await world.queue.waiting()
            assert START == (await relay.state("second")).last

    anywhere(test)


@pytest.mark.parametrize("twice", [True, False], ids=["told twice", "out of time"])
def test_what_takes_too_long_is_paused_and_can_be_resumed(anywhere: Anywhere, twice: bool) -> None:
    async def test(world: World) -> None:
        endless = reply("on " * 100, sending=SLOWLY)
        async with world.relay() as relay:
            async with working(world, [endless], drain_seconds=30 if twice else 0.1) as (_, worker):
                stream_id = await relay.submit("Go on")
                async with relay.follow(stream_id) as chunks:
                    await heard_some(chunks, 1)
                worker.drain()
                if twice:
                    worker.drain()
            ending = (await heard(relay, stream_id))[-1]

        assert isinstance(ending, Paused)
        assert ending.request == gestura.Request.of("Go on")
        assert 0 == await world.queue.waiting()

    anywhere(test)


def test_what_was_cancelled_in_the_queue_is_never_asked(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        model = ScriptedModel(["Hello"])
        async with world.relay() as relay:
            cancelled = await relay.submit("first")
            await relay.cancel(cancelled)
            async with working(world, model):
                answered = await relay.submit("second")
                await heard(relay, answered)
            assert [Cancelled()] == await heard(relay, cancelled)

        assert ["second"] == asked(model)

    anywhere(test)


def test_a_stream_in_a_workers_hands_can_be_cancelled_and_paused(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        async with working(world, lambda _body: SLOW) as (relay, _):
            ids = [await relay.submit("first"), await relay.submit("second")]
            for stream_id, order in zip(ids, (relay.cancel, relay.pause), strict=True):
                async with relay.follow(stream_id) as chunks:
                    await heard_some(chunks, 1)
                await order(stream_id)
            endings = [(await heard(relay, stream_id))[-1] for stream_id in ids]

        assert [Cancelled, Paused] == [type(ending) for ending in endings]

    anywhere(test)


def test_a_request_that_can_not_be_asked_ends_with_an_error_and_others_go_on(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        async with working(world, lambda _body: "Hello") as (relay, _):
            await world.log.begin("odd", publisher="queue-1", about=b"no JSON", keep_seconds=60)
            await world.queue.put("odd", b"no JSON")
            await world.queue.put("gone", b"")
            nobody = await relay.submit("Hi", provider="nobody")
            fine = await relay.submit("Hi")

            assert "Hello" == text_of(await heard(relay, fine))
            ending = (await heard(relay, nobody))[-1]
            assert isinstance(ending, Error)
            while not (await relay.log.state("odd")).ended:  # noqa: ASYNC110
                await trio.sleep(0.01)
        (ending,) = await published(world, "odd")
        assert isinstance(ending, Error)
        assert () == tuple(await world.queue.take_abandoned("x", most=9, silent_seconds=0))

    anywhere(test)


@attrs.frozen
class Died:
    """What a worker left behind: taken and nothing more, begun, or with some chunks."""

    chunks: tuple[StreamChunk, ...] | None
    ended: bool = False


async def leave_behind(
    world: World, died: Died, *, deaths: int = 1, stream_id: str = "s", takeover_seconds: float = 5.0
) -> gestura.Request:
    """A request that a worker took and did not finish, for it died; and before it others."""
    request = gestura.Request.of("Hi")
    about = About(request=request, takeover_seconds=takeover_seconds).to_json()
    state = await world.log.begin(stream_id, publisher="queue-1", about=about, keep_seconds=60)
    await world.queue.put(stream_id, about)
    await world.queue.take("dead 1", most=1, wait_seconds=0)
    for death in range(1, deaths + 1):
        if died.chunks is not None:
            state = await world.log.begin(
                stream_id,
                publisher=f"dead {death}",
                about=about,
                keep_seconds=60,
                instead_of=await world.log.state(stream_id),
            )
            await world.log.beat(f"dead {death}")
    if died.chunks:
        await world.log.append(
            stream_id, term=state.term, first=1, payloads=[to_entry(chunk) for chunk in died.chunks], ends=died.ended
        )
    return request


@pytest.mark.parametrize(
    "died", [Died(None), Died(()), Died((Status("asks"),))], ids=["only taken", "begun", "said nothing of the answer"]
)
@pytest.mark.parametrize("after_death", ["end", "resume"])
def test_a_request_whose_worker_died_before_any_output_is_answered_by_another(
    anywhere: Anywhere, died: Died, after_death: str
) -> None:
    async def test(world: World) -> None:
        await leave_behind(world, died)
        model = ScriptedModel(["Hello"])
        async with world.relay() as relay, trio.open_nursery() as nursery:
            found: list[StreamChunk] = []

            async def follow() -> None:
                found.extend(await heard(relay, "s"))

            nursery.start_soon(follow)
            async with working(world, model, after_death=after_death):
                while not found:  # noqa: ASYNC110
                    await trio.sleep(0.05)

        assert (["Hi"], "Hello") == (asked(model), text_of(found))
        assert isinstance(found[-1], Done)
        assert (died.chunks is not None) == any(isinstance(chunk, RetryAttempt) for chunk in found)
        assert () == tuple(await world.queue.take_abandoned("x", most=9, silent_seconds=0))

    anywhere(test)


def test_a_request_whose_worker_died_waits_until_another_is_free(anywhere: Anywhere) -> None:
    """Followers leave it alone meanwhile, for longer than an answer that was shown, and no place is made for it."""

    async def test(world: World) -> None:
        await leave_behind(world, Died(()), takeover_seconds=0.2)
        model = ScriptedModel([reply("on " * 12, sending=SLOWLY), "Hello"])
        async with working(world, model, capacity=1) as (relay, worker):
            await relay.submit("long", stream_id="long")
            found: list[StreamChunk] = []
            most = 0

            async def follow() -> None:
                found.extend(await heard(relay, "s"))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                while not found:
                    most = max(most, worker.running)
                    await trio.sleep(0.02)

        assert (["long", "Hi"], "Hello", 1) == (asked(model), text_of(found), most)
        assert isinstance(found[-1], Done)

    anywhere(test)


def test_a_follower_waits_for_a_free_worker_for_as_long_as_for_a_first_one(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        await leave_behind(world, Died((Status("asks"),)), takeover_seconds=0.1)
        async with world.relay(begin_seconds=1.0) as relay:
            status, ending = await heard(relay, "s")
            assert (Status("asks"), "not_begun") == (status, ending.code)
            assert not (await relay.state("s")).ended
            assert ["s"] == [item.stream_id for item in await world.queue.take_abandoned("x", most=9, silent_seconds=0)]

    anywhere(test)


def test_a_full_worker_ends_what_dead_ones_left_all_at_once(anywhere: Anywhere) -> None:
    """Within twice `dead_after` of a look, whatever their number: to watch and to end takes no place."""

    async def test(world: World) -> None:
        names = [f"s{number}" for number in range(5)]
        async with working(world, [reply("on " * 40, sending=SLOWLY)], capacity=1) as (relay, worker):
            await relay.submit("long", stream_id="long")
            while not worker.running:  # noqa: ASYNC110
                await trio.sleep(0.01)
            for name in names:
                await leave_behind(world, Died((Text("Hel"),)), stream_id=name)
            began = trio.current_time()
            while not all([(await relay.state(name)).ended for name in names]):  # noqa: ASYNC110
                await trio.sleep(0.01)
            took = trio.current_time() - began
            endings = [(await published(world, name))[-1] for name in names]
            assert 1 == worker.running
            assert () == tuple(await world.queue.take("x", most=9, wait_seconds=0))
            worker.drain()
            worker.drain()

        dead_after = QUICK.dead_after
        assert dead_after <= took < 2 * dead_after + 0.4
        assert {"publisher_lost"} == {ending.code for ending in endings}

    anywhere(test)


def test_an_answer_whose_worker_died_amid_it_ends_with_an_error(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        await leave_behind(world, Died((Text("Hel"),)))
        model = ScriptedModel([])
        async with working(world, model) as (relay, _):
            text, ending = await heard(relay, "s")

        assert ([], Text("Hel")) == (asked(model), text)
        assert isinstance(ending, Error)
        assert ("publisher_lost", gestura.assistant("Hel")) == (ending.code, ending.partial)
        assert () == tuple(await world.queue.take_abandoned("x", most=9, silent_seconds=0))

    anywhere(test)


def test_an_answer_whose_worker_died_amid_it_is_gone_on_with_where_that_is_wanted(anywhere: Anywhere) -> None:
    """In the same stream, said to its followers, and from where it broke off."""

    async def test(world: World) -> None:
        await leave_behind(world, Died((Text("Hel"),)))
        model = ScriptedModel(["lo"])
        async with working(world, model, after_death="resume") as (relay, _):
            found = await heard(relay, "s")

        assert "Hello" == text_of(found)
        news = [chunk for chunk in found if isinstance(chunk, RetryAttempt)]
        assert [(1, 3, False)] == [(each.attempt, each.max_attempts, each.discard) for each in news]
        assert ["user", "assistant", "user"] == [message["role"] for message in model.requests[0]["messages"]]
        assert isinstance(found[-1], Done)

    anywhere(test)


def test_thoughts_that_nobody_can_go_on_from_are_discarded_aloud(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        await leave_behind(world, Died((Thinking("Hm."),)))
        async with working(world, ["Hello"], after_death="resume") as (relay, _):
            found = await heard(relay, "s")

        assert [True] == [chunk.discard for chunk in found if isinstance(chunk, RetryAttempt)]
        assert "Hello" == text_of(found)

    anywhere(test)


def test_a_request_of_which_workers_die_is_not_tried_for_ever(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        await leave_behind(world, Died(()), deaths=3)
        model = ScriptedModel([])
        async with working(world, model) as (relay, _):
            (ending,) = await heard(relay, "s")

        assert ([], "publisher_lost") == (asked(model), ending.code)
        assert "3 workers" in ending.message

    anywhere(test)


def test_a_request_that_was_answered_and_not_taken_out_is_only_taken_out(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        await leave_behind(world, Died((Text("Hello"), Done()), ended=True))
        model = ScriptedModel([])
        async with working(world, model) as (relay, _):
            found = await heard(relay, "s")
            await trio.sleep(1.5)

        assert_the_same([Text("Hello"), Done()], found)
        assert [] == asked(model)
        assert () == tuple(await world.queue.take_abandoned("x", most=9, silent_seconds=0))

    anywhere(test)


def test_a_worker_that_lives_keeps_its_request_even_if_it_is_offered_to_another(anywhere: Anywhere) -> None:
    """Its word to the queue may get lost; its beats are in the log."""

    async def test(world: World) -> None:
        first, second = ScriptedModel([reply("on " * 8, sending=SLOWLY)]), ScriptedModel([])
        async with working(world, first) as (relay, _):
            await relay.submit("Hi", stream_id="s")
            while not first.requests:  # noqa: ASYNC110
                await trio.sleep(0.01)
            (stolen,) = await world.queue.take_abandoned("nobody", most=1, silent_seconds=0)
            assert "s" == stolen.stream_id
            async with working(world, second):
                found = await heard(relay, "s")

        assert ("on " * 8, []) == (text_of(found), asked(second))
        assert isinstance(found[-1], Done)

    anywhere(test)


def test_a_queue_out_of_reach_is_asked_again(anywhere: Anywhere) -> None:
    async def test(world: World) -> None:
        queue = FaultyLog(world.queue, out=True)
        async with working(World(world.log, queue), lambda _body: "Hello"):
            await trio.sleep(0.3)
            queue.out = False
            async with world.relay() as relay:
                assert "Hello" == text_of(await heard(relay, await relay.submit("Hi")))

    anywhere(test)


def test_an_outage_is_told_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """And once in five minutes between."""

    async def test(world: World) -> None:
        queue = FaultyLog(world.queue, out=True)
        async with working(World(world.log, queue), []):
            await trio.sleep(400)
            queue.out = False
            await trio.sleep(5)

    with caplog.at_level(logging.WARNING, "gestura.worker"):
        in_memory(test)

    told = [record.getMessage() for record in caplog.records]
    assert 3 == len(told)
    for part, line in zip(("is out of reach", "for 300 s", "within reach again"), told, strict=True):
        assert part in line


@pytest.mark.parametrize("wrong", [{"capacity": 0}, {"max_deaths": 0}, {"drain_seconds": -1}])
async def test_numbers_that_are_too_small_are_refused(wrong: dict[str, int]) -> None:
    async with scripted_client([]) as client, World().relay() as relay:
        with pytest.raises(ConfigError, match="worker"):
            Worker(client, relay, **wrong)
