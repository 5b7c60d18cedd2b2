"""Random users of a client: who reads fast or slowly, leaves early, raises, loses patience, pauses and goes on.

A user is data, drawn from the seed and the stream's number. `Users` lets them live, and notes in a `Watched` what each
of their streams did.
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import attrs
import trio

from gestura._actors.statistics import StreamStatistics
from gestura._client import Client
from gestura._stream import ChunkStream
from gestura.answer import Answer
from gestura.cancellation import CancellationToken
from gestura.chunks import (
    AgentLoopIteration,
    Narration,
    NarrationStage,
    Paused,
    PublicNarration,
    Status,
    StreamChunk,
    Text,
    Thinking,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallStart,
)
from gestura.errors import StreamFailed
from gestura.testing.simulation.world import prompt_of

__all__ = ["GROUPS", "Manner", "SpokenToken", "User", "Users", "Watched"]

GROUPS: Final = 4
"""Tokens that many streams share."""

BURST: Final = 100
"""Chunks of each class that a user puts into a stream at once; the channel holds 256."""

BEGINNINGS: Final = 0.8
"""The share of the world's time in which streams begin, so that the last ones have some left."""


class Manner(enum.Enum):
    """By which door a user asks."""

    STREAM = "stream"
    STREAM_INTO = "stream_into"
    ASK = "ask"


@attrs.frozen(kw_only=True)
class User:
    """One user of one stream.

    Args:
        begins: when, in seconds.
        manner: by which door.
        pause: seconds to think about each chunk.
        leaves_after: chunks after which to leave, if so early.
        raises: leave with an exception.
        patience: seconds after which a cancel scope of the user's own ends it all.
        token: what a token says, after so many seconds.
        group: which shared token to take instead.
        resumes: go on after a pause.
        emits: how many chunks of their own to put into the stream.
        raw: whether to ask for the provider's own events.
    """

    begins: float
    manner: Manner = Manner.STREAM
    pause: float = 0.0
    leaves_after: int | None = None
    raises: bool = False
    patience: float | None = None
    token: tuple[tuple[float, str], ...] = ()
    group: int | None = None
    resumes: bool = False
    emits: int = 0
    raw: bool = False

    @property
    def is_prompt(self) -> bool:
        """Whether chunks are taken as they come."""
        return self.pause == 0.0


class UserFailed(Exception):
    """What a user raises who leaves so."""


class SpokenToken:
    """A token, and when it was told what."""

    def __init__(self) -> None:
        self.token: CancellationToken = CancellationToken()
        self.told: list[tuple[float, str]] = []

    async def tell(self, words: Sequence[tuple[float, str]]) -> None:
        """Tell it each word, each so many seconds after the one before."""
        for seconds, word in words:
            await trio.sleep(seconds)
            self.told.append((trio.current_time(), word))
            getattr(self.token, word)()


@attrs.define(kw_only=True, eq=False)
class Watched:
    """A stream, as its user saw it. Times are Trio's.

    Args:
        stream: its number.
        user: who read it.
        spoken: its token.
        first_request: how many requests the world had seen when it began.
        began: when.
    """

    stream: int
    user: User
    spoken: SpokenToken
    first_request: int
    began: float = attrs.field(factory=trio.current_time)
    received: list[tuple[float, StreamChunk]] = attrs.field(factory=list, init=False)
    """Each chunk, and when it came."""
    to_the_end: bool = attrs.field(default=False, init=False)
    """The user read until iteration stopped."""
    emitted: list[StreamChunk] = attrs.field(factory=list, init=False)
    """The user's own chunks that the stream has taken."""
    statistics: StreamStatistics | None = attrs.field(default=None, init=False)
    leaving: float = attrs.field(default=math.inf, init=False)
    """When the user began to leave."""
    left: float = attrs.field(default=math.inf, init=False)
    """When the user was out of it."""
    requests_then: int = attrs.field(default=0, init=False)
    """How many requests the world had seen by then."""
    failure: Exception | None = attrs.field(default=None, init=False)
    """What came out of it that should not."""

    @property
    def chunks(self) -> list[StreamChunk]:
        """What was received."""
        return [chunk for _, chunk in self.received]


class Users:
    """The users of one simulation.

    Args:
        client: whom they ask.
        seed: decides what they do.
        hours: how long the world lasts.
        request_count: how many requests the world has seen.
        log: told what each stream shows, in words.

    Attributes:
        watched: their streams so far.
    """

    def __init__(
        self,
        client: Client,
        *,
        seed: int,
        hours: float,
        request_count: Callable[[], int],
        log: Callable[[int, object], None],
    ) -> None:
        self.watched: list[Watched] = []
        self._client = client
        self._seed = seed
        self._hours = hours
        self._request_count = request_count
        self._log = log
        self._shared = [SpokenToken() for _ in range(GROUPS)]

    async def live(self, streams: int) -> None:
        """So many users, each with a stream; some go on with another after a pause."""
        rng = random.Random(f"{self._seed} tokens")  # noqa: S311  # dice, no secret
        async with trio.open_nursery() as nursery:
            for spoken in self._shared:
                words = [(rng.uniform(0, self._hours * 3600), word) for word in ("pause", "cancel")]
                nursery.start_soon(spoken.tell, words)
            for stream in range(streams):
                nursery.start_soon(self._live_one, stream)

    async def _live_one(self, stream: int) -> None:
        user = _draw_user(random.Random(f"{self._seed} user {stream}"), self._hours)  # noqa: S311
        await trio.sleep(user.begins)
        spoken = SpokenToken() if user.group is None else self._shared[user.group]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(spoken.tell, user.token)
            ending = await self._use(stream, user, spoken, None)
            nursery.cancel_scope.cancel()
        if isinstance(ending, Paused) and user.resumes:
            patient = User(begins=user.begins, pause=user.pause)
            await self._use(stream, patient, SpokenToken(), ending)

    async def _use(self, stream: int, user: User, spoken: SpokenToken, paused: Paused | None) -> StreamChunk | None:
        """One stream, from its beginning or from where it was paused: its last chunk."""
        watched = Watched(stream=stream, user=user, spoken=spoken, first_request=self._request_count())
        self.watched.append(watched)
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(user.patience or math.inf):
                try:
                    match user.manner:
                        case Manner.STREAM:
                            await self._stream(watched, self._opened(stream, user, spoken, paused), nursery)
                        case Manner.STREAM_INTO:
                            await self._stream_into(watched)
                        case Manner.ASK:
                            await self._ask(watched)
                except UserFailed:
                    self._log(stream, "the user failed")
                except Exception as error:  # noqa: BLE001  # whatever comes out is for the judge to see
                    watched.failure = error
            watched.left, watched.requests_then = trio.current_time(), self._request_count()
            self._log(stream, "left")
            nursery.cancel_scope.cancel()
        return watched.chunks[-1] if watched.received else None

    def _opened(
        self, stream: int, user: User, spoken: SpokenToken, paused: Paused | None
    ) -> AbstractAsyncContextManager[ChunkStream]:
        if paused is not None:
            return self._client.resume(paused, token=spoken.token)
        return self._client.stream(prompt_of(stream), token=spoken.token, raw=user.raw)

    async def _stream(
        self, watched: Watched, opened: AbstractAsyncContextManager[ChunkStream], nursery: trio.Nursery
    ) -> None:
        async with opened as chunks:
            nursery.start_soon(_emit, watched, chunks)
            try:
                await self._read(watched, chunks)
            finally:
                watched.leaving = trio.current_time()
                watched.statistics = chunks.statistics()

    async def _stream_into(self, watched: Watched) -> None:
        send, receive = trio.open_memory_channel[StreamChunk](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._client.stream_into, prompt_of(watched.stream), send)
            with receive:
                await self._read(watched, receive)

    async def _ask(self, watched: Watched) -> None:
        try:
            chunks = list(_chunks_of(await self._client.ask(prompt_of(watched.stream))))
        except StreamFailed as error:
            chunks = [error.ending]
        watched.to_the_end = True
        for chunk in chunks:
            self._note(watched, chunk)

    async def _read(self, watched: Watched, chunks: AsyncIterable[StreamChunk]) -> None:
        user = watched.user
        if user.leaves_after == 0:
            return
        async for chunk in chunks:
            self._note(watched, chunk)
            if len(watched.received) == user.leaves_after:
                if user.raises:
                    raise UserFailed
                return
            if user.pause:
                await trio.sleep(user.pause)
        watched.to_the_end = True
        async for chunk in chunks:  # there is nothing more; if there is, the judge will see it after the ending
            self._note(watched, chunk)

    def _note(self, watched: Watched, chunk: StreamChunk) -> None:
        watched.received.append((trio.current_time(), chunk))
        self._log(watched.stream, chunk)


async def _emit(watched: Watched, chunks: ChunkStream) -> None:
    """Put the user's own chunks into the stream, of every delivery class, in bursts that may fill it."""
    for number in range(watched.user.emits):
        if number % BURST == 0:
            await trio.sleep(0.7)
        narration = PublicNarration(title=f"{number}", message="")
        for chunk in (
            AgentLoopIteration(number),
            Status(f"own {number}"),
            Narration(narration, NarrationStage.PROGRESS),
        ):
            try:
                await chunks.emit(chunk)
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                return
            watched.emitted.append(chunk)


def _chunks_of(answer: Answer) -> Iterator[StreamChunk]:
    if answer.thinking:
        yield Thinking(answer.thinking)
    if answer.text:
        yield Text(answer.text)
    for call in answer.tool_calls:
        yield ToolCallStart(call.id, call.name)
        yield ToolCallArgs(call.id, call.arguments)
        yield ToolCallEnd(call.id)
    yield answer.done


def _draw_user(rng: random.Random, hours: float) -> User:
    manner = rng.choices(list(Manner), weights=[8, 1, 1])[0]
    leaves = rng.random() < 0.15
    words = rng.choice([("pause",), ("cancel",), ("pause", "cancel"), ("cancel", "pause"), ("pause", "pause")])
    has_token = manner is Manner.STREAM and rng.random() < 0.25
    return User(
        begins=rng.uniform(0, hours * 3600 * BEGINNINGS),
        manner=manner,
        pause=rng.choices([0.0, 0.02, 1.0], weights=[6, 1, 1])[0],
        leaves_after=rng.randint(0, 30) if leaves and manner is not Manner.ASK else None,
        raises=manner is Manner.STREAM and rng.random() < 0.5,
        patience=rng.expovariate(0.1) if rng.random() < 0.1 else None,
        token=tuple((rng.expovariate(0.3), word) for word in words) if has_token else (),
        group=rng.randrange(GROUPS) if manner is Manner.STREAM and not has_token and rng.random() < 0.2 else None,
        resumes=rng.random() < 0.5,
        emits=rng.choices([0, 3, 110], weights=[8, 2, 1])[0],
        raw=rng.random() < 0.1,
    )
