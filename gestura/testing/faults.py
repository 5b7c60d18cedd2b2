"""Fault plans: what goes wrong, at which request, in which phase of its answer. A plan is data.

    plan = [
        Strike(Phase.CONNECTING, Break("refused"), request=1),
        Strike(Phase.IN_TEXT, Hang(), request=2),
    ]

Phases are told by meaning, so one plan fits every wire format: where the text's middle lies on the wire is found by the
provider's own decoder. What can strike is what a network and a server can do: break, hang, dawdle, stop early, or send
bytes that belong to nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from itertools import accumulate

import attrs

from gestura.chunks import Refusal, Text, Thinking
from gestura.limits import Limits
from gestura.providers import Provider
from gestura.stages import fuse
from gestura.stages.deltas import Delta, Finish, ToolCallFragment
from gestura.transport.scripted import Break, Hang, Pause, ScriptedExchange, Wait

__all__ = ["CutOff", "Phase", "Strike", "struck"]


@attrs.frozen
class CutOff:
    """The body ends here, cleanly: only the wire format can tell that something is missing."""


class Phase(enum.Enum):
    """Where in the life of a request."""

    CONNECTING = "connecting"
    """Before the connection stands."""

    ANSWERING = "answering"
    """The connection stands, and the head of the response has not come."""

    FIRST_CONTENT = "first_content"
    """The head has come, and nothing of the body."""

    IN_TEXT = "in_text"
    """In the middle of the text or thinking, some of which was sent."""

    IN_TOOL_CALL = "in_tool_call"
    """In the middle of the tool calls, before the last is complete."""

    FINISHED = "finished"
    """The model has said why it stopped; what else ends an answer has not come."""

    END = "end"
    """All was sent, but for the end of the body."""


@attrs.frozen
class Strike:
    """One thing that goes wrong.

    Args:
        phase: when.
        what: what. `bytes` come between those of the answer; only they and a `Wait` let the answer go on.
        request: which request it befalls, counted from 1; `None` is every one.
    """

    phase: Phase
    what: Break | Hang | Wait | CutOff | bytes
    request: int | None = attrs.field(default=None, kw_only=True)


def struck(exchange: ScriptedExchange, strikes: Iterable[Strike], provider: Provider | None) -> ScriptedExchange:
    """`exchange`, with these `strikes`. At one place they strike in the order given.

    Args:
        exchange: what happens without them.
        strikes: what goes wrong, whatever the number of the request.
        provider: reads the answer; `None` where nobody can, and only what is not inside an answer has a place.

    Raises:
        ValueError: there is no such phase in this answer, or what strikes can't strike there.
    """
    connecting, answering, body = list(exchange.connecting), list(exchange.answering), list(exchange.body)
    sent = [step for step in exchange.body if isinstance(step, bytes)]
    for strike in strikes:
        match strike:
            case Strike(Phase.CONNECTING, Break() | Hang() | Wait() as pause):
                connecting.append(pause)
            case Strike(Phase.ANSWERING, Break() | Hang() | Wait() as pause):
                answering.append(pause)
            case Strike(Phase.CONNECTING | Phase.ANSWERING as phase, what):
                raise ValueError(f"{phase}: there is no body yet for {what!r} to strike")
            case Strike(phase, what):
                body = _insert(what, body, _offset(phase, sent, provider))
    return attrs.evolve(exchange, connecting=connecting, answering=answering, body=body)


def _insert(what: Pause | CutOff | bytes, body: Sequence[bytes | Pause], offset: int) -> list[bytes | Pause]:
    """`body` with `what` behind its first `offset` bytes, and behind what else happens there."""
    after = list(body)
    before: list[bytes | Pause] = []
    while after and (offset > 0 or not isinstance(after[0], bytes)):
        step = after.pop(0)
        if isinstance(step, bytes):
            if len(step) > offset:
                after.insert(0, step[offset:])
                step = step[:offset]
            offset -= len(step)
        before.append(step)
    match what:
        case CutOff():
            return before
        case Break() | Hang():
            return [*before, what]
        case _:
            return [*before, what, *after]


def _offset(phase: Phase, sent: Sequence[bytes], provider: Provider | None) -> int:
    """How many bytes of what is `sent` come before `phase`."""
    ends = list(accumulate(map(len, sent), initial=0))
    match phase:
        case Phase.FIRST_CONTENT:
            return 0
        case Phase.END:
            return ends[-1]
        case Phase.FINISHED:
            return ends[_pieces_with((Finish,), sent, provider)[0] + 1]
        case Phase.IN_TEXT:
            return ends[_middle(_pieces_with((Text, Thinking, Refusal), sent, provider)) + 1]
        case _:
            pieces = _pieces_with((ToolCallFragment,), sent, provider)
            middle = _middle(pieces)
            torn = len(sent[middle]) // 2 if len(pieces) == 1 else 0  # some formats tell a call in one event
            return ends[middle + 1] - torn


def _middle(positions: Sequence[int]) -> int:
    return positions[(len(positions) - 1) // 2]


def _pieces_with(kinds: tuple[type[Delta], ...], sent: Sequence[bytes], provider: Provider | None) -> list[int]:
    """The positions in `sent` of what holds deltas of these kinds."""
    if provider is None:
        raise ValueError("nobody can read this answer, so there is no telling where its phases are")
    reader = fuse(provider.framing(Limits()), provider.decoder())
    last = len(sent) - 1
    made = [*enumerate(reader.feed((piece,)) for piece in sent), (last, reader.close())]
    found = [position for position, deltas in made if any(isinstance(delta, kinds) for delta in deltas)]
    if not found:
        raise ValueError(f"the answer has no {' or '.join(kind.__name__ for kind in kinds)} to strike")
    return found
