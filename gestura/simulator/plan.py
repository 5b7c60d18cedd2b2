"""From wire events to what the server does: a list of actions, made before the first byte is sent.

Where writes end, when to wait and what strikes where is arithmetic on offsets into the body, so it is a pure function;
`sending.py` only obeys. A plan ends with an `Ending`, unless it waits for ever.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter

import attrs

from gestura.simulator.faults import BreakHttp, Fault, Garbage, HttpError, Reset, Stall, Truncate
from gestura.simulator.scenario import Sending

__all__ = ["Action", "Ending", "Head", "Wait", "Write", "make_plan"]


@attrs.frozen
class Head:
    """Send the status and the headers."""


@attrs.frozen
class Write:
    """Send a piece of the body, in one network write."""

    data: bytes


@attrs.frozen
class Wait:
    """Send nothing for `seconds`; infinity is until the client leaves."""

    seconds: float


class Ending(enum.Enum):
    """How the response ends."""

    COMPLETE = "complete"
    """As HTTP wants it. The connection may serve the next request."""

    RESET = "reset"
    """With a TCP RST."""

    BREAK_HTTP = "break_http"
    """The connection is closed with the body unfinished."""


Action = Head | Write | Wait | Ending
"""One thing for the server to do."""

BEFORE_HEAD = -1
"""The offset at which faults strike that name no place."""


def make_plan(events: Sequence[bytes], sending: Sending, faults: Iterable[Fault]) -> list[Action]:
    """What to do to send `events` so, with these `faults`. `HttpError` is not of a stream and is passed over."""
    body = b"".join(events)
    ends = list(accumulate(map(len, events)))

    happenings: list[tuple[int, Action]] = [
        (_offset(fault, ends), _action(fault)) for fault in faults if not isinstance(fault, HttpError)
    ]
    happenings.append((BEFORE_HEAD, Head()))
    if sending.interval:
        happenings += [(end, Wait(sending.interval)) for end in ends[:-1]]
    happenings.append((len(body), Ending.COMPLETE))
    # A stable sort: at one offset, faults come first, in the order they were given.
    happenings.sort(key=itemgetter(0))

    cuts = _cuts(sending, ends)
    actions: list[Action] = []
    sent = 0
    for offset, action in happenings:
        if offset > sent:
            inner = cuts[bisect_right(cuts, sent) : bisect_left(cuts, offset)]
            actions += [Write(body[start:end]) for start, end in pairwise([sent, *inner, offset])]
            sent = offset
        actions.append(action)
        if isinstance(action, Ending) or action == Wait(math.inf):
            break
    return actions


def _cuts(sending: Sending, ends: Sequence[int]) -> list[int]:
    """Where network writes end, in ascending order, apart from where something happens."""
    if sending.cut_every is None and not sending.cuts:
        return sorted(set(ends))
    total = ends[-1] if ends else 0
    every = range(0, total, sending.cut_every) if sending.cut_every is not None else ()
    return sorted({*sending.cuts, *every})


def _offset(fault: Stall | Reset | BreakHttp | Truncate | Garbage, ends: Sequence[int]) -> int:
    boundaries = [0, *ends]
    if fault.after_events is not None:
        return boundaries[min(fault.after_events, len(ends))]
    if fault.after_bytes is not None:
        return min(fault.after_bytes, boundaries[-1])
    return BEFORE_HEAD


def _action(fault: Stall | Reset | BreakHttp | Truncate | Garbage) -> Action:
    match fault:
        case Stall(seconds=seconds):
            return Wait(seconds)
        case Reset():
            return Ending.RESET
        case BreakHttp():
            return Ending.BREAK_HTTP
        case Truncate():
            return Ending.COMPLETE
        case Garbage(data=data):
            return Write(data)
