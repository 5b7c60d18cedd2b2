"""The fault table: every row, by the phase in which the fault strikes; and as the page on failures shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from faults.before_the_answer import CONNECTING, HEADERS
from faults.in_the_answer import AFTER_FINISH, BEFORE_CONTENT, IN_CALL, IN_TEXT
from faults.row import Again, Ends, Row

from gestura.chunks import StreamChunk

TABLE: Mapping[str, Sequence[Row]] = {
    "Before a connection stands": CONNECTING,
    "Before the answer: connection, headers, status": HEADERS,
    "Before the first content": BEFORE_CONTENT,
    "In the middle of the text": IN_TEXT,
    "In the middle of a tool call": IN_CALL,
    "After the model's last word": AFTER_FINISH,
}

HEAD = """\
| fault | chunks | requests | ending | next provider |
| --- | --- | --- | --- | --- |
"""


def rows() -> list[tuple[str, Row]]:
    """Every row, named by its phase and its fault."""
    return [(f"{phase}: {row.fault}", row) for phase, of_phase in TABLE.items() for row in of_phase]


def markdown() -> str:
    """The whole table, one section for each phase."""
    return "\n".join(f"### {phase}\n\n{HEAD}{''.join(map(_line, of_phase))}" for phase, of_phase in TABLE.items())


def _line(row: Row) -> str:
    next_provider = "asked" if row.asks_next else ""
    return f"| {row.fault} | {_chunks(row)} | {row.requests} | {_ending(row.ending)} | {next_provider} |\n"


def _chunks(row: Row) -> str:
    return ", ".join(_words(row.chunks))


def _words(chunks: Sequence[StreamChunk | Again]) -> Iterator[str]:
    for chunk in chunks:
        match chunk:
            case Again(seconds, discard):
                yield f"`RetryAttempt` {seconds:g} s" + (", discard" if discard else "")
            case _:
                yield f"`{type(chunk).__name__}`"


def _ending(ending: Ends) -> str:
    words = f"`{ending.chunk.__name__}`"
    if ending.kind is not None:
        words += f" {ending.kind.value}"
        words += f" ({ending.code})" if ending.code else ""
    return words


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())
