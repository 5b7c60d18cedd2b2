"""Whatever a server sends, its stream ends once, in order, and says why: see `laws`.

These run in every test run, on few examples; with `HYPOTHESIS_PROFILE=thorough` on more, and `make fuzz` follows the
coverage.
"""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import islice

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws import KINDS, SMALL, chunks_of, obey
from mutations import HOSTILE, TOKENS, mutate, replaced_everywhere
from scripting import ONCE, run_virtually
from seeds import recorded, spoken
from strategies import cuts

import gestura
from gestura.chunks import Done, Error, StreamChunk
from gestura.limits import Limits
from gestura.testing import assert_calls_contiguous, assert_ends_once, merged, split
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

LONGEST = 4000
"""Bytes of a recording; of a longer one, its ends."""

EVERY = 1 if settings().max_examples >= 1000 else 29
"""Which of the exhaustive changes are tried: all, 120,000 of them, or each 29th."""

HOW = st.fixed_dictionaries(
    {"limits": st.sampled_from([Limits(), SMALL]), "raw": st.booleans(), "starts_thinking": st.booleans()}
)
each_kind = pytest.mark.parametrize("kind", KINDS)


@cache
def whole_answers(kind: str) -> list[bytes]:
    return spoken(kind)


@cache
def recordings_of(kind: str) -> list[bytes]:
    return list(recorded(kind, LONGEST))


@each_kind
def test_the_seeds_are_sound(kind: str) -> None:
    """What the fuzzers begin with is read as it was meant, but for the last, which fails as it should."""
    *answers, failing = whole_answers(kind)

    assert {Done} == {type(obey(kind, wire)[-1]) for wire in answers}
    assert isinstance(obey(kind, failing)[-1], Error)


@each_kind
@pytest.mark.parametrize("scenario", range(7))
def test_no_field_of_another_shape_breaks_a_law(kind: str, scenario: int) -> None:
    """Each value of each event, replaced by each of the hostile ones, or left out."""
    tried = 0
    for wire in islice(replaced_everywhere(whole_answers(kind)[scenario]), scenario, None, EVERY):
        obey(kind, wire, (len(wire) // 2,))
        tried += 1

    assert tried * EVERY > 5 * len(HOSTILE)


@each_kind
@given(st.data(), st.randoms(use_true_random=False), cuts(), HOW)
def test_no_damage_to_an_answer_breaks_a_law(
    kind: str, data: st.DataObject, rng: random.Random, where: tuple[int, ...], how: dict
) -> None:
    """Events lost, repeated and swapped, values moved and nested, bytes flipped, several of these at once."""
    obey(kind, mutate(data.draw(st.sampled_from(whole_answers(kind))), rng), where, **how)


@each_kind
@given(st.data(), st.randoms(use_true_random=False), cuts(), HOW)
def test_no_damage_to_a_recorded_answer_breaks_a_law(
    kind: str, data: st.DataObject, rng: random.Random, where: tuple[int, ...], how: dict
) -> None:
    """The same, done to what real servers have sent."""
    if not recordings_of(kind):
        pytest.skip("the recordings of real provider traffic are not at hand (../shared/recordings)")
    obey(kind, mutate(data.draw(st.sampled_from(recordings_of(kind))), rng), where, **how)


@each_kind
@given(st.binary(max_size=200) | st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join), cuts(), HOW)
def test_no_bytes_break_a_law(kind: str, wire: bytes, where: tuple[int, ...], how: dict) -> None:
    """Bytes of no meaning, and those that parsers look for in an order that has none."""
    obey(kind, wire, where, **how)


JSON = st.recursive(
    st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@each_kind
@given(st.lists(JSON, max_size=4), HOW)
def test_no_json_breaks_a_law(kind: str, values: list, how: dict) -> None:
    """Events of any JSON at all."""
    begin, end = (b"", b"\n") if kind == "ollama" else (b"data: ", b"\n\n")
    wire = b"".join(begin + json.dumps(value).encode() + end for value in values)

    obey(kind, wire, (len(wire) // 3,), **how)


async def streamed(kind: str, reads: list[bytes], how: dict) -> list[StreamChunk]:
    """The same through actors, channels and supervisor."""
    settings = gestura.ProviderSettings(
        kind=kind,
        model="m",
        base_url="https://models.example",  # a model on this machine would cost nothing
        think_tags=("think",),
        starts_thinking=how["starts_thinking"],
    )
    config = gestura.StreamingConfig(primary=kind, providers={kind: settings}, limits=how["limits"], retry=ONCE)
    played = ScriptedTransport([ScriptedExchange(body=[read for read in reads if read])])
    async with gestura.open_client(config, transport=played) as client, client.stream("Hi", raw=how["raw"]) as stream:
        chunks = [chunk async for chunk in stream]
    assert all(exchange.closed for exchange in played.exchanges)
    return chunks


@each_kind
@given(st.data(), st.randoms(use_true_random=False), cuts(), HOW)
@settings(max_examples=settings().max_examples // 2)
def test_a_live_stream_is_what_the_stages_make(
    kind: str, data: st.DataObject, rng: random.Random, where: tuple[int, ...], how: dict
) -> None:
    """Over a client, a damaged answer gives the same chunks, and the same ending, told once."""
    wire = mutate(data.draw(st.sampled_from(whole_answers(kind))), rng)
    assume(wire.lstrip()[:1] not in (b"{", b"[", b"<") or kind == "ollama")  # else the reader takes it for a document
    *expected, meant = merged(chunks_of(kind, [wire], **how))
    live = run_virtually(streamed, kind, split(wire, where), how)
    *shown, ending = merged(chunk for chunk in live if not isinstance(chunk, gestura.Status))

    assert ending is assert_ends_once(live)
    assert_calls_contiguous(live)
    assert (type(meant), *_reason(meant)) == (type(ending), *_reason(ending))
    if kind != "ollama":  # where calls without ids get random ones
        assert expected == shown


def _reason(ending: StreamChunk) -> tuple[object, ...]:
    """What an ending says, but for what the stages can't know: how often was asked, where, and what was shown."""
    if isinstance(ending, Error):
        return ending.kind, ending.code, ending.message.rpartition(": ")[2], ending.usage
    return (attrs.evolve(ending, usage=None),) if isinstance(ending, Done) else ()
