"""The provider's own events, told beside what is made of them, change nothing of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gestura.chunks import ProviderEvent, Text
from gestura.config import ProviderSettings
from gestura.errors import ProtocolError
from gestura.providers import BUILTIN_PROVIDERS
from gestura.stages.deltas import Frame
from gestura.stages.raw import RawEvents
from gestura.stages.think_tags import ThinkTagParser
from gestura.testing import merged, run_inline
from gestura.testing.replay import replay

frames = st.lists(st.builds(Frame, st.text(max_size=5), st.sampled_from(["", "ping"])), max_size=6)


class Spelling:
    """A decoder that tells each letter, refuses a digit, and says goodbye."""

    def feed(self, batch):
        out = []
        for frame in batch:
            for letter in frame.data:
                if letter.isdigit():
                    error = ProtocolError("a digit")
                    error.made = out
                    raise error
                out.append(Text(letter))
        return out

    def close(self):
        return [Text("bye")]


def read(decoder, batches):
    try:
        return run_inline(decoder, batches), None
    except ProtocolError as error:
        return list(error.made), str(error)


def without_events(pieces):
    return [piece for piece in pieces if not isinstance(piece, ProviderEvent)]


def test_each_event_is_told_before_what_it_led_to():
    """Events stand before their deltas, also those that lead to nothing."""
    told = run_inline(RawEvents(Spelling()), [[Frame("ab"), Frame("", event="ping")], [Frame("c")]])

    assert [
        ProviderEvent("", "ab"),
        Text("a"),
        Text("b"),
        ProviderEvent("ping", ""),
        ProviderEvent("", "c"),
        Text("c"),
        Text("bye"),
    ] == told


@given(frames)
@example([Frame("a1b"), Frame("c")])
def test_the_deltas_are_those_of_the_decoder(batch):
    """Without the events, deltas and failure are what the decoder alone makes of the same frames."""
    told, failure = read(RawEvents(Spelling()), [batch])

    assert read(Spelling(), [batch]) == (without_events(told), failure)


@given(frames)
def test_every_event_is_told(batch):
    """All frames are told in order; where the decoder fails, up to the one that it fails on."""
    told, failure = read(RawEvents(Spelling()), [batch])
    events = [ProviderEvent(frame.event, frame.data) for frame in batch]
    found = [piece for piece in told if isinstance(piece, ProviderEvent)]

    assert events[: len(found)] == found
    assert failure or len(found) == len(batch)


def test_a_tag_may_be_split_by_an_event():
    """Events stand between all pieces of text, so a tag that two of them hold is still one."""
    text = [ProviderEvent("", "1"), Text("<thi"), ProviderEvent("", "2"), Text("nk>Hm.</think>Yes.")]
    without = run_inline(ThinkTagParser(), [without_events(text)])

    assert without == without_events(run_inline(ThinkTagParser(), [text]))


def shape(chunks):
    """Chunks in words, with one name for all ids that are made up anew each time (Ollama's)."""
    return re.sub("ollama-tool-[0-9a-f-]{36}", "ollama-tool", repr(merged(chunks)))


@pytest.mark.recordings
def test_recorded_answers_are_the_same_with_their_events(recording):
    """What a real stream makes does not change by showing its events, which are there whole."""
    provider = BUILTIN_PROVIDERS[recording.wire](ProviderSettings(kind=recording.wire, model="m"))
    wire = recording.read()
    shown = list(replay([wire], provider, raw=True))

    assert shape(replay([wire], provider)) == shape(without_events(shown))
    assert all(event.data in wire.decode() for event in shown if isinstance(event, ProviderEvent) if event.data)
    assert any(isinstance(chunk, ProviderEvent) for chunk in shown)
