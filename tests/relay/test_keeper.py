"""The keeper: its beats wait for nothing, and no mistake of the log's takes the streams down."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack

import pytest
import trio
from worlds import World, heard, in_memory, published, said, text_of

from gestura.chunks import Done, Text
from gestura.relay.log import LogUnreachable
from gestura.relay.memory import MemoryLog


class Counted(MemoryLog):
    """Notes when it is beaten, and what is renewed, which fails every other time and takes long."""

    def __init__(self) -> None:
        super().__init__()
        self.beaten: list[float] = []
        self.renewed: list[list[str]] = []
        self.fails = False

    async def beat(self, publisher: str) -> None:
        self.beaten.append(trio.current_time())
        await super().beat(publisher)

    async def renew(self, stream_ids: Iterable[str]) -> None:
        await trio.sleep(0.4)
        self.fails = not self.fails
        if self.fails:
            raise LogUnreachable("as the test wants")
        self.renewed.append(list(stream_ids))


def test_many_streams_are_renewed_a_part_at_a_time_and_the_beats_go_on() -> None:
    """A part that failed is tried again, and not those before it."""
    log = Counted()
    names = [f"s{number}" for number in range(500)]

    async def test(world: World) -> None:
        async with world.relay(keep_seconds=100) as relay:
            with ExitStack() as reserved:
                for name in names:
                    reserved.enter_context(relay.keeper.reserving(name))
                await trio.sleep(25 + 3)

    in_memory(test, World(log))

    assert [200, 200, 100] == [len(some) for some in log.renewed]
    assert names == [name for some in log.renewed for name in some]
    assert max(after - before for before, after in zip(log.beaten, log.beaten[1:], strict=False)) < 0.1


@pytest.mark.parametrize("method", ["beat", "renew", "orders"])
def test_a_bug_in_the_log_is_told_once_and_takes_no_stream_down(method: str, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError

    log = MemoryLog()
    setattr(log, method, broken)

    async def test(world: World) -> None:
        async with (
            world.relay(dead_after=100, keep_seconds=5) as relay,
            relay.publish("s", said("Hel", "lo", Done(), seconds=2)) as publication,
        ):
            pass
        assert Done() == publication.ending
        assert "Hello" == text_of(await published(world, "s"))

    with caplog.at_level(logging.ERROR, "gestura.relay"):
        in_memory(test, World(log))

    told = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert [ZeroDivisionError] == told


def test_an_idle_service_forgets_what_has_expired() -> None:
    log = MemoryLog()

    async def test(world: World) -> None:
        async with world.relay(keep_seconds=10) as relay:
            for name in ("s", "t"):
                async with relay.publish(name, said("Hi", Done())):
                    pass
            await trio.sleep(9)
            assert "Hi" == text_of(await heard(relay, "s"))
            assert {"s", "t"} == set(log._streams)
            await trio.sleep(5)
            assert ({}, []) == (log._streams, log._expiries)

    in_memory(test, World(log))


class Unscanned(dict[str, object]):
    """Gives what is asked for, and can't be looked through."""

    def _refuse(self) -> None:
        raise AssertionError("all streams were looked at")

    __iter__ = items = values = keys = _refuse  # type: ignore[assignment]


def test_no_call_of_the_log_in_memory_looks_at_all_streams() -> None:
    log = MemoryLog()
    log._streams = Unscanned()  # type: ignore[assignment]

    async def test(world: World) -> None:
        async with world.relay() as relay, relay.publish("s", said(Text("Hi"), Done(), seconds=0.2)):
            assert "Hi" == text_of(await heard(relay, "s"))

    in_memory(test, World(log))
