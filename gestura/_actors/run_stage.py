"""The generic actor: any stage, between two channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio

from gestura._actors.statistics import ActorStatistics
from gestura.errors import InternalError, ProtocolError
from gestura.stages import Stage

__all__ = ["run_stage"]


async def run_stage(
    stage: Stage[Any, Any],
    receive: trio.MemoryReceiveChannel[Sequence[Any]],
    send: trio.MemorySendChannel[Sequence[Any]],
    *,
    statistics: ActorStatistics,
    on_batch: Callable[[Sequence[Any]], None] | None,
    on_failure: Callable[[ProtocolError | InternalError, bool], None],
) -> None:
    """Feed `stage` what arrives, send what it makes, and close it when the input ends.

    A failing stage ends the stream in order: what it had made goes on, the actors behind it finish, those before it
    find their channel closed and stop. Cancelled, it stops where it is.

    Args:
        stage: what to run.
        receive: its inbox. This actor owns it, and `send`, and closes both.
        send: the next actor's inbox.
        statistics: counts to keep.
        on_batch: called with each batch before it is sent.
        on_failure: called with what went wrong (the provider's fault, or a bug in the stage) and whether it did so only
            once the input had ended.
    """
    closing = False
    with receive, send:
        try:
            async for batch in receive:
                made = stage.feed(batch)
                statistics.batches += 1
                if made:
                    statistics.items += len(made)
                    if on_batch is not None:
                        on_batch(made)
                    await _send(send, made)
            closing = True
            made = stage.close()
        except trio.BrokenResourceError:
            return  # the next actor has stopped, and has said why
        except ProtocolError as error:
            on_failure(error, closing)
            made = error.made
        except Exception as error:  # noqa: BLE001  # a bug in a stage must not take other streams with it
            failure = InternalError(f"the {statistics.name} crashed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            on_failure(failure, closing)
            return
        finally:
            statistics.deepest_queue = receive.statistics().peak_buffer_used
        if made:
            statistics.items += len(made)
            try:
                await _send(send, made)
            except trio.BrokenResourceError:
                return


async def _send(send: trio.MemorySendChannel[Sequence[Any]], batch: Sequence[Any]) -> None:
    """No checkpoint where there is room: the next `receive` is one, and what room there is is bounded."""
    try:
        send.send_nowait(batch)
    except trio.WouldBlock:
        await send.send(batch)
