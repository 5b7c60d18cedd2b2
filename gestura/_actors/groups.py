"""Exceptions leave gestura bare: never in an `ExceptionGroup` that only its nurseries made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

__all__ = ["bare_errors"]


@contextmanager
def bare_errors() -> Iterator[None]:
    """Around a nursery: what leaves it is one exception.

    Of several, the first that is no `trio.Cancelled` leaves, since cancellation is usually what the others made of it.
    A `Cancelled` is passed on, never swallowed.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaf = _leaf(group)
        context = leaf.__context__
        try:
            raise leaf
        finally:
            leaf.__context__ = context  # `raise` has just put the group there


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    failures = group.split(trio.Cancelled)[1]
    chosen: BaseException = failures or group
    while isinstance(chosen, BaseExceptionGroup):
        chosen = chosen.exceptions[0]
    return chosen
