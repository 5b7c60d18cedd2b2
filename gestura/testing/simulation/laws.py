"""What must hold for every stream, whatever happens: one function per law, each telling how it is broken.

A law sees one stream as its user saw it, and what its requests were meant to be answered and when they were open.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import attrs

from gestura.answer import Transcript
from gestura.chunks import (
    Cancelled,
    Done,
    Error,
    Paused,
    RetryAttempt,
    StreamChunk,
    Text,
    Thinking,
    ToolCallStart,
)
from gestura.config import AfterOutput, StreamingConfig
from gestura.delivery import Delivery
from gestura.errors import ErrorKind
from gestura.parts import ToolCall
from gestura.testing.assertions import assert_calls_contiguous, assert_ends_once
from gestura.testing.simulation.users import Manner, Watched
from gestura.testing.simulation.world import FIRST_SIGN, SIGNS, Meant

__all__ = ["LAWS", "Exchange", "Stream"]

AT_ONCE: Final = 0.01
"""Seconds in which a cancellation takes effect."""

BEST_EFFORT: Final = 0.15
"""Seconds that news may hold up an ending, for as long as the user's channel is full."""


@attrs.define(kw_only=True, eq=False)
class Exchange:
    """One request: what was meant, and when it was open."""

    meant: Meant
    opened: float
    closed: float | None = None


@attrs.frozen(kw_only=True)
class Stream:
    """What a law looks at: a stream, its requests, and what its client was told."""

    watched: Watched
    exchanges: Sequence[Exchange]
    config: StreamingConfig

    @property
    def chunks(self) -> list[StreamChunk]:
        return self.watched.chunks

    @property
    def ending(self) -> StreamChunk | None:
        """The last chunk, if the user has read all."""
        return self.chunks[-1] if self.watched.to_the_end and self.chunks else None

    @property
    def exact(self) -> bool:
        """No request of it met garbage."""
        return all(exchange.meant.exact for exchange in self.exchanges)


# How it ends.


def nothing_unexpected_is_raised(stream: Stream) -> Iterator[str]:
    """No stream raises; what it meets is told by its ending, and none of it is a bug of ours."""
    if stream.watched.failure is not None:
        yield f"raised {stream.watched.failure!r}"
    if isinstance(stream.ending, Error) and stream.ending.kind is ErrorKind.INTERNAL:
        yield f"ended by a bug: {stream.ending.message}"


def it_ends_once(stream: Stream) -> Iterator[str]:
    """A stream that is read to its end has one ending, and nothing follows it."""
    if stream.watched.to_the_end:
        yield from _broken(assert_ends_once, stream.chunks)


def calls_are_contiguous(stream: Stream) -> Iterator[str]:
    """The pieces of a tool call stand together, ids are unique, and a done answer has no open call."""
    yield from _broken(assert_calls_contiguous, stream.chunks)


def _broken(check: Any, chunks: Sequence[StreamChunk]) -> Iterator[str]:
    try:
        check(chunks)
    except AssertionError as error:
        yield str(error)


def it_ends_for_a_reason(stream: Stream) -> Iterator[str]:
    """A stream is cancelled or paused only by its token, and then at once, if its user reads."""
    told = [(time, word) for time, word in stream.watched.spoken.told if time <= stream.watched.left]
    words = {word for _, word in told}
    match stream.ending:
        case Cancelled() if "cancel" not in words:
            yield "was cancelled, and nobody asked for it"
        case Paused() if "pause" not in words:
            yield "was paused, and nobody asked for it"
    if told and stream.watched.to_the_end and stream.watched.user.is_prompt:
        late = stream.watched.received[-1][0] - max(told[0][0], stream.watched.began)
        if late > BEST_EFFORT:
            yield f"ended {late:.3f} s after its token spoke, as {stream.ending!r}"


def it_keeps_its_deadline(stream: Stream) -> Iterator[str]:
    """A stream that is read as it comes is over when its time is up."""
    total = stream.config.timeouts.total
    if total is not None and stream.watched.user.is_prompt and stream.watched.user.manner is not Manner.STREAM_INTO:
        late = stream.watched.left - stream.watched.began - total
        if late > BEST_EFFORT:
            yield f"was over {late:.3f} s after its deadline"


# What it shows.


def nothing_is_made_up_or_repeated(stream: Stream) -> Iterator[str]:
    """What is shown is what one request was meant to be answered, from its beginning, as far as it goes.

    After a discard it begins anew. Where an answer goes on from a part, what another request was answered follows.
    """
    if not stream.exact:
        return
    shown = Transcript()
    most = len(stream.exchanges) if stream.config.after_output is AfterOutput.CONTINUE else 1
    for chunk in [*stream.chunks, RetryAttempt(0, 0, 0, "", discard=True)]:
        if isinstance(chunk, RetryAttempt) and chunk.discard:
            partial = shown.partial()
            if partial is not None:
                texts = _origins(partial.text, [exchange.meant for exchange in stream.exchanges], "text")
                thoughts = _origins(partial.thinking, [exchange.meant for exchange in stream.exchanges], "thinking")
                numbers = {number for number, _ in (*texts, *thoughts)}
                if any(number is None for number in numbers):
                    yield f"showed what nobody said: {partial!r}"
                elif len(numbers) > most:
                    yield f"showed answers to several requests as one: {numbers}"
        shown.add(chunk)


def what_was_shown_ends_the_right_to_retry(stream: Stream) -> Iterator[str]:
    """No retry follows output, unless the client was told so; and none a tool call."""
    shown = Transcript()
    for chunk in stream.chunks:
        if isinstance(chunk, RetryAttempt):
            if shown.shown and stream.config.after_output is AfterOutput.END:
                yield f"asked again after it had shown {shown.partial()!r}"
            if shown.has_tool_call:
                yield f"asked again after the tool calls {shown.partial()!r}"
        shown.add(chunk)


def a_done_answer_is_whole(stream: Stream) -> Iterator[str]:
    """Where a stream is done, all that the model meant to say has come, and its counts are the model's."""
    done = stream.ending
    if not isinstance(done, Done) or not stream.exact:
        return
    meant = next((exchange.meant for exchange in stream.exchanges if exchange.meant.model == done.model), None)
    if meant is None:
        yield f"is done by a model that was not asked: {done.model}"
        return
    shown = Transcript()
    for chunk in stream.chunks:
        shown.add(chunk)
    answer = shown.answer(done)
    if not answer.text.endswith(meant.text) or not answer.thinking.endswith(meant.thinking):
        yield f"is done, but {meant.text!r} and {meant.thinking!r} became {answer.text!r} and {answer.thinking!r}"
    if stream.config.after_output is not AfterOutput.CONTINUE and len(answer.text) > len(meant.text):
        yield f"is done, and said more than {meant.text!r}: {answer.text!r}"
    calls = [_comparable(call) for call in answer.tool_calls]
    if calls != [_comparable(ToolCall(call.id, call.name, call.arguments)) for call in meant.calls]:
        yield f"is done, but the calls {meant.calls} became {answer.tool_calls}"
    counts = getattr(meant.drawn.answer, "usage", None)
    if done.usage is not None and counts is not None:
        told = done.usage.input_tokens, done.usage.output_tokens
        if told != (counts.input_tokens, counts.output_tokens):
            yield f"was told {counts}, and tells {done.usage}"


def what_was_shown_is_kept(stream: Stream) -> Iterator[str]:
    """A stream that is broken off tells with its ending what it has shown."""
    if not isinstance(stream.ending, Error | Cancelled | Paused) or stream.watched.user.manner is Manner.ASK:
        return
    shown = Transcript()
    for chunk in stream.chunks:
        shown.add(chunk)
    if stream.ending.partial != shown.partial():
        yield f"showed {shown.partial()!r}, and says that it showed {stream.ending.partial!r}"


def _origins(said: str, meant: Sequence[Meant], field: str) -> list[tuple[int | None, str]]:
    """The requests that `said` was the answer to, each with its part; `None` where it is none's."""
    first, last = chr(FIRST_SIGN), chr(FIRST_SIGN + SIGNS - 1)
    parts = [part for part in re.split(f"(?=[{first}-{last}])", said) if part]
    return [
        next(((each.number, part) for each in meant if getattr(each, field).startswith(part)), (None, part))
        for part in parts
    ]


def _comparable(call: ToolCall) -> tuple[str, str, Any]:
    """Some wire formats tell arguments as an object, so only what they say can be compared."""
    return call.id, call.name, json.loads(call.arguments)


# What it costs.


def it_lets_go_at_once(stream: Stream) -> Iterator[str]:
    """Leaving takes no time, and when the user is out, or a token has spoken, every request is closed."""
    if stream.watched.left > stream.watched.leaving + AT_ONCE:
        yield f"took {stream.watched.left - stream.watched.leaving:.3f} s to leave"
    told = [time for time, _ in stream.watched.spoken.told]
    for exchange in stream.exchanges:
        if _end(exchange) > stream.watched.left:
            yield f"left request {exchange.meant.number} open until {exchange.closed}"
        elif told and _end(exchange) > max(told[0], exchange.opened) + AT_ONCE:
            yield f"kept request {exchange.meant.number} open for {_end(exchange) - told[0]:.3f} s after its token"
        if told and exchange.opened > told[0] + AT_ONCE:
            yield f"made request {exchange.meant.number} {exchange.opened - told[0]:.3f} s after its token spoke"


def it_asks_one_at_a_time(stream: Stream) -> Iterator[str]:
    """Without hedging, a request is closed before the next one is made."""
    if stream.config.hedge_after is None:
        for before, after in pairwise(stream.exchanges):
            if _end(before) > after.opened:
                yield f"made request {after.meant.number} while {before.meant.number} was open"


def losers_are_let_go(stream: Stream) -> Iterator[str]:
    """Once an answer is shown, no other request of its stream is open."""
    if stream.watched.user.is_prompt and stream.watched.user.manner is Manner.STREAM:
        for time, chunk in stream.watched.received:
            if isinstance(chunk, Text | Thinking | ToolCallStart):
                opened = [each.meant.number for each in stream.exchanges if each.opened < time < _end(each) - AT_ONCE]
                if len(opened) > 1:
                    yield f"showed {chunk!r} while the requests {opened} were open"
                    return


def _end(exchange: Exchange) -> float:
    return math.inf if exchange.closed is None else exchange.closed


def attempts_are_told(stream: Stream) -> Iterator[str]:
    """The counts of a stream are those of its requests, and each repetition was announced."""
    statistics = stream.watched.statistics
    if statistics is not None and stream.watched.to_the_end and statistics.attempts != len(stream.exchanges):
        yield f"tells of {statistics.attempts} attempts, and made {len(stream.exchanges)} requests"
    if isinstance(stream.ending, Error) and stream.ending.attempts != len(stream.exchanges):
        yield f"ends with {stream.ending.attempts} attempts, and made {len(stream.exchanges)} requests"
    if stream.config.hedge_after is None and stream.watched.to_the_end and stream.watched.user.manner is not Manner.ASK:
        repeated = len(stream.exchanges) - len({exchange.meant.provider for exchange in stream.exchanges})
        announced = sum(isinstance(chunk, RetryAttempt) for chunk in stream.chunks)
        if announced < repeated:
            yield f"asked {repeated} times again, and announced {announced}"


def attempts_are_limited(stream: Stream) -> Iterator[str]:
    """No provider is asked more often than the policy says; but one that lost a race may be asked anew."""
    if stream.config.hedge_after is not None:
        return
    for provider, times in Counter(exchange.meant.provider for exchange in stream.exchanges).items():
        if times > stream.config.retry.max_attempts:
            yield f"asked {provider} {times} times"


def only_news_is_dropped(stream: Stream) -> Iterator[str]:
    """What the user puts into a stream comes out in order, but for news, whose drops are counted."""
    statistics = stream.watched.statistics
    if statistics is None or not stream.watched.to_the_end:
        return
    kinds: dict[str, type[StreamChunk]] = {type(chunk).__name__: type(chunk) for chunk in stream.watched.emitted}
    for name, dropped in statistics.dropped.items():
        if name in kinds and kinds[name].delivery is Delivery.LOSSLESS:
            yield f"dropped {dropped} of {name}"
    came = {id(chunk) for chunk in stream.chunks}  # a stream passes on the very objects
    for name, kind in kinds.items():
        put = [chunk for chunk in stream.watched.emitted if isinstance(chunk, kind)]
        kept = [id(chunk) for chunk in put if id(chunk) in came]
        wanted = set(kept)
        if kept != [id(chunk) for chunk in stream.chunks if id(chunk) in wanted]:
            yield f"changed the order of {name}"
        if len(put) - len(kept) > statistics.dropped.get(name, 0):
            yield f"lost {len(put) - len(kept)} of {name}, and counted {statistics.dropped.get(name, 0)}"


LAWS: Final = (
    nothing_unexpected_is_raised,
    it_ends_once,
    calls_are_contiguous,
    it_ends_for_a_reason,
    it_keeps_its_deadline,
    nothing_is_made_up_or_repeated,
    what_was_shown_ends_the_right_to_retry,
    a_done_answer_is_whole,
    what_was_shown_is_kept,
    it_lets_go_at_once,
    it_asks_one_at_a_time,
    losers_are_let_go,
    attempts_are_told,
    attempts_are_limited,
    only_news_is_dropped,
)
"""All of them."""
