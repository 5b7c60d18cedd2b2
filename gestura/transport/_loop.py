"""An asyncio loop that trio-asyncio runs inside the caller's `trio.run`, for the length of a block.

The loop lives in a background task, which alone sees it as `trio_asyncio.current_loop`: a caller who runs a
trio-asyncio loop of their own goes on using that. A stray asyncio error is logged. trio-asyncio's own handler would end
the user's `trio.run`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import trio

from gestura.errors import ConfigError
from gestura.transport._aiohttp_exchange import CLOSE_SECONDS
from gestura.transport._aiohttp_session import log_stray_error
from gestura.transport._quick_loop import quicken
from gestura.transport._tls_buffers import share_tls_buffer

__all__ = ["open_loop"]


@asynccontextmanager
async def open_loop(close: Callable[[], Coroutine[Any, Any, object]], *, without: str) -> AsyncIterator[Any]:
    """A loop, as trio-asyncio's `TrioEventLoop`.

    Exceptions of the block come out as they are, never in a group.

    Args:
        close: an asyncio function that is called at the end of the block, before the loop ends.
        without: what the error says where trio-asyncio can't be imported.

    Raises:
        ConfigError: trio-asyncio can't be imported.
    """
    trio_asyncio = _import_trio_asyncio(without)
    # Shielded: a cancelled caller's block still needs the loop while it unwinds, and ends it itself.
    lifetime = trio.CancelScope(shield=True)
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            loop = await nursery.start(_run_loop, trio_asyncio, lifetime, close)
            try:
                yield loop
            except BaseException as error:  # noqa: BLE001  # raised again below, once the loop has ended
                failure = error
            finally:
                lifetime.cancel()
    except BaseExceptionGroup as group:
        # The loop itself failed: a bug, or a KeyboardInterrupt that struck in asyncio's code.
        raise _only_leaf(group) from failure
    if failure is not None:
        raise failure


def _import_trio_asyncio(without: str) -> Any:
    try:
        import trio_asyncio
    except (ImportError, AttributeError):
        raise ConfigError(without) from None
    return trio_asyncio


async def _run_loop(
    trio_asyncio: Any,
    lifetime: trio.CancelScope,
    close: Callable[[], Coroutine[Any, Any, object]],
    *,
    task_status: trio.TaskStatus[Any],
) -> None:
    with lifetime:
        async with trio.open_nursery() as nursery, trio_asyncio.open_loop() as loop:
            quicken(loop, trio_asyncio)
            share_tls_buffer(loop)
            loop.set_exception_handler(log_stray_error)
            loop.set_default_executor(_abandoning_executor(trio_asyncio))
            try:
                task_status.started(loop)
                await trio.sleep_forever()
            finally:
                if not loop.is_running():
                    # A KeyboardInterrupt in a callback ends trio-asyncio's loop, which then waits for its tasks
                    # for ever. Let it run on until they are over.
                    nursery.start_soon(loop._main_loop)  # noqa: SLF001
                with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                    await loop.run_aio_coroutine(close())


def _abandoning_executor(trio_asyncio: Any) -> Any:
    """Runs name look-ups in threads that nobody waits for: `getaddrinfo` can take half a minute to give up."""

    class AbandoningExecutor(trio_asyncio.TrioExecutor):  # type: ignore[misc]  # trio-asyncio has no types
        async def submit(self, function: Callable[..., Any], *args: Any) -> Any:
            return await trio.to_thread.run_sync(function, *args, abandon_on_cancel=True)

    return AbandoningExecutor()


def _only_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
