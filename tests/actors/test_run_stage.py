"""The generic actor runs any stage as it would run without an event loop, and fails in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from inboxes import items_of
from scripting import run_virtually
from trio.testing import MockClock, wait_all_tasks_blocked

from gestura._actors.inbox import Inbox
from gestura._actors.run_stage import RunningStage
from gestura._actors.statistics import ActorStatistics
from gestura.errors import InternalError, ProtocolError
from gestura.testing import run_inline

END = "the end"
PLACE = 3
"""Of the actor in the flow."""


@attrs.define
class Relay:
    """Passes on what it gets, holding back so many items; refuses one of them, or the end; or crashes there.

    Args:
        holds: items.
        refuses: what it raises `ProtocolError` for.
        crashes: what it has a bug for.
    """

    holds: int = 0
    refuses: Any = None
    crashes: Any = None
    _held: list[Any] = attrs.field(factory=list, init=False)
    closed: bool = attrs.field(default=False, init=False)

    def feed(self, batch: Sequence[Any]) -> list[Any]:
        out: list[Any] = []
        for item in batch:
            self._meet(item, out)
            self._held.append(item)
            if len(self._held) > self.holds:
                out.append(self._held.pop(0))
        return out

    def close(self) -> list[Any]:
        self.closed = True
        self._meet(END, self._held)
        return self._held

    def _meet(self, item: Any, made: Sequence[Any]) -> None:
        if item == self.crashes:
            raise ZeroDivisionError("a bug")
        if item == self.refuses:
            error = ProtocolError(f"refused {item}")
            error.made = made
            raise error


@attrs.define
class Run:
    """What became of an actor: what it made, whom it told of a failure, and what it counted."""

    made: list[Any] = attrs.field(factory=list)
    failures: list[tuple[Exception, bool]] = attrs.field(factory=list)
    statistics: ActorStatistics = attrs.field(factory=lambda: ActorStatistics("relay"))
    upstream_broke: bool = False

    def stage_failed(self, place: float, error: Exception, at_end: bool) -> None:
        assert PLACE == place
        self.failures.append((error, at_end))


async def act(stage: Relay, batches: Sequence[Sequence[Any]], room: int, gap: float | None, pace: float) -> Run:
    """Run `stage` as an actor, a batch each `gap` seconds or all at once, before an actor of this pace."""
    run = Run()
    inbox, behind = Inbox[Any](room), Inbox[Any](room)
    actor = RunningStage("relay", stage, inbox, behind, PLACE, run)

    async def take() -> None:
        async for batch in items_of(behind):
            run.made += batch
            await trio.sleep(pace)
        behind.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        nursery.start_soon(actor.run)
        for batch in batches:
            if gap is not None:
                await trio.sleep(gap)
            try:
                await inbox.send(batch)
            except trio.BrokenResourceError:
                run.upstream_broke = True
                break
        inbox.end()
    run.statistics = actor.statistics()
    return run


rooms, gaps, paces = st.integers(1, 3), st.sampled_from([None, 0, 1]), st.sampled_from([0, 1])
relays = st.builds(
    Relay, st.integers(0, 3), refuses=st.sampled_from([None, None, 3, END]), crashes=st.sampled_from([None, None, 4])
)
batches = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=3), max_size=5)


@given(relays, batches, rooms, gaps, paces)
def test_a_stage_makes_as_an_actor_what_it_makes_inline(
    stage: Relay, given_batches: Sequence[Sequence[int]], room: int, gap: float | None, pace: float
):
    """Whether its inbox is empty or full, and whoever waits for whom: the same output, the same failure."""
    inline = attrs.evolve(stage)
    made: Sequence[Any]
    failure: type[Exception] | None = None
    try:
        made = run_inline(inline, given_batches)
    except ProtocolError as error:
        made, failure = error.made, ProtocolError
    except ZeroDivisionError:
        made, failure = [], InternalError
    run = run_virtually(act, stage, given_batches, room, gap, pace)

    assert failure is (type(run.failures[0][0]) if run.failures else None)
    assert len(run.failures) <= 1
    if failure is not InternalError:
        assert list(made) == run.made
        assert len(run.made) == run.statistics.items


@pytest.mark.parametrize("gap", [None, 1])
def test_what_a_failing_stage_had_made_goes_on(gap: float | None):
    """It is sent before the inbox of the next actor closes, which so ends in order; the one before is told."""
    run = run_virtually(act, Relay(refuses=3), [[1, 2], [2, 3, 4], [5], [6], [7]], 1, gap, 0)

    assert [1, 2, 2] == run.made
    assert [("refused 3", False)] == [(str(error), at_end) for error, at_end in run.failures]
    assert run.upstream_broke


def test_a_failure_at_the_end_is_told_as_one():
    """It came after all input, so it does not count as the cause of a failure amid the input."""
    run = run_virtually(act, Relay(holds=2, refuses=END), [[1, 2, 3]], 1, 0, 0)

    assert [1, 2, 3] == run.made
    assert [("refused the end", True)] == [(str(error), at_end) for error, at_end in run.failures]


@pytest.mark.parametrize(("crashes", "at_end"), [(3, False), (END, True)])
@pytest.mark.parametrize("gap", [None, 1])
def test_a_bug_is_told_with_the_actors_name_and_its_cause(crashes: Any, at_end: bool, gap: float | None):
    """It takes nothing else with it: what the stage had sent before is there, and the next actor ends in order."""
    run = run_virtually(act, Relay(crashes=crashes), [[1], [2], [3]], 1, gap, 0)
    ((error, told_at_end),) = run.failures

    assert isinstance(error, InternalError)
    assert "the relay crashed: ZeroDivisionError: a bug" == str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert at_end is told_at_end
    assert [1, 2] == run.made[:2]


async def test_a_stage_whose_consumer_has_gone_stops_quietly():
    """Whoever has gone has said why; no failure is told, and the actor before learns that nobody takes any more."""
    run, stage = Run(), Relay()
    inbox, behind = Inbox[Any](1), Inbox[Any](1)
    behind.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(RunningStage("relay", stage, inbox, behind, PLACE, run).run)
        await inbox.send([1])
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BrokenResourceError):
            await inbox.send([2])

    assert not run.failures
    assert not stage.closed


async def test_a_cancelled_actor_stops_where_it_is(autojump_clock: MockClock):
    """Its stage is not closed, and what it held back is told to nobody: only the user's leaving cancels actors."""
    run, stage = Run(), Relay(holds=5)
    inbox, behind = Inbox[Any](1), Inbox[Any](1)
    with trio.move_on_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(RunningStage("relay", stage, inbox, behind, PLACE, run).run)
            await inbox.send([1])

    assert not stage.closed
    assert [] == [batch async for batch in items_of(behind)]
    with pytest.raises(trio.BrokenResourceError):
        await inbox.send([2])


@pytest.mark.parametrize(("gap", "deepest"), [(None, 3), (1, 0)])
def test_an_actor_counts_its_work(gap: float | None, deepest: int):
    """Batches it took, items it made, and the most batches that waited for it at one time."""
    run = run_virtually(act, Relay(), [[1, 2], [3], [4]], 3, gap, 0)

    assert ActorStatistics("relay", batches=3, items=4, deepest_queue=deepest) == run.statistics
