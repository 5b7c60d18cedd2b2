"""In a burst neighbouring texts are one, and nothing else changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gestura.chunks import Refusal, Text, Thinking
from gestura.stages.deltas import ModelName, Terminal, ToolCallFragment
from gestura.stages.joining import FEW, TextJoiner
from gestura.testing import merged

ONE = st.one_of(
    st.builds(Text, st.text(max_size=3)),
    st.builds(Thinking, st.text(max_size=3)),
    st.sampled_from([Refusal("no"), ToolCallFragment(0, arguments="1"), ModelName("m"), Terminal()]),
)
BATCHES = st.lists(st.tuples(ONE, st.integers(1, 2 * FEW)), max_size=6).map(
    lambda runs: [delta for delta, count in runs for _ in range(count)]
)


@given(BATCHES)
def test_nothing_but_the_cuts_between_neighbours_changes(batch):
    """Merged, a batch is the same before and after; and no more is merged than was."""
    joined = TextJoiner().feed(batch)

    assert merged(batch) == merged(joined)
    assert len(joined) <= len(batch)


@given(st.lists(ONE, max_size=FEW))
def test_a_few_deltas_pass_as_they_are(batch):
    """Up to a limit a batch is no burst, and a delta of it is a chunk."""
    assert batch == TextJoiner().feed(batch)


def test_up_to_a_limit_neighbours_of_a_burst_are_one():
    """Long runs become several pieces, so that a channel full of chunks stays small."""
    batch = [Text("a")] * (2 * FEW + 1) + [Thinking("b")] * 2 + [Terminal()] + [Text("c")]

    assert [
        Text("a" * FEW),
        Text("a" * FEW),
        Text("a"),
        Thinking("bb"),
        Terminal(),
        Text("c"),
    ] == TextJoiner().feed(batch)


def test_nothing_is_held_back():
    """What one batch ends with does not wait for the next; the close has nothing left to tell."""
    joiner = TextJoiner()

    assert "a" * 2 * FEW == "".join(text.text for text in joiner.feed([Text("a")] * 2 * FEW))
    assert () == joiner.close()
