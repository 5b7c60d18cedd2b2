"""What holds for any bytes that a server may send: the oracle of every fuzzer here.

A pipeline is given the bytes as a live stream would give them to it, without an event loop. It breaks a law where it
raises, where its stream has no ending or several, where that ending is a bug of ours (`internal`), where calls mix,
where a chunk can't be printed or does not survive JSON, or where it makes a difference how the bytes were cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from gestura.chunk_json import from_json, to_json
from gestura.chunks import Error, Refusal, StreamChunk, Text, Thinking
from gestura.config import ProviderSettings
from gestura.errors import ErrorKind
from gestura.limits import Limits
from gestura.providers import BUILTIN_PROVIDERS
from gestura.testing import assert_calls_contiguous, assert_ends_once, merged, split
from gestura.testing.replay import DEFAULT_LIMITS, replay

__all__ = ["KINDS", "SMALL", "chunks_of", "obey"]

KINDS = ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")
"""The wire formats; all other kinds of provider speak one of them."""

SMALL = Limits(
    max_frame_bytes=2000,
    max_tool_argument_bytes=300,
    max_tool_calls=3,
    max_answer_bytes=1000,
)
"""Limits that inputs of a fuzzer's size reach."""

MADE_UP = re.compile(r"ollama-tool-[0-9a-f-]{36}")
"""An id that is another in each decoder."""


def chunks_of(
    kind: str,
    reads: Iterable[bytes],
    *,
    limits: Limits = DEFAULT_LIMITS,
    raw: bool = False,
    starts_thinking: bool = False,
) -> list[StreamChunk]:
    """The whole pipeline of a provider, with a parser of think tags whatever its habit, and what it makes of this."""
    settings = ProviderSettings(kind=kind, model="m", think_tags=("think",), starts_thinking=starts_thinking)
    return list(replay(reads, BUILTIN_PROVIDERS[kind](settings), limits=limits, raw=raw))


def obey(kind: str, wire: bytes, where: Iterable[int] = (), **how: Any) -> list[StreamChunk]:
    """Hold the pipeline of `kind` to the laws, with `wire` whole and cut.

    Args:
        kind: one of `KINDS`.
        wire: any bytes.
        where: where to cut, as for `gestura.testing.split`.
        how: as for `chunks_of`.

    Returns:
        The chunks.

    Raises:
        AssertionError: a law is broken.
    """
    chunks = chunks_of(kind, [wire], **how)
    ending = assert_ends_once(chunks)
    assert_calls_contiguous(chunks)
    assert not (isinstance(ending, Error) and ending.kind is ErrorKind.INTERNAL), ending.message
    for chunk in chunks:
        assert not isinstance(chunk, Text | Thinking | Refusal) or chunk.text, f"{chunk!r} says nothing"
        told = json.dumps(to_json(chunk), ensure_ascii=False)
        told.encode()
        assert chunk == from_json(json.loads(told)), chunk
    cut = chunks_of(kind, split(wire, where), **how)
    assert _comparable(cut) == _comparable(chunks), f"cut at {tuple(where)}: {cut!r}, whole: {chunks!r}"
    return chunks


def _comparable(chunks: list[StreamChunk]) -> list[Any]:
    return [MADE_UP.sub("ollama-tool", repr(chunk)) for chunk in merged(chunks)]
