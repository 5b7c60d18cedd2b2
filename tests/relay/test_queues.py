"""What a queue of work promises, of each that there is: see `gestura.relay.work`."""

from __future__ import annotations

import trio
from stores import Store, run

from gestura.relay.log import Log
from gestura.relay.work import WorkItem, WorkQueue


def ids(items: object) -> list[str]:
    return [item.stream_id for item in items]


async def taken(queue: WorkQueue, holder: str = "anna", most: int = 10, wait_seconds: float = 0.0) -> list[WorkItem]:
    return list(await queue.take(holder, most=most, wait_seconds=wait_seconds))


def test_what_was_put_first_is_taken_first_and_by_one(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        for stream_id in "stuv":
            await queue.put(stream_id, stream_id.encode() + b"\xff")

        assert 4 == await queue.waiting()
        first, second = await taken(queue, most=2), await taken(queue, "bert")
        assert [["s", "t"], ["u", "v"], []] == [ids(first), ids(second), ids(await taken(queue))]
        assert [b"s\xff", b"t\xff"] == [item.payload for item in first]
        assert 4 == len({item.ticket for item in (*first, *second)})
        assert 0 == await queue.waiting()

    run(store, test)


def test_an_empty_queue_gives_nothing(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        assert 0 == await queue.waiting()
        assert [] == await taken(queue)
        assert [] == list(await queue.take_abandoned("anna", most=5, silent_seconds=0))
        await queue.keep("anna", ["1-1"])
        await queue.done("1-1")

    run(store, test)


def test_a_stream_is_in_the_queue_once_until_it_is_done(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        await queue.put("s", b"1")
        await queue.put("s", b"2")
        (item,) = await taken(queue)
        await queue.put("s", b"3")

        assert (b"1", []) == (item.payload, await taken(queue))
        await queue.done(item.ticket)
        await queue.done(item.ticket)
        await queue.put("s", b"4")
        assert [b"4"] == [item.payload for item in await taken(queue)]

    run(store, test)


def test_who_waits_is_given_what_is_put(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        got: list[str] = []

        async def take(holder: str) -> None:
            got.extend(ids(await taken(queue, holder, most=1, wait_seconds=5)))

        with trio.fail_after(4):
            async with trio.open_nursery() as nursery:
                for holder in ("anna", "bert", "carl"):
                    nursery.start_soon(take, holder)
                await trio.sleep(0.1)
                for stream_id in "stu":
                    await queue.put(stream_id, b"")

        assert ["s", "t", "u"] == sorted(got)

    run(store, test)


def test_who_waits_long_enough_gets_nothing(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        began = trio.current_time()

        assert [] == await taken(queue, wait_seconds=0.3)
        assert 0.3 <= trio.current_time() - began < 2

    run(store, test)


def test_who_is_cancelled_while_it_waits_takes_nothing(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        with trio.move_on_after(0.1) as waiting:
            await taken(queue, wait_seconds=30)

        assert waiting.cancelled_caught
        await queue.put("s", b"")
        assert 1 == await queue.waiting()
        assert ["s"] == ids(await taken(queue, "bert"))

    run(store, test)


def test_what_is_given_to_one_who_is_cancelled_comes_to_it_or_to_the_next(store: Store) -> None:
    """Whatever the moment: no item is held by somebody who does not know of it."""

    async def test(_log: Log, queue: WorkQueue) -> None:
        got: list[str] = []

        async def take(seconds: float) -> None:
            with trio.move_on_after(seconds):
                got.extend(ids(await taken(queue, wait_seconds=30)))

        for number in range(40):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(take, number * 0.0001)
                await queue.put(str(number), b"")
            got.extend(ids(await taken(queue, "bert")))

        assert [str(number) for number in range(40)] == got

    run(store, test)


def test_what_a_silent_holder_has_is_offered_to_others(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        for stream_id in "stu":
            await queue.put(stream_id, stream_id.encode())
        kept, left, finished = await taken(queue)
        await queue.done(finished.ticket)
        for _ in range(3):
            await trio.sleep(0.1)
            await queue.keep("anna", [kept.ticket, finished.ticket, "1-1"])

        assert [left] == list(await queue.take_abandoned("bert", most=5, silent_seconds=0.25))
        assert [] == list(await queue.take_abandoned("carl", most=5, silent_seconds=0.25))
        assert 0 == await queue.waiting()

    run(store, test)


def test_no_more_is_taken_of_what_was_abandoned_than_asked_for(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        for stream_id in "stu":
            await queue.put(stream_id, b"")
        await taken(queue)
        await trio.sleep(0.6)

        first = ids(await queue.take_abandoned("bert", most=2, silent_seconds=0.5))
        second = ids(await queue.take_abandoned("bert", most=2, silent_seconds=0.5))
        assert (2, ["s", "t", "u"]) == (len(first), sorted(first + second))

    run(store, test)


def test_who_lost_an_item_does_not_keep_it(store: Store) -> None:
    async def test(_log: Log, queue: WorkQueue) -> None:
        await queue.put("s", b"")
        (item,) = await taken(queue)
        await trio.sleep(0.6)
        await queue.take_abandoned("bert", most=1, silent_seconds=0.5)
        await trio.sleep(0.6)
        await queue.keep("anna", [item.ticket])

        assert ["s"] == ids(await queue.take_abandoned("carl", most=1, silent_seconds=0.5))

    run(store, test)
