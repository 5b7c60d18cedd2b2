r"""Help for testing a stage: run it without an event loop, and check that boundaries don't matter to it.

    def test_my_framer():
        frames = check_stage(MyFramer, b"one\r\ntwo\r\n")

        assert [Frame("one"), Frame("two")] == frames

A network cuts what a server sends wherever it likes. `check_stage` cuts it too, and fails where the cuts show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any, TypeVar

from gestura.chunks import Refusal, Text, Thinking, ToolCallArgs
from gestura.errors import ProtocolError
from gestura.stages import Stage

__all__ = ["check_stage", "merged", "run_inline", "split"]

In = TypeVar("In")
Out = TypeVar("Out")


def run_inline(stage: Stage[In, Out], batches: Iterable[Sequence[In]]) -> list[Out]:
    """Feed `stage` each batch, close it, and return all that it made.

    Raises:
        ProtocolError: the stage raised it; `made` is all that the stage had made until then.
    """
    out: list[Out] = []
    try:
        for batch in batches:
            out += stage.feed(batch)
        out += stage.close()
    except ProtocolError as error:
        error.made = (*out, *error.made)
        raise
    return out


def split(wire: bytes, where: Iterable[int]) -> list[bytes]:
    """`wire` cut at each position in `where`: any order, positions past its end counting on from its start.

    A position given twice makes an empty read.

    >>> split(b"abcdef", (4, 1))
    [b'a', b'bcd', b'ef']
    """
    cuts = sorted(position % len(wire) for position in where) if wire else []
    return [wire[start:end] for start, end in pairwise([0, *cuts, len(wire)])]


def merged(pieces: Iterable[Any]) -> list[Any]:
    """`pieces` with neighbouring text, thinking, refusal, or arguments of one tool call joined; the rest as it is.

    What a model writes may come in pieces of any size, so outputs are compared like this.

    >>> merged([Text("Hel"), Text("lo"), Thinking("hm")])
    [Text(text='Hello'), Thinking(text='hm')]
    """
    out: list[Any] = []
    for kind, neighbours in groupby(pieces, key=_joins_with):
        match kind:
            case None:
                out += neighbours
            case type() as text_class, None:
                out.append(text_class("".join(piece.text for piece in neighbours)))
            case _, str() as call_id:
                out.append(ToolCallArgs(call_id, "".join(piece.fragment for piece in neighbours)))
    return out


def check_stage(
    make_stage: Callable[[], Stage[bytes, Any]], wire: bytes, where: Sequence[int] | None = None
) -> list[Any]:
    """Check that the same bytes give the same output, or the same `ProtocolError`, wherever they are cut.

    Args:
        make_stage: makes a fresh stage that takes bytes; `fuse` makes one of several.
        wire: what a server sends, whole.
        where: cut here (see `split`). Without it, `wire` is cut in two at every position, and byte by byte.

    Returns:
        What the stage makes of `wire`, merged; where it fails, what it had made until then.

    Raises:
        AssertionError: a cut changed the output; the message says which.
    """
    all_cuts = [(position,) for position in range(len(wire))] + [tuple(range(len(wire)))] if where is None else [where]
    pieces, failure = _outcome(make_stage(), [wire])
    for cuts in all_cuts:
        got = _outcome(make_stage(), split(wire, cuts))
        if got != (pieces, failure):
            raise AssertionError(f"{wire!r} cut at {cuts} gives {got}, uncut {(pieces, failure)}")
    return pieces


def _outcome(stage: Stage[bytes, Any], reads: Iterable[bytes]) -> tuple[list[Any], str | None]:
    try:
        return merged(run_inline(stage, ([read] for read in reads))), None
    except ProtocolError as error:
        return merged(error.made), repr(error)


def _joins_with(piece: object) -> tuple[type, str | None] | None:
    match piece:
        case Text() | Thinking() | Refusal():
            return type(piece), None
        case ToolCallArgs(id=call_id):
            return ToolCallArgs, call_id
        case _:
            return None
