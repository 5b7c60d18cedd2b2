"""The generic actor: any stage, between two inboxes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import attrs
import trio

from gestura._actors.inbox import Inbox
from gestura._actors.statistics import ActorStatistics
from gestura.errors import InternalError, ProtocolError
from gestura.stages import Stage

__all__ = ["RunningStage"]


class Told(Protocol):
    """Who is told of a stage that fails."""

    def stage_failed(self, place: float, error: ProtocolError | InternalError, at_end: bool) -> None:
        """A stage has failed.

        Args:
            place: the actor's place.
            error: what went wrong: the provider's fault, or a bug in the stage.
            at_end: whether it did so only once the input had ended.
        """


@attrs.define(eq=False)
class RunningStage:
    """A stage at work.

    Args:
        name: what the actor goes by.
        stage: what to run.
        inbox: its own; closed at the end.
        next: the next actor's inbox, which ends then.
        place: where in the flow the actor stands.
        told: who is told of a failure.
    """

    name: str
    stage: Stage[Any, Any]
    inbox: Inbox[Sequence[Any]]
    next: Inbox[Sequence[Any]]
    place: float
    told: Told
    _batches: int = attrs.field(default=0, init=False)
    _items: int = attrs.field(default=0, init=False)

    async def run(self) -> None:
        """Feed the stage what arrives, send what it makes, and close it when the input ends.

        A failing stage ends the stream in order: what it had made goes on, the actors behind it finish, those before it
        find their inbox closed and stop. Cancelled, it stops where it is.
        """
        inbox, closing = self.inbox, False
        try:
            inbox.hand_over_to(self, self.next)
            while inbox.is_open():
                if inbox.is_empty():
                    await inbox.wait()
                elif made := self._feed(inbox.pop()):
                    await self.next.send(made)
            closing = True
            await self._send_last(self.stage.close())
        except trio.BrokenResourceError:
            pass  # the next actor has stopped, and has said why
        except ProtocolError as error:
            self.told.stage_failed(self.place, error, closing)
            await self._send_last(error.made)
        except Exception as error:  # noqa: BLE001  # a bug in a stage must not take other streams with it
            failure = InternalError(f"the {self.name} crashed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self.told.stage_failed(self.place, failure, closing)
        finally:
            inbox.close()
            self.next.end()

    def take(self, batch: Sequence[Any]) -> None:
        """Do with a batch what `run` does, where there is room behind."""
        if made := self._feed(batch):
            self.next.send_nowait(made)

    def statistics(self) -> ActorStatistics:
        """What the actor has done so far."""
        return ActorStatistics(self.name, self._batches, self._items, self.inbox.deepest_queue)

    def _feed(self, batch: Sequence[Any]) -> Sequence[Any]:
        made = self.stage.feed(batch)
        self._batches += 1
        if made:
            self._items += len(made)
        return made

    async def _send_last(self, made: Sequence[Any]) -> None:
        if made:
            self._items += len(made)
            with suppress(trio.BrokenResourceError):
                await self.next.send(made)
