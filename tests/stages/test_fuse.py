"""`fuse`: several stages as one make what they make one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.errors import ProtocolError
from gestura.limits import Limits
from gestura.stages import Stage, fuse
from gestura.stages.deltas import Frame
from gestura.stages.ndjson import NdjsonFramer
from gestura.testing import check_stage, run_inline

END = "end"


@attrs.frozen
class Behaviour:
    """What a `Relay` does: how many items it holds back, and which item (or the end) it refuses."""

    holds: int = 0
    refuses: str | None = None


class Relay:
    """Hands items on, the latest few held back until the end; refuses an item by what it was called at first."""

    def __init__(self, name: str, behaviour: Behaviour) -> None:
        self._name = name
        self._behaviour = behaviour
        self._held: list[str] = []

    def feed(self, batch: Sequence[str]) -> list[str]:
        assert batch, "an empty batch is no news"
        out: list[str] = []
        for item in batch:
            if item[0] == self._behaviour.refuses:
                raise self._refusal(out)
            self._held.append(item + self._name)
            if len(self._held) > self._behaviour.holds:
                out.append(self._held.pop(0))
        return out

    def close(self) -> list[str]:
        if self._behaviour.refuses == END:
            raise self._refusal(self._held)
        return self._held

    def _refusal(self, made: Sequence[str]) -> ProtocolError:
        error = ProtocolError(self._name)
        error.made = made
        return error


def relays(behaviours: Sequence[Behaviour]) -> list[Relay]:
    return [Relay(name, behaviour) for name, behaviour in zip("ABCDE", behaviours, strict=False)]


def one_after_another(
    stages: Sequence[Stage[Any, Any]], batches: Sequence[Sequence[Any]]
) -> tuple[list[Any], str | None]:
    """All of the input through the first stage, what that made through the second, and so on: output and failure."""
    in_feed, in_close = [], []
    for stage in stages:
        made: list[Sequence[Any]] = []
        failures = in_feed
        try:
            made.extend(stage.feed(batch) for batch in batches if batch)
            failures = in_close
            made.append(stage.close())
        except ProtocolError as error:
            made.append(error.made)
            failures.append(str(error))
        batches = made
    # The last to fail had read the least; what fails at a close alone follows from the end.
    told = in_feed[-1] if in_feed else in_close[0] if in_close else None
    return [item for batch in batches for item in batch], told


behaviours = st.builds(Behaviour, st.integers(0, 3), st.none() | st.sampled_from(["3", "5", END]))
inputs = st.lists(st.lists(st.sampled_from("123456"), min_size=1, max_size=3), max_size=5)


@given(st.lists(behaviours, min_size=1, max_size=4), inputs)
@example([Behaviour(refuses="3"), Behaviour(holds=1)], [["1", "2", "3"]])
@example([Behaviour(refuses="3"), Behaviour(holds=1, refuses=END)], [["1", "2", "3"]])
@example([Behaviour(holds=1, refuses=END), Behaviour(holds=1)], [["1", "2"]])
@example([Behaviour(), Behaviour(refuses="3"), Behaviour(refuses=END)], [["1", "2", "3"]])
@example([Behaviour(refuses="5"), Behaviour(refuses="3")], [["1", "3", "5"]])
@example([Behaviour(refuses="3"), Behaviour(holds=2, refuses=END), Behaviour(refuses="1")], [["1", "2", "3"]])
def test_fused_stages_make_what_they_make_one_after_another(
    described: list[Behaviour], batches: list[list[str]]
) -> None:
    """Nothing is lost or told twice, whichever stages refuse their input or its end; what failed first is raised.

    First in the stream, not in time: what a later stage refuses had been read before what an earlier one does.
    """
    expected, failure = one_after_another(relays(described), batches)
    fused = fuse(*relays(described))

    if failure:
        with pytest.raises(ProtocolError) as caught:
            run_inline(fused, batches)
        assert failure == str(caught.value)
        assert expected == list(caught.value.made)
    else:
        assert expected == run_inline(fused, batches)


@given(st.lists(behaviours, min_size=3, max_size=3), inputs)
def test_how_stages_are_grouped_does_not_matter(described: list[Behaviour], batches: list[list[str]]) -> None:
    """A fused stage is a stage like any other: fused again with its neighbours, it makes the same."""

    def outcome(stage: Stage[Any, Any]) -> tuple[list[Any], str]:
        try:
            return run_inline(stage, batches), ""
        except ProtocolError as error:
            return list(error.made), str(error)

    expected = outcome(fuse(*relays(described)))
    first, second, third = relays(described)
    assert expected == outcome(fuse(first, fuse(second, third)))
    first, second, third = relays(described)
    assert expected == outcome(fuse(fuse(first, second), third))


def test_the_cause_is_raised() -> None:
    """When a stage fails on the last words of one that failed before it, the cause is told, not the consequence."""
    first, second = relays([Behaviour(refuses="3"), Behaviour(refuses=END)])

    with pytest.raises(ProtocolError, match="A"):
        fuse(first, second).feed(["3"])


class DataLength:
    """A stage that is not ours: the length of each frame's data."""

    def feed(self, batch: Sequence[Frame]) -> list[int]:
        return [len(frame.data) for frame in batch]

    def close(self) -> list[int]:
        return []


def test_boundaries_do_not_matter_to_fused_stages() -> None:
    """A framer fused with what reads its frames takes bytes cut anywhere."""
    expected = [1, 2, 3]

    assert expected == check_stage(lambda: fuse(NdjsonFramer(Limits()), DataLength()), b"1\r\n22\n\n333")
