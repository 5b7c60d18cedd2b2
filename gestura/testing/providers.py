"""Check that a provider of your own keeps what gestura builds on.

def test_my_provider():
chunks = check_provider(MyProvider(settings), recorded_answer)

assert [Text("Hello!")] == merged(chunks[:-1])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gestura.chunks import Done, Error, StreamChunk, TokenUsageUpdate
from gestura.conversation import Prompt, Request
from gestura.errors import ErrorKind
from gestura.limits import Limits
from gestura.providers import Provider
from gestura.stages import fuse
from gestura.testing.assertions import assert_calls_contiguous, assert_ends_once
from gestura.testing.replay import replay
from gestura.testing.stages import check_stage, merged

__all__ = ["check_provider"]

DAMAGE: Final = (b"", b"\x00", b"\xff", b"\n", b'"', b"{", b"]", b"data: ")
"""What stands in the place of one byte; nothing, for the first."""


def check_provider(provider: Provider, wire: bytes, *, prompt: Prompt = "Hi") -> list[StreamChunk]:
    """Check a provider with one whole answer of it: the body of a response, the shorter the better.

    It asks without showing its key. It reads the answer, wherever the network cuts it. An answer that ends early is no
    success, wherever it ends. No damage to any byte makes it crash: whatever comes, its stream ends, once.

    Args:
        provider: what to check; it is asked for any number of framings and decoders.
        wire: an answer that is done. The time this takes grows with the square of its length; 2 KB take a second.
        prompt: what it can ask.

    Returns:
        What it makes of `wire`, its ending last.

    Raises:
        AssertionError: it does not; the message says where.
    """
    _check_asking(provider, Request.of(prompt))
    check_stage(lambda: fuse(provider.framing(Limits()), provider.decoder()), wire)
    whole = _read(provider, wire, "the whole answer")
    if not isinstance(whole[-1], Done):
        raise AssertionError(f"the whole answer ends with {whole[-1]!r}")  # noqa: TRY004  # it is a test's
    for length in range(len(wire)):
        part = _read(provider, wire[:length], f"the first {length} bytes")
        if isinstance(part[-1], Done) and _said(part) != _said(whole):
            raise AssertionError(f"the first {length} bytes are taken for a whole answer: {part!r}")
    for position in range(len(wire)):
        damage = DAMAGE[position % len(DAMAGE)]
        _read(provider, wire[:position] + damage + wire[position + 1 :], f"{damage!r} in the place of byte {position}")
    return whole


def _check_asking(provider: Provider, request: Request) -> None:
    http_request = provider.ask(request)
    key = provider.settings.api_key
    if key and (key in http_request.url or key in repr(http_request)):
        raise AssertionError(f"{type(provider).__name__} shows its key in the URL")
    if not any(name.lower() == "accept" for name in http_request.headers):
        raise AssertionError(f"{type(provider).__name__} asks without `Accept`, so refusals can't be told from answers")


def _read(provider: Provider, wire: bytes, what: str) -> list[StreamChunk]:
    chunks = list(replay([wire], provider))
    ending = assert_ends_once(chunks)
    assert_calls_contiguous(chunks)
    if isinstance(ending, Error) and ending.kind is ErrorKind.INTERNAL:
        raise AssertionError(f"{what}: {ending.message}")
    return chunks


def _said(chunks: Sequence[StreamChunk]) -> list[StreamChunk]:
    """What the model said, apart from counts and the ending, which an early end may cost."""
    return merged(chunk for chunk in chunks if not isinstance(chunk, Done | TokenUsageUpdate))
