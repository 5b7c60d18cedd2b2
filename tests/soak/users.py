"""The soak's users: each does to one stream what applications do, on purpose or not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable

import trio

import gestura
from gestura.chunks import Ending, Paused, StreamChunk
from gestura.testing import assert_ends_once


class Leave(Exception):
    """A user's own exception."""


class User:
    """Asks once.

    Args:
        client: whom to ask.
        dice: for all that is a matter of chance.
        told: counts of what happened.
    """

    def __init__(self, client: gestura.Client, dice: random.Random, told: Counter[str]) -> None:
        self._client = client
        self._dice = dice
        self._told = told

    async def read(self, **how: object) -> None:
        """To the end, which comes once."""
        async with self._client.stream("Hi", **how) as stream:
            self._note([chunk async for chunk in stream])

    async def dawdle(self, **how: object) -> None:
        """To the end, slowly."""
        chunks = []
        async with self._client.stream("Hi", raw=True, **how) as stream:
            async for chunk in stream:
                chunks.append(chunk)
                if self._dice.random() < 0.1:
                    await trio.sleep(0.01)
        self._note(chunks)

    async def leave(self, **how: object) -> None:
        """In the middle."""
        left = self._dice.randint(0, 20)
        async with self._client.stream("Hi", **how) as stream:
            async for _ in stream:
                if (left := left - 1) < 0:
                    break

    async def crash(self, **how: object) -> None:
        """In the middle, by an exception, which comes out as it is."""
        try:
            async with self._client.stream("Hi", **how) as stream:
                async for _ in stream:
                    self._crash_at_times()
        except Leave:
            self._told["left by an exception"] += 1

    def _crash_at_times(self) -> None:
        if self._dice.random() < 0.1:
            raise Leave

    async def lose_patience(self, **how: object) -> None:
        """Cancelled from outside, at any moment."""
        with trio.move_on_after(self._dice.expovariate(20)) as scope:
            await self.read(**how)
        self._told["cancelled from outside"] += scope.cancelled_caught

    async def cancel(self, **how: object) -> None:
        """By a token, at any moment, from a task or a thread."""
        await self._interrupt(gestura.CancellationToken.cancel, **how)

    async def pause(self, **how: object) -> None:
        """By a token, and go on later."""
        ending = await self._interrupt(gestura.CancellationToken.pause, **how)
        if isinstance(ending, Paused):
            async with self._client.resume(ending) as stream:
                self._note([chunk async for chunk in stream])

    async def ask(self, **how: object) -> None:
        """For the whole answer."""
        try:
            await self._client.ask("Hi", **how)
            self._told["answers"] += 1
        except gestura.StreamFailed as error:
            self._told[type(error.ending).__name__] += 1

    async def pipe(self, **how: object) -> None:
        """Into a channel, whose other end may close at any time."""
        send, receive = trio.open_memory_channel[StreamChunk](1)
        left = self._dice.randint(0, 60)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: self._client.stream_into("Hi", send, **how))
            with receive:
                async for _ in receive:
                    if (left := left - 1) < 0:
                        break

    async def _interrupt(self, interrupt: Callable[[gestura.CancellationToken], None], **how: object) -> Ending:
        token = gestura.CancellationToken()

        async def later() -> None:
            await trio.sleep(self._dice.expovariate(20))
            if self._dice.random() < 0.2:
                await trio.to_thread.run_sync(interrupt, token)
            else:
                interrupt(token)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(later)
            async with self._client.stream("Hi", token=token, **how) as stream:
                return self._note([chunk async for chunk in stream])

    def _note(self, chunks: list[StreamChunk]) -> Ending:
        ending = assert_ends_once(chunks)
        self._told[type(ending).__name__] += 1
        self._told["retries"] += sum(isinstance(chunk, gestura.RetryAttempt) for chunk in chunks)
        return ending


HABITS: list[Callable[..., Awaitable[None]]] = [
    User.read,
    User.read,
    User.dawdle,
    User.leave,
    User.crash,
    User.lose_patience,
    User.cancel,
    User.pause,
    User.ask,
    User.pipe,
]
