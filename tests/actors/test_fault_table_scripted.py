"""The fault table in memory: every row in virtual time, to the millisecond, alone and with another provider."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from faults.row import Row, check
from faults.table import rows
from scripting import ANSWER, THRICE, provider, run_virtually

import gestura
from gestura.chunks import Done, Status, StreamChunk, Text
from gestura.transport import HttpRequest
from gestura.transport.scripted import ScriptedExchange, ScriptedTransport

ROWS = pytest.mark.parametrize("row", [row for _, row in rows()], ids=[name for name, _ in rows()])


def script(row: Row) -> ScriptedTransport:
    """What the row's requests meet, each in turn; the other provider answers."""
    meets = [each.exchange for each in row.meets]

    def choose(request: HttpRequest) -> ScriptedExchange:
        if "/b/" in request.url:
            return ScriptedExchange(body=[ANSWER])
        return meets.pop(0) if len(meets) > 1 else meets[0]

    return ScriptedTransport(choose)


def config(row: Row, **changes: Any) -> gestura.StreamingConfig:
    plain: Mapping[str, Any] = {
        "primary": "a",
        "providers": {"a": provider("a", **row.settings), "b": provider("b")},
        "retry": THRICE,
        "timeouts": gestura.Timeouts(total=10.0 if row.deadline == "total" else None),
    }
    return gestura.StreamingConfig(**{**plain, **row.config, **changes})


async def stream(row: Row, **changes: Any) -> tuple[list[StreamChunk], list[str]]:
    """The chunks, and which provider each request was put to."""
    transport = script(row)
    async with (
        gestura.open_client(config(row, **changes), transport=transport) as client,
        client.stream(row.prompt) as chunks,
    ):
        got = [chunk async for chunk in chunks]
        assert all(exchange.closed for exchange in transport.exchanges)
    return got, ["b" if "/b/" in exchange.request.url else "a" for exchange in transport.exchanges]


@ROWS
def test_a_row_in_memory(row: Row) -> None:
    """What is shown, how many requests are made and how long between them, and how it ends, is as the row says."""
    chunks, asked = run_virtually(stream, row)

    check(row, chunks, len(asked))


@ROWS
def test_a_row_with_another_provider(row: Row) -> None:
    """It is asked where the row says so, and then its answer is the stream's; else it is not, and nothing changes."""
    alone, _ = run_virtually(stream, row)
    chunks, asked = run_virtually(partial(stream, row, fallback=("b",)))

    if row.asks_next:
        assert ["a"] * row.requests + ["b"] == asked
        assert f"{row.config.get('primary', 'a')} failed; asking b instead" in [
            chunk.message for chunk in chunks if isinstance(chunk, Status)
        ]
        assert [Text("Hello"), Done] == [chunks[-2], type(chunks[-1])]
    else:
        assert ["a"] * row.requests == asked
        assert alone == chunks


def test_the_table_is_large() -> None:
    """Every phase has rows, no two of them are the same, and they are more than a hundred."""
    names = [name for name, _ in rows()]

    assert len(names) == len(set(names)) > 100
