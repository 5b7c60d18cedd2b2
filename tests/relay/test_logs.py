"""What a log promises, of each that there is: see `gestura.relay.log`."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
import trio
from stores import Store, run
from worlds import within

from gestura.relay.log import (
    START,
    Entry,
    Log,
    Order,
    Position,
    PublicationLost,
    StreamExists,
    StreamState,
    UnknownStream,
)
from gestura.relay.work import WorkQueue


async def begun(log: Log, stream_id: str = "s", publisher: str = "anna", **options: object) -> StreamState:
    return await log.begin(stream_id, publisher=publisher, about=b"about it", **{"keep_seconds": 60.0, **options})


async def texts(log: Log, stream_id: str = "s", after: Position = START) -> list[tuple[str, bytes]]:
    """All entries behind a position, read three at a time."""
    found: list[Entry] = []
    while page := await log.read(stream_id, after, most=3):
        found += page
        after = page[-1].position
    return [(str(entry.position), entry.payload) for entry in found]


def test_a_new_stream_is_empty_and_its_publishers(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        state = await begun(log)

        assert StreamState(about=b"about it", publisher="anna", term=1, beat=0) == state
        assert state == await log.state("s")
        assert () == tuple(await log.read("s", START, most=10))

    run(store, test)


def test_what_is_appended_is_read_in_order_from_any_position(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        payloads = [b"", b"\x00\xff\r\n", "\N{GRINNING FACE}".encode(), b"4", b"5" * 100_000]
        await log.append("s", term=1, first=1, payloads=payloads[:2])
        await log.append("s", term=1, first=3, payloads=payloads[2:], ends=True)
        whole = [(f"1-{number}", payload) for number, payload in enumerate(payloads, 1)]

        assert whole == await texts(log)
        assert [whole[after:] for after in range(6)] == [
            await texts(log, after=Position(1, after) if after else START) for after in range(6)
        ]
        assert [] == await texts(log, after=Position(1, 99))
        assert [] == await texts(log, after=Position(9, 1))
        state = await log.state("s")
        assert (Position(1, 5), True) == (state.last, state.ended)

    run(store, test)


def test_an_append_that_is_repeated_changes_nothing(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"a", b"b"])
        await log.append("s", term=1, first=1, payloads=[b"a", b"b"])
        await log.append("s", term=1, first=2, payloads=[b"b", b"c"])
        await log.append("s", term=1, first=4, payloads=[b"z"], ends=True)
        await log.append("s", term=1, first=4, payloads=[b"z"], ends=True)
        await log.append("s", term=1, first=1, payloads=[b"a"])
        await log.append("s", term=1, first=5, payloads=[])

        assert [("1-1", b"a"), ("1-2", b"b"), ("1-3", b"c"), ("1-4", b"z")] == await texts(log)
        assert (await log.state("s")).ended

    run(store, test)


@pytest.mark.parametrize(
    ("term", "first", "payloads"), [(1, 4, [b"x"]), (2, 3, [b"x"]), (0, 3, [b"x"])], ids=["a gap", "too new", "too old"]
)
def test_an_append_that_does_not_fit_is_refused(store: Store, term: int, first: int, payloads: Sequence[bytes]) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"a", b"b"])
        with pytest.raises(PublicationLost):
            await log.append("s", term=term, first=first, payloads=payloads)

        assert [("1-1", b"a"), ("1-2", b"b")] == await texts(log)

    run(store, test)


def test_nothing_follows_an_ending(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"a", b"z"], ends=True)
        ended = await log.state("s")
        with pytest.raises(PublicationLost):
            await log.append("s", term=1, first=3, payloads=[b"x"])
        with pytest.raises(PublicationLost):
            await log.append("s", term=1, first=2, payloads=[b"z", b"x"])
        with pytest.raises(PublicationLost):
            await begun(log, publisher="bert", instead_of=ended)
        with pytest.raises(StreamExists):
            await begun(log)

        assert not await log.end_for("s", dead=ended, payload=b"x")
        assert [("1-1", b"a"), ("1-2", b"z")] == await texts(log)

    run(store, test)


def test_a_stream_is_begun_once_and_a_repetition_is_known(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        first = await begun(log)

        assert first == await begun(log)
        with pytest.raises(StreamExists):
            await begun(log, publisher="bert")
        assert first == await log.state("s")

    run(store, test)


def test_who_takes_a_stream_over_writes_in_the_next_term_and_its_predecessor_no_more(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"a", b"b"])
        dead = await log.state("s")
        taken = await log.begin("s", publisher="bert", about=b"another", keep_seconds=1.0, instead_of=dead)
        again = await log.begin("s", publisher="bert", about=b"another", keep_seconds=1.0, instead_of=dead)

        assert attrs.evolve(dead, publisher="bert", term=2) == taken == again
        with pytest.raises(PublicationLost):
            await log.append("s", term=1, first=3, payloads=[b"x"])
        with pytest.raises(PublicationLost):
            await begun(log, publisher="carl", instead_of=dead)
        await log.append("s", term=2, first=3, payloads=[b"c"])
        assert [("1-1", b"a"), ("1-2", b"b"), ("2-3", b"c")] == await texts(log)
        assert [("1-2", b"b"), ("2-3", b"c")] == await texts(log, after=Position(1, 1))

    run(store, test)


def test_who_is_found_dead_has_its_stream_ended_once(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"a"])
        dead = await log.state("s")

        assert [True, False] == [await log.end_for("s", dead=dead, payload=end) for end in (b"y", b"z")]
        assert [("1-1", b"a"), ("2-2", b"y")] == await texts(log)
        state = await log.state("s")
        assert (True, 2, "anna", Position(2, 2)) == (state.ended, state.term, state.publisher, state.last)
        with pytest.raises(PublicationLost):
            await log.append("s", term=1, first=2, payloads=[b"x"])

    run(store, test)


def test_of_several_who_take_a_stream_over_at_once_one_does(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        dead = await begun(log)
        done: list[str] = []

        async def attempt(name: str) -> None:
            try:
                if name.startswith("follower"):
                    done.extend([name] * await log.end_for("s", dead=dead, payload=name.encode()))
                else:
                    await begun(log, publisher=name, instead_of=dead)
                    done.append(name)
            except PublicationLost:
                pass

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(attempt, f"{'worker' if number % 2 else 'follower'} {number}")

        (winner,) = done
        state = await log.state("s")
        assert winner == (state.publisher if not state.ended else (await texts(log))[0][1].decode())

    run(store, test)


async def beats(log: Log) -> None:
    await log.beat("anna")


async def appends(log: Log) -> None:
    await log.append("s", term=1, first=2, payloads=[b"b"])


async def is_told(log: Log) -> None:
    await log.order("s", Order.PAUSE)


async def is_taken_over(log: Log) -> None:
    await begun(log, publisher="carl", instead_of=await log.state("s"))


@pytest.mark.parametrize("lives", [beats, appends, is_told, is_taken_over])
def test_a_stream_that_has_moved_on_is_not_taken_from_its_publisher(store: Store, lives: object) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"a"])
        seen = await log.state("s")
        await lives(log)

        assert not await log.end_for("s", dead=seen, payload=b"z")
        with pytest.raises(PublicationLost):
            await begun(log, publisher="bert", instead_of=seen)
        assert not (await log.state("s")).ended

    run(store, test)


def test_a_beat_is_a_publishers_and_tells_of_all_its_streams(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        for stream_id, publisher in (("s", "anna"), ("t", "anna"), ("u", "bert")):
            await begun(log, stream_id, publisher)
        await log.beat("anna")
        await log.beat("anna")

        assert [2, 2, 0] == [(await log.state(stream_id)).beat for stream_id in "stu"]

    run(store, test)


def test_an_unknown_stream_is_said_to_be_one(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        state = StreamState(about=b"", publisher="anna", term=1, beat=0)
        for call in (
            log.state("s"),
            log.read("s", START, most=1),
            log.order("s", Order.CANCEL),
            log.end_for("s", dead=state, payload=b""),
        ):
            with pytest.raises(UnknownStream, match="'s'"):
                await call
        for write in (log.append("s", term=1, first=1, payloads=[b"a"]), begun(log, instead_of=state)):
            with pytest.raises(PublicationLost):
                await write
        await log.renew(["s"])

    run(store, test)


def test_streams_expire_unless_they_are_renewed(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        for stream_id in "stu":
            await begun(log, stream_id, keep_seconds=0.6)
        await log.append("t", term=1, first=1, payloads=[b"a"])
        for _ in range(5):
            await trio.sleep(0.2)
            await log.renew(["t", "unknown"])

        assert [("1-1", b"a")] == await texts(log, "t")
        for gone in "su":
            with pytest.raises(UnknownStream):
                await log.state(gone)
            with pytest.raises(PublicationLost):
                await log.append(gone, term=1, first=1, payloads=[b"x"])
        assert 1 == (await begun(log, "s", publisher="bert")).term

    run(store, test)


def test_a_watcher_is_woken_by_what_is_added(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        read: list[tuple[str, bytes]] = []

        async def follow() -> None:
            async with log.watch("s") as watch:
                while len(read) < 5:
                    read.extend(await texts(log, after=Position.parse(read[-1][0]) if read else START))
                    if len(read) < 5:
                        await watch.wait()

        with within(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                for number in range(1, 5):
                    await log.append("s", term=1, first=number, payloads=[b"a"])
                    await trio.sleep(0.02)
                await log.end_for("s", dead=await log.state("s"), payload=b"z")

        assert ["1-1", "1-2", "1-3", "1-4", "2-5"] == [position for position, _ in read]

    run(store, test)


def test_watchers_may_leave_and_others_stay(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        async with log.watch("s") as stays:
            for _ in range(3):
                async with log.watch("s"):
                    pass
            await trio.sleep(0.1)
            with trio.move_on_after(0.1):
                while True:
                    await stays.wait()
            with within(5):
                await log.append("s", term=1, first=1, payloads=[b"a"])
                await stays.wait()

    run(store, test)


def test_a_publisher_receives_the_orders_to_its_streams(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        for stream_id, publisher in (("s", "anna"), ("t", "anna"), ("u", "bert")):
            await begun(log, stream_id, publisher)
        async with log.orders("anna") as orders:
            with within(1):
                await log.order("u", Order.CANCEL)
                await log.order("s", Order.PAUSE)
                assert ("s", Order.PAUSE) == await orders.receive()
                await log.order("t", Order.CANCEL)
                assert ("t", Order.CANCEL) == await orders.receive()
                await log.order("s", Order.CANCEL)
                await log.order("s", Order.PAUSE)
                assert ("s", Order.CANCEL) == await orders.receive()
            with trio.move_on_after(0.2):
                pytest.fail(f"another order came: {await orders.receive()}")

        assert [Order.CANCEL] * 3 == [(await log.state(stream_id)).order for stream_id in "stu"]

    run(store, test)


def test_an_order_waits_for_a_publisher_that_comes_later(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.order("s", Order.CANCEL)
        taken = await begun(log, publisher="bert", instead_of=await log.state("s"))

        assert Order.CANCEL is taken.order

    run(store, test)


def test_nobody_is_told_anything_once_the_stream_has_ended(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        await begun(log)
        await log.append("s", term=1, first=1, payloads=[b"z"], ends=True)
        await log.order("s", Order.CANCEL)

        assert (await log.state("s")).order is None

    run(store, test)


def test_leaving_orders_by_an_exception_lets_it_out_as_it_was(store: Store) -> None:
    async def test(log: Log, _queue: WorkQueue) -> None:
        with pytest.raises(KeyError):
            async with log.orders("anna"):
                raise KeyError

    run(store, test)
