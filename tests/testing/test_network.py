"""The pure half of the faulty proxy: where the parts of a response lie, and what becomes of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.testing import Break, CutOff, Hang, NetworkFault, Part, Rewrite, Wait, open_faulty_proxy, split
from gestura.testing.network import ResponseCutter, struck_part

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def cut(*reads: bytes) -> list[tuple[Part, bytes]]:
    """All the parts that come out, also at the end."""
    cutter = ResponseCutter()
    return [*(part for read in reads for part in cutter.feed(read)), *cutter.close()]


@given(
    st.lists(st.lists(st.binary(min_size=1, max_size=20), max_size=4), max_size=3), st.lists(st.integers(min_value=0))
)
def test_parts_of_chunked_responses_are_found_wherever_reads_end(answers: list[list[bytes]], where: list[int]) -> None:
    """Heads, chunks and last chunks, of one response after another, unchanged."""
    expected = [
        part
        for answer in answers
        for part in (
            (Part.HEAD, CHUNKED),
            *((Part.CHUNK, chunk(data)) for data in answer),
            (Part.LAST_CHUNK, chunk(b"")),
        )
    ]
    wire = b"".join(data for _, data in expected)

    assert expected == cut(*split(wire, [place % (len(wire) + 1) for place in where]))


@pytest.mark.parametrize(
    ("wire", "parts"),
    [
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + CHUNKED, [Part.HEAD, Part.HEAD]),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + CHUNKED, [Part.HEAD, Part.HEAD]),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", [Part.HEAD, Part.CHUNK, Part.LAST_CHUNK]),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", [Part.HEAD, Part.LAST_CHUNK]),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil it closes", [Part.HEAD, Part.CHUNK, Part.LAST_CHUNK]),
        (CHUNKED + b"2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n", [Part.HEAD, Part.CHUNK, Part.LAST_CHUNK]),
        (b"HTTP/1.1 200 O", [Part.HEAD]),
        (CHUNKED + b"5\r\nhal", [Part.HEAD, Part.CHUNK]),
    ],
)
def test_other_responses_have_parts_too(wire: bytes, parts: list[Part]) -> None:
    """Interim ones, those without a body, those with a length, and those that break off: each byte is in a part."""
    found = cut(wire)

    assert parts == [part for part, _ in found]
    assert wire == b"".join(data for _, data in found)


@pytest.mark.parametrize(
    ("faults", "steps"),
    [
        ([], [b"0123456789"]),
        ([NetworkFault(Part.HEAD, Break())], [b"01234", Break()]),
        ([NetworkFault(Part.HEAD, Hang(), at=0)], [Hang()]),
        ([NetworkFault(Part.HEAD, CutOff(), at=1)], [b"0123456789", CutOff()]),
        ([NetworkFault(Part.HEAD, b"x", at=1), NetworkFault(Part.HEAD, Wait(1))], [b"01234", Wait(1), b"56789", b"x"]),
        ([NetworkFault(Part.HEAD, Break()), NetworkFault(Part.HEAD, Rewrite(lambda part: part[:4]))], [b"01", Break()]),
    ],
)
def test_a_part_is_rewritten_and_then_cut(faults: list[NetworkFault], steps: list[object]) -> None:
    """Faults strike in their order in the part, whatever their order in the plan; nothing follows what ends it."""
    assert steps == struck_part(b"0123456789", faults)


@pytest.mark.parametrize(("part", "chunk"), [(Part.CHUNK, None), (Part.HEAD, 1)])
def test_a_chunk_has_a_number(part: Part, chunk: int | None) -> None:
    """And nothing else has one."""
    with pytest.raises(ValueError, match="chunk"):
        NetworkFault(part, Break(), chunk=chunk)


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:1", ""])
async def test_the_proxy_speaks_plain_http(url: str) -> None:
    """Of TLS it could not find the parts."""
    with pytest.raises(ValueError, match="plain HTTP"):
        async with open_faulty_proxy(url):
            pass
