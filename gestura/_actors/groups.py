"""Exceptions leave gestura bare: never in an `ExceptionGroup` that only its nurseries made."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

import trio

__all__ = ["bare_errors"]


def bare_errors() -> AbstractContextManager[None]:
    """Around one nursery: what leaves it is one exception, as it was raised; the nursery's own group is taken off.

    Of several, one that ends the program (`KeyboardInterrupt`) leaves, or else the first that is more than a
    cancellation, which is usually what the others made of it. A group that was raised inside is somebody's own and
    stays whole. A `Cancelled` is passed on, never swallowed.
    """
    return _BARE_ERRORS


class _BareErrors:
    """One for all blocks: it keeps nothing, where a generator would take 300 bytes in each of a stream's nurseries."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, BaseExceptionGroup):
            chosen = min(error.exceptions, key=_rank)
            context = chosen.__context__
            try:
                raise chosen
            finally:
                chosen.__context__ = context  # `raise` has just put the group there


_BARE_ERRORS = _BareErrors()


def _rank(error: BaseException) -> int:
    more_than_cancelled = error.split(trio.Cancelled)[1] if isinstance(error, BaseExceptionGroup) else error
    match more_than_cancelled:
        case None | trio.Cancelled():
            return 2
        case Exception():
            return 1
        case _:
            return 0
