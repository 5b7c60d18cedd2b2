"""Inboxes and outlets for tests: an owner's loop, and an outlet that is open for a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import trio

from gestura._actors.inbox import Inbox
from gestura._actors.outlet import Outlet

__all__ = ["items_of", "opened", "receive", "receive_all_nowait"]

Item = TypeVar("Item")


async def receive(inbox: Inbox[Item]) -> Item:
    """The next item.

    Raises:
        trio.EndOfChannel: none comes.
    """
    while inbox.is_open():
        if not inbox.is_empty():
            return inbox.pop()
        await inbox.wait()
    raise trio.EndOfChannel


class items_of(Generic[Item]):  # noqa: N801  # reads as the function that it is, but can be left unfinished
    """All items, as they come."""

    def __init__(self, inbox: Inbox[Item]) -> None:
        self._inbox = inbox

    def __aiter__(self) -> items_of[Item]:
        return self

    async def __anext__(self) -> Item:
        try:
            return await receive(self._inbox)
        except trio.EndOfChannel:
            raise StopAsyncIteration from None


def receive_all_nowait(inbox: Inbox[Item]) -> list[Item]:
    """What waits."""
    got = []
    while not inbox.is_empty():
        got.append(inbox.pop())
    return got


@asynccontextmanager
async def opened(outlet: Outlet) -> AsyncIterator[None]:
    """While the block runs, announcements may be made; after it all are delivered, and nothing more comes."""
    async with trio.open_nursery() as nursery:
        outlet.open(nursery)
        try:
            yield
            await outlet.drain()
        finally:
            outlet.close()
