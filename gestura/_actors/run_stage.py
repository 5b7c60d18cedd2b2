"""The generic actor: any stage, between two inboxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import attrs
import trio

from gestura._actors.inbox import InboxReceiver, InboxSender
from gestura._actors.statistics import ActorStatistics
from gestura.errors import InternalError, ProtocolError
from gestura.stages import Stage

__all__ = ["run_stage"]


async def run_stage(
    stage: Stage[Any, Any],
    receive: InboxReceiver[Sequence[Any]],
    send: InboxSender[Sequence[Any]],
    *,
    statistics: ActorStatistics,
    on_failure: Callable[[ProtocolError | InternalError, bool], None],
) -> None:
    """Feed `stage` what arrives, send what it makes, and close it when the input ends.

    A failing stage ends the stream in order: what it had made goes on, the actors behind it finish, those before it
    find their inbox closed and stop. Cancelled, it stops where it is.

    Args:
        stage: what to run.
        receive: its inbox. This actor owns it, and `send`, and closes both.
        send: the next actor's inbox.
        statistics: counts to keep.
        on_failure: called with what went wrong (the provider's fault, or a bug in the stage) and whether it did so only
            once the input had ended.
    """
    running = _RunningStage(stage, send, statistics)
    closing = False
    with receive, send:
        try:
            receive.hand_over_to(running.take, send.has_room)
            async for batch in receive:
                if made := running.feed(batch):
                    await send.send(made)
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
            statistics.deepest_queue = receive.deepest_queue
        if made:
            statistics.items += len(made)
            with suppress(trio.BrokenResourceError):
                await send.send(made)


@attrs.define(eq=False)
class _RunningStage:
    """A stage whose work is counted. Closures that do the same take three times the memory."""

    stage: Stage[Any, Any]
    send: InboxSender[Sequence[Any]]
    statistics: ActorStatistics

    def feed(self, batch: Sequence[Any]) -> Sequence[Any]:
        made = self.stage.feed(batch)
        self.statistics.batches += 1
        if made:
            self.statistics.items += len(made)
        return made

    def take(self, batch: Sequence[Any]) -> None:
        if made := self.feed(batch):
            self.send.send_nowait(made)
