"""How deep an event's JSON nests and what it is made of, and that it costs little to look."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.errors import LimitExceeded
from gestura.limits import Limits
from gestura.stages.deltas import Frame
from gestura.stages.json_limits import JsonLimits
from gestura.testing import run_inline

JSON = st.recursive(
    st.none() | st.integers() | st.text('[{]},"\\a', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[{,"\\', max_size=3), inner, max_size=3),
    max_leaves=20,
)


def depth(value: object) -> int:
    """By another way than the stage's."""
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


def parts(value: object) -> int:
    """By another way than the stage's."""
    match value:
        case dict():
            return 1 + max(len(value) - 1, 0) + len(value) + sum(map(parts, value.values()))
        case list():
            return 1 + max(len(value) - 1, 0) + sum(map(parts, value))
        case str():
            return 1
        case _:
            return 0


@given(JSON, st.integers(1, 6))
@example([[], [], [[]]], 1)
@example({"[[[[[[[[[[": ']]]\\"[[[['}, 1)
def test_what_nests_deeper_than_the_limit_is_refused(value: object, limit: int) -> None:
    """Brackets count outside of strings, however many there are beside each other."""
    frames = [Frame("{}"), Frame(json.dumps(value))]
    stage = JsonLimits(Limits(max_json_depth=limit))

    if depth(value) <= limit:
        assert frames == run_inline(stage, [frames])
        return
    with pytest.raises(
        LimitExceeded, match=rf"^the nesting of an event's JSON exceeds {limit} \(max_json_depth\)$"
    ) as e:
        run_inline(stage, [frames])
    assert frames[:1] == list(e.value.made)


@given(JSON, st.integers(1, 30))
def test_what_has_more_parts_than_the_limit_is_refused(value: object, limit: int) -> None:
    """Strings, brackets that open, and commas count, and nothing that stands in a string."""
    frames = [Frame("1"), Frame(json.dumps(value))]
    stage = JsonLimits(Limits(max_json_depth=100, max_json_parts=limit))
    small = len(frames[1].data) <= 100  # then no one looks: so short an event can't hurt

    if parts(value) <= limit or small:
        assert frames == run_inline(stage, [frames])
        return
    words = re.escape(f"the number of parts of an event's JSON exceeds {limit} (max_json_parts)")
    with pytest.raises(LimitExceeded, match=f"^{words}$") as caught:
        run_inline(stage, [frames])
    assert frames[:1] == list(caught.value.made)


@pytest.mark.parametrize("data", ["", "[DONE]", "]]]]", '"[[[[', '"\\', '"[[[[\\"[[[', "not JSON [[[", '"""""[""[[['])
def test_what_is_no_json_is_not_judged_here(data: str) -> None:
    """Only its parts count: what is wrong with it, the decoder says."""
    frames = [Frame(data)]

    assert frames == run_inline(JsonLimits(Limits(max_json_depth=3)), [frames])


PIECES = ["[]", "{", '"', '\\"', '"\\', '"[', '["\\"', ",", "[1,", "x"]


@pytest.mark.parametrize("piece", PIECES)
def test_a_large_event_takes_linear_time(piece: str) -> None:
    """Four times as much takes about four times as long, not sixteen times, whatever it is made of."""

    def seconds(count: int) -> float:
        frames = [Frame("[" * 9 + piece * count)]
        begun = time.process_time()
        with suppress(LimitExceeded):
            JsonLimits(Limits(max_json_depth=9, max_json_parts=10**6)).feed(frames)
        return time.process_time() - begun

    quarter = min(seconds(25_000) for _ in range(3))

    assert seconds(100_000) < 9 * quarter + 0.05


@pytest.mark.parametrize("piece", PIECES)
def test_looking_takes_no_memory(piece: str) -> None:
    """Not even for an event that is all brackets."""
    frames = [Frame("[" * 9 + piece * 100_000)]
    stage = JsonLimits(Limits(max_json_depth=9, max_json_parts=10**6))
    tracemalloc.start()
    try:
        with suppress(LimitExceeded):
            stage.feed(frames)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2 * len(frames[0].data) + 10_000
