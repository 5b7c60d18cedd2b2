"""Chunks as entries of a log, and what is told beside them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import NAMES, requests
from test_chunks import CHUNKS

from gestura.chunks import StreamChunk, Text, Thinking, ToolCallArgs
from gestura.relay.entries import LONGEST_JOINED, About, from_entry, join, to_entry
from gestura.relay.log import RelayError

SIZES = st.sampled_from([0, 1, 2, 3, LONGEST_JOINED // 2, LONGEST_JOINED, LONGEST_JOINED + 1])
LIKELY = st.one_of(
    st.builds(Text, SIZES.map("a".__mul__)),
    st.builds(Thinking, SIZES.map("b".__mul__)),
    st.builds(ToolCallArgs, st.sampled_from(["1", "2"]), SIZES.map("c".__mul__)),
    CHUNKS,
)
"""Chunks of which neighbours are often alike."""

Told = list[tuple[object, str] | StreamChunk]


def told(chunks: list[StreamChunk]) -> Told:
    """What chunks say, however the texts are cut: what is one text is one here, of any length."""
    said: Told = []
    for chunk in chunks:
        match chunk:
            case Text(text) | Thinking(text):
                kind: object = type(chunk)
            case ToolCallArgs(id=call, fragment=text):
                kind = call
            case _:
                said.append(chunk)
                continue
        if said and isinstance(said[-1], tuple) and said[-1][0] == kind:
            said[-1] = (kind, said[-1][1] + text)
        else:
            said.append((kind, text))
    return said


@given(CHUNKS)
@example(Text("\ud83d"))
def test_a_chunk_survives_the_log(chunk: StreamChunk) -> None:
    """Half a surrogate pair, too, which servers that count in UTF-16 cut there."""
    assert chunk == from_entry(to_entry(chunk))


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"type": "novel"}', b'{"type": "text"}', b"\xff"])
def test_what_is_no_entry_is_refused(payload: bytes) -> None:
    """With words of where it was found."""
    with pytest.raises(RelayError, match="an entry of the log can't be read: "):
        from_entry(payload)


@given(st.lists(LIKELY))
def test_joined_chunks_say_the_same(chunks: list[StreamChunk]) -> None:
    """In the same order, with the same bounds between what is not one text."""
    assert told(chunks) == told(join(chunks))


@given(st.lists(LIKELY))
def test_neighbours_are_joined_as_far_as_they_may(chunks: list[StreamChunk]) -> None:
    """Two that are left apart have more text together than one entry may; and nothing else grows."""
    joined = join(chunks)
    together = [len(told([one, two])) == 1 for one, two in pairwise(joined)]
    sizes = [len(getattr(chunk, "text", getattr(chunk, "fragment", ""))) for chunk in joined]

    assert all(
        left + right > LONGEST_JOINED for one, (left, right) in zip(together, pairwise(sizes), strict=True) if one
    )
    assert all(chunk in chunks or size <= LONGEST_JOINED for chunk, size in zip(joined, sizes, strict=True))


@settings(max_examples=20)  # requests are large, and have properties of their own
@given(
    st.builds(
        About,
        request=st.none() | requests(),
        provider=st.none() | NAMES,
        model=st.none() | NAMES,
        takeover_seconds=st.floats(0, 1e6),
    )
)
def test_what_is_told_of_a_stream_survives_the_log(about: About) -> None:
    """Equal when it is read again."""
    assert about == About.from_json(about.to_json())


@pytest.mark.parametrize("data", [b"", b"[]", b'{"request": 1}', b'{"request": {"messages": []}}'])
def test_what_tells_of_no_stream_is_refused(data: bytes) -> None:
    """Whoever wrote it."""
    with pytest.raises(RelayError, match="can't be read"):
        About.from_json(data)
