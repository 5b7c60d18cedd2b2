"""What is logged below `gestura`: retries and failures at INFO, who is asked and how it ended at DEBUG."""

from __future__ import annotations

import logging

import pytest
from scripting import ANSWER, THRICE, answers, open_scripted
from trio.testing import MockClock

from gestura.transport.scripted import ScriptedExchange

BUSY = ScriptedExchange(status=503, body=[b'{"error": {"message": "Overloaded."}}'])


async def logged(caplog: pytest.LogCaptureFixture, *exchanges: ScriptedExchange) -> list[tuple[str, str, str]]:
    caplog.set_level(logging.DEBUG, "gestura")
    async with open_scripted(exchanges, retry=THRICE) as client, client.stream("my secret prompt") as chunks:
        async for _ in chunks:
            pass
    assert "my secret prompt" not in caplog.text
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


async def test_a_stream_tells_whom_it_asks_and_how_it_ends(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """For whoever wants to know; nothing above DEBUG where all is well."""
    assert [("gestura.stream", "DEBUG", "asking a"), ("gestura.stream", "DEBUG", "a: done after 0.00 s")] == (
        await logged(caplog, answers(ANSWER))
    )


async def test_retries_and_failures_are_told_with_their_reason(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not as errors: the program has the ending, and may have a fallback."""
    lines = [line for line in await logged(caplog, BUSY, BUSY, BUSY) if line[1] != "DEBUG"]
    reason = "a /a/chat/completions HTTP 503: Overloaded."

    assert [
        ("gestura.stream", "INFO", f"a: attempt 1 failed, another in 1.0 s: {reason}"),
        ("gestura.stream", "INFO", f"a: attempt 2 failed, another in 2.0 s: {reason}"),
        ("gestura.stream", "INFO", f"a: no answer: {reason}"),
    ] == lines
