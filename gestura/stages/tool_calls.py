"""Fragments of tool calls, in whatever order and shape they come, made into calls that come one after another.

Contract: `ToolCallFragment` becomes `ToolCallStart`, `ToolCallArgs`, `ToolCallEnd`; all else passes at once, even
between the pieces of a call, since holding text back until a call ends could take the whole answer. Of the calls
themselves the output is `(Start Args+ End)*` in index order, and only the last may lack its end. The call whose turn it
is, all lower indexes being done, streams live; later ones wait. A missing index is waited for until the close.

A call ends when a fragment says so, at the wire's own end of the answer (`Terminal`), or at the close of one that had
finished: `Finish` may come before the last fragment, so by itself it ends nothing. The call that an answer broke off
in, or was cut off in (finish reason `LENGTH`, `CONTENT_FILTER`, `REFUSAL`), gets no end, so that nobody runs half a
call.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence

import attrs

from gestura.chunks import FinishReason, Signature, ToolCallArgs, ToolCallEnd, ToolCallStart
from gestura.errors import Fault, LimitExceeded, ProtocolError
from gestura.limits import Limits, utf8_size
from gestura.stages.deltas import Anomaly, Delta, Finish, Oddity, Piece, Terminal, ToolCallFragment

__all__ = ["ToolCallAssembler"]

_CUT_OFF = (FinishReason.LENGTH, FinishReason.CONTENT_FILTER, FinishReason.REFUSAL)
_DEFAULTS = Limits()


@attrs.define(eq=False)
class _Call:
    """A call. What it has waits here until it starts; from then on it has an `id`, and arguments go straight out."""

    index: int
    provider_id: str | None = None
    id: str | None = None
    named: bool = False
    size: int = 0
    """Bytes of arguments so far, gone out or waiting."""
    complete: bool = False
    seal: tuple[str, str | None] | None = None
    waiting: int = 0
    """Bytes that wait."""
    # As bytes: kept apart, as a list or by `io.StringIO`, pieces of one character would take sixty times their size.
    _name: bytearray = attrs.field(factory=bytearray)
    _arguments: bytearray = attrs.field(factory=bytearray)

    @property
    def name_is_complete(self) -> bool:
        """Whether a name that comes now is not a piece of this call's."""
        return self.complete or (self.named and self.size > 0)

    def hold(self, name: str, arguments: str) -> None:
        """Keep a piece of the name and of the arguments. A piece that is the whole name so far is a repetition."""
        if name and not self.name_is_complete and (piece := _encoded(name)) != self._name:
            self._name += piece
            self.waiting += len(piece)
            self.named = self.named or bool(name.strip())
        piece = _encoded(arguments)
        self._arguments += piece
        self.waiting += len(piece)

    def release(self) -> tuple[str, str]:
        """The name and the arguments so far, which no longer wait."""
        released = _decoded(self._name), _decoded(self._arguments)
        self._name, self._arguments = bytearray(), bytearray()
        self.waiting = 0
        return released


class _Directory:
    """Which call a fragment belongs to: the rules in the docstring of `ToolCallAssembler`."""

    def __init__(self) -> None:
        self.count = 0
        self.last: _Call | None = None
        self.id_size = 0
        self._highest = -1
        self._at_index: dict[int, _Call] = {}
        self._at_position: dict[int, _Call] = {}
        self._by_id: dict[tuple[int | None, str], _Call] = {}  # under its index, and under none

    def has_id(self, provider_id: str) -> bool:
        """Whether the provider has given a call this id."""
        return (None, provider_id) in self._by_id

    def find(self, fragment: ToolCallFragment) -> _Call | None:
        """The fragment's call, or `None` if it opens one."""
        index, provider_id = _index(fragment), _id(fragment)
        if provider_id and (index, provider_id) in self._by_id:
            return self._by_id[index, provider_id]
        if index is not None:
            call = self._at_index.get(index)
            is_another = call and call.provider_id and provider_id and fragment.name
            return None if is_another else call
        if provider_id:
            return None
        call = self._at_position.get(fragment.position)
        if fragment.name:
            return None if call is None or call.name_is_complete else call
        return call or self.last

    def open(self, fragment: ToolCallFragment) -> _Call:
        """A new call for the fragment; without an index it comes after all others."""
        index = _index(fragment)
        call = _Call(self._highest + 1 if index is None else index)
        self.count += 1
        self._highest = max(self._highest, call.index)
        if index is None:
            self._at_position[fragment.position] = call
        return call

    def note(self, fragment: ToolCallFragment, call: _Call) -> None:
        """Remember that the fragment was this call's."""
        index, provider_id = _index(fragment), _id(fragment)
        self.last = self._at_index[call.index] = call
        # Only a new call adds a position, so that no server can fill the table.
        if index is None and fragment.position in self._at_position:
            self._at_position[fragment.position] = call
        if provider_id and call.provider_id is None:
            call.provider_id = provider_id
            self._by_id[None, provider_id] = self._by_id[call.index, provider_id] = call
            self.id_size += utf8_size(provider_id)


class _Calls:
    """The calls of one answer, sorted; made for the first fragment, as most answers have none."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._directory = _Directory()
        self._queue: list[tuple[int, int, _Call]] = []  # a heap: by index, then by age
        self._live: _Call | None = None
        self._turn = 0
        self._waiting = 0
        self._ids: set[str] = set()

    def end(self, out: list[Piece], *, finished: bool, cut_off: bool) -> None:
        """No more fragments will come: deliver what is whole, report what is not.

        Args:
            out: where pieces go.
            finished: the answer has come to its end.
            cut_off: and that end cut its last call off.
        """
        calls = [call for *_, call in sorted(self._queue)]
        if self._live is not None:
            calls.insert(0, self._live)
        self._queue, self._live = [], None
        broken_off = False
        for call in calls:
            is_whole = call.complete or (finished and not (cut_off and call is self._directory.last))
            if is_whole and not broken_off:
                call.complete = True
                self._deliver(call, out)
            else:
                out.append(Anomaly(Oddity.UNFINISHED_TOOL_CALL))
                broken_off = broken_off or call.id is not None

    def take(self, fragment: ToolCallFragment, out: list[Piece]) -> None:
        """Put into `out` what the fragment makes of the calls."""
        call = self._directory.find(fragment) or self._open(fragment)
        self._directory.note(fragment, call)
        if call.complete:
            out.append(Anomaly(Oddity.LATE_TOOL_CALL_FRAGMENT))
            return
        limit = self._limits.max_tool_argument_bytes
        size = call.size + utf8_size(fragment.arguments)
        if size > limit:
            raise LimitExceeded("the arguments of a tool call", "max_tool_argument_bytes", limit)
        if call.id is None:
            self._waiting -= call.waiting
            call.hold(fragment.name or "", fragment.arguments)
            self._waiting += call.waiting
        elif fragment.arguments:
            out.append(ToolCallArgs(call.id, fragment.arguments))
        call.size = size
        call.complete = fragment.complete
        if fragment.signature:
            call.seal = (fragment.signature, fragment.sealed_by)
        self._advance(out)
        if self._waiting + self._directory.id_size > limit:
            raise LimitExceeded("the arguments of tool calls", "max_tool_argument_bytes", limit)

    def _open(self, fragment: ToolCallFragment) -> _Call:
        limit = self._limits.max_tool_calls
        if self._directory.count >= limit:
            raise LimitExceeded("the number of tool calls", "max_tool_calls", limit)
        call = self._directory.open(fragment)
        heapq.heappush(self._queue, (call.index, self._directory.count, call))
        return call

    def _advance(self, out: list[Piece]) -> None:
        """Deliver what can be of the call whose turn it is and, as each ends, of the next."""
        while True:
            if self._live is None:
                if not self._queue or self._queue[0][0] > self._turn:
                    return
                self._live = heapq.heappop(self._queue)[-1]
            self._deliver(self._live, out)
            if not self._live.complete:
                return
            self._turn = max(self._turn, self._live.index + 1)
            self._live = None

    def _deliver(self, call: _Call, out: list[Piece]) -> None:
        """Start the call once its name is complete, and end it once all is."""
        if call.id is None and call.name_is_complete:
            self._waiting -= call.waiting
            name, arguments = call.release()
            if not call.named:
                out.append(Anomaly(Oddity.NAMELESS_TOOL_CALL))
                return
            call.id = self._unique_id(call.provider_id)
            out.append(ToolCallStart(call.id, name))
            if arguments:
                out.append(ToolCallArgs(call.id, arguments))
        if call.id is not None and call.complete:
            if not call.size:
                out.append(ToolCallArgs(call.id, "{}"))
            out.append(ToolCallEnd(call.id))
            if call.seal is not None:
                signature, sealed_by = call.seal
                out.append(Signature(signature, call.id, sealed_by=sealed_by))

    def _unique_id(self, provider_id: str | None) -> str:
        unique = provider_id
        if unique is None or unique in self._ids:
            base = provider_id or f"call_{len(self._ids)}"
            tries = itertools.chain([base], (f"{base}_{n}" for n in itertools.count(2)))
            unique = next(each for each in tries if each not in self._ids and not self._directory.has_id(each))
        self._ids.add(unique)
        return unique


class ToolCallAssembler:
    """Sorts fragments into calls and delivers the calls in turn.

    A fragment with an index belongs to the latest call of that index, unless both have an id, the ids differ, and the
    fragment has a name: that is a new call, for some servers number every call 0. Without an index (a negative one is
    none), the id decides, a new one being a new call; then a name, which opens a call once the name before it is
    complete, that is, arguments have begun; and what has neither continues the latest call that stood at its position
    in the event, or the latest of all.

    Ids are the provider's. A missing one is made up and one that another call has used is varied, by nothing but the
    order of the calls. A call without a name is dropped, one without arguments gets `{}`. A signature follows its call.

    Args:
        limits: `max_tool_calls` bounds the calls, nameless ones included; `max_tool_argument_bytes` bounds the
            arguments of each call and, over all calls, what waits (names and arguments) and their ids.
    """

    def __init__(self, limits: Limits = _DEFAULTS) -> None:
        self._limits = limits
        self._calls: _Calls | None = None
        self._finished = False
        self._failed = False
        self._cut_off = False

    def feed(self, batch: Sequence[Delta]) -> list[Piece]:
        out: list[Piece] = []
        try:
            for delta in batch:
                if isinstance(delta, ToolCallFragment):
                    self._calls = self._calls or _Calls(self._limits)
                    self._calls.take(delta, out)
                else:
                    self._watch(delta)
                    if isinstance(delta, Terminal):
                        self._end_calls(out)
                    out.append(delta)
        except ProtocolError as error:
            error.made = out
            raise
        return out

    def close(self) -> list[Piece]:
        out: list[Piece] = []
        self._end_calls(out)
        return out

    def _end_calls(self, out: list[Piece]) -> None:
        if self._calls is not None:
            self._calls.end(out, finished=self._finished and not self._failed, cut_off=self._cut_off)

    def _watch(self, delta: Delta) -> None:
        match delta:
            case Finish(reason=reason):
                self._finished = True
                self._cut_off = reason in _CUT_OFF
            case Terminal():
                self._finished = True
            case Fault():
                self._failed = True


def _index(fragment: ToolCallFragment) -> int | None:
    return fragment.index if fragment.index is not None and fragment.index >= 0 else None


def _id(fragment: ToolCallFragment) -> str | None:
    return fragment.id if fragment.id is not None and fragment.id.strip() else None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(text: bytearray) -> str:
    return text.decode("utf-8", "surrogatepass")
