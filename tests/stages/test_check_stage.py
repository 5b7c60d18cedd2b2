"""The public help for testing stages: `check_stage` finds what it is for, and its parts say what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import cuts

from gestura.chunks import Done, Refusal, Text, Thinking, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.errors import ProtocolError
from gestura.testing import check_stage, merged, run_inline, split


class DecodesEachRead:
    """The classic mistake: each read is taken for whole characters."""

    def feed(self, batch: Sequence[bytes]) -> list[Text]:
        return [Text(read.decode("utf-8", "replace")) for read in batch]

    def close(self) -> list[Text]:
        return []


class RefusesLongReads(DecodesEachRead):
    """Another: what is made before a failure depends on the reads."""

    def feed(self, batch: Sequence[bytes]) -> list[Text]:
        if b"!" in b"".join(batch):
            raise ProtocolError("!")
        return super().feed(batch)


def test_a_stage_that_minds_its_boundaries_is_found() -> None:
    """A stage whose output depends on the cuts fails, and the message says which cut shows it."""
    with pytest.raises(AssertionError, match=r"cut at \(1,\)"):
        check_stage(DecodesEachRead, "é".encode())
    with pytest.raises(AssertionError, match=r"cut at \(2,\)"):
        check_stage(DecodesEachRead, "aé".encode(), where=(2,))
    with pytest.raises(AssertionError, match="cut at"):
        check_stage(RefusesLongReads, b"ab!")


def test_a_stage_that_does_not_mind_passes() -> None:
    """The output comes back merged, so that a test can go on with it."""
    assert [Text("abc")] == check_stage(DecodesEachRead, b"abc")
    assert [Text("é")] == check_stage(DecodesEachRead, "é".encode(), where=())


def test_what_was_made_before_a_failure_is_kept() -> None:
    """`run_inline` puts all that the stage had made, batch by batch, into the error's `made`."""
    with pytest.raises(ProtocolError) as caught:
        run_inline(RefusesLongReads(), [[b"a"], [b"b"], [b"!"], [b"c"]])

    assert [Text("a"), Text("b")] == list(caught.value.made)


@given(st.binary(max_size=50), cuts())
def test_split_loses_nothing(wire: bytes, where: tuple[int, ...]) -> None:
    """The reads of a wire are the wire."""
    assert wire == b"".join(split(wire, where))


def test_neighbours_of_one_kind_are_merged() -> None:
    """Text joins text, thinking joins thinking, arguments join those of the same call, and nothing else is touched."""
    pieces = [
        *(Thinking("a"), Thinking("b"), Text("c"), Text("d"), Thinking("e"), Text("f"), Refusal("g"), Refusal("h")),
        *(ToolCallStart("1", "x"), ToolCallArgs("1", "{"), ToolCallArgs("1", "}"), ToolCallEnd("1")),
        *(ToolCallArgs("2", "["), ToolCallArgs("3", "]"), Done(), Done()),
    ]
    expected = [
        *(Thinking("ab"), Text("cd"), Thinking("e"), Text("f"), Refusal("gh")),
        *(ToolCallStart("1", "x"), ToolCallArgs("1", "{}"), ToolCallEnd("1")),
        *(ToolCallArgs("2", "["), ToolCallArgs("3", "]"), Done(), Done()),
    ]

    assert expected == merged(pieces)
