"""What servers, networks, users and their settings may do to a stream, drawn at random.

Each exchange of a script marks its words with its own number, so that a test can tell whose words came out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import trio
from hypothesis import strategies as st
from scripting import DONE, config, delta, event, text

import gestura
from gestura.cancellation import CancellationToken
from gestura.chunks import StreamChunk
from gestura.config import AfterOutput, RetryPolicy, StreamingConfig, Timeouts
from gestura.limits import Limits
from gestura.transport import HttpRequest
from gestura.transport.scripted import Break, Hang, Pause, ScriptedExchange, ScriptedTransport, Wait

WORDS, THOUGHT, CALL, MORE_OF_CALL = "words", "thought", "call", "more of the call"

PIECES: Sequence[Any] = [
    *[WORDS] * 6,
    *[THOUGHT] * 3,
    *[CALL, MORE_OF_CALL] * 2,
    delta("stop"),
    delta("tool_calls"),
    DONE,
    DONE,
    b": ping\n\n",
    b"data: {garbage\n\n",
    b"data: {",
    delta(content=""),
    event(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1}),
    event(error={"message": "overloaded", "code": "overloaded"}),
    event(error={"message": "maximum context length is 5 tokens", "code": "context_length_exceeded"}),
    Wait(0.05),
    Wait(1),
    Wait(7),
    Break(),
    Break("the certificate has expired", retryable=False),
    Hang(),
]
"""What a body may be made of."""

ERROR_BODY = b'{"error": {"message": "no", "code": "it_is_so"}}'

_quick: tuple[Pause, ...] = ()
_before = st.sampled_from([*[_quick] * 12, (Wait(0.5),), (Wait(3),), (Break(),), (Hang(),), (Wait(0.5), Break())])
_statuses = st.sampled_from([*[200] * 12, 401, 429, 500, 503])


@attrs.frozen
class Plan:
    """An exchange before its words have their number."""

    connecting: Sequence[Pause]
    answering: Sequence[Pause]
    status: int
    retry_after: str | None
    pieces: Sequence[Any]

    def exchange(self, number: int) -> ScriptedExchange:
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        body = [_numbered(piece, number) for piece in self.pieces] if self.status == 200 else [ERROR_BODY]
        return ScriptedExchange(
            connecting=self.connecting, answering=self.answering, status=self.status, headers=headers, body=body
        )


def _numbered(piece: Any, number: int) -> Any:
    match piece:
        case "words":
            return text(f"{number}a")
        case "thought":
            return delta(reasoning_content=f"{number}b")
        case "call":
            return delta(tool_calls=[{"index": 0, "id": f"{number}c", "function": {"name": "tool", "arguments": "{"}}])
        case "more of the call":
            return delta(tool_calls=[{"index": 0, "function": {"arguments": "}"}}])
        case _:
            return piece


def scripts() -> st.SearchStrategy[list[Plan]]:
    """What the requests meet, in their order; the last one again and again."""
    bodies = st.lists(st.sampled_from(PIECES), min_size=2, max_size=9)
    hints = st.sampled_from([None, None, "0.5", "3", "1000", "nan"])
    plan = st.builds(Plan, _before, _before, _statuses, hints, bodies)
    return st.lists(plan, min_size=1, max_size=4)


def transport(script: Sequence[Plan]) -> ScriptedTransport:
    """A transport that plays it."""

    def next_exchange(_request: HttpRequest) -> ScriptedExchange:
        number = len(played.exchanges) - 1
        return script[min(number, len(script) - 1)].exchange(number)

    played = ScriptedTransport(next_exchange)
    return played


def configs(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[StreamingConfig]:
    """Settings that bring out what can happen, with deadlines of seconds."""
    seconds = st.sampled_from([None, 0.2, 2, 20])
    choices: dict[str, st.SearchStrategy[Any]] = {
        "fallback": st.sampled_from([(), ("b",), ("b", "nobody")]),
        "retry": st.builds(RetryPolicy, max_attempts=st.integers(1, 3), initial_delay=st.sampled_from([0, 1])),
        "after_output": st.sampled_from(AfterOutput),
        "hedge_after": st.sampled_from([None, None, 0, 0.5, 5]),
        "timeouts": st.builds(
            Timeouts, connect=seconds, first_content=seconds, idle=seconds, total=st.sampled_from([60, 5, 0.3])
        ),
        "limits": st.builds(Limits, max_answer_bytes=st.sampled_from([5, 1000])),
    }
    return st.fixed_dictionaries(choices | fixed).map(lambda chosen: config(**chosen))


@attrs.frozen
class Reader:
    """How the user reads.

    Args:
        pauses: seconds before each chunk, over and over.
        leaves_after: how many chunks are read; all, unless told.
        strikes_at: when the token is used, in seconds; never, unless told.
        strike: what it says then.
    """

    pauses: Sequence[float] = (0,)
    leaves_after: int | None = None
    strikes_at: float | None = None
    strike: str = "cancel"

    async def read(self, stream: gestura.ChunkStream) -> list[StreamChunk]:
        chunks: list[StreamChunk] = []
        while len(chunks) != self.leaves_after:
            await trio.sleep(self.pauses[len(chunks) % len(self.pauses)])
            async for chunk in stream:
                chunks.append(chunk)
                break
            else:
                break
        return chunks

    async def use(self, token: CancellationToken) -> None:
        """Say what is to be said to the token, when it is time."""
        if self.strikes_at is not None:
            await trio.sleep(self.strikes_at)
            getattr(token, self.strike)()


def readers() -> st.SearchStrategy[Reader]:
    """Fast ones and slow ones; some leave early, some use their token."""
    return st.builds(
        Reader,
        pauses=st.lists(st.sampled_from([0, 0, 0.01, 1, 30]), min_size=1, max_size=3),
        leaves_after=st.none() | st.integers(0, 3),
        strikes_at=st.none() | st.sampled_from([0, 0.25, 1, 6]),
        strike=st.sampled_from(["cancel", "pause"]),
    )
