"""Whether the time that something takes grows with its input, and not with the input's square."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

__all__ = ["assert_linear"]


def assert_linear(run: Callable[[int], object], size: int) -> None:
    """Four times as much takes about four times as long, not sixteen times.

    Args:
        run: is given a size.
        size: the larger one; large enough that what would grow with its square would be most of the time.
    """
    quarter = min(_cpu_seconds(run, size // 4) for _ in range(3))

    assert any(_cpu_seconds(run, size) < 9 * quarter for _ in range(3))  # a busy machine spends more now and then


def _cpu_seconds(run: Callable[[int], object], size: int) -> float:
    gc.disable()  # a large run sets off collections that a small one does not, and they look at what other tests left
    try:
        before = time.process_time()
        run(size)
        return time.process_time() - before
    finally:
        gc.enable()
