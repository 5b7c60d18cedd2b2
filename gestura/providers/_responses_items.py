"""Which item of a Responses answer an event speaks of, and what of it was told already.

An event names its item by up to three aliases, and none is certain: llama.cpp gives no `output_index`, GitHub Copilot
another item id in every event, some gateways one `output_index` for all items, and some put the `call_id` where the
item id belongs. So an alias leads to an item only if the others don't speak against it, and the order of arrival is the
last resort.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import attrs

from gestura.providers._responses_events import Event, Item

__all__ = ["Aliases", "Call", "CallDirectory", "ToldParts"]

LONGEST_ID: Final = 2048
"""Characters. Real ids have up to 500; a longer one is taken for none, so that no server can make us hold many."""

MOST_PARTS: Final = 1000
"""How many parts are remembered. Forgetting one could at worst repeat it, if the server repeats it so much later."""

_NO_ITEM: Final = Item()


class Aliases(NamedTuple):
    """What an event calls its item."""

    call_id: str | None
    item_id: str | None
    output_index: int | None

    @classmethod
    def of(cls, event: Event) -> Aliases:
        """The aliases in the event itself and in its item."""
        item = event.item or _NO_ITEM
        return cls(_id(event.call_id or item.call_id), _id(event.item_id or item.id), event.output_index)

    @property
    def position(self) -> int | str | None:
        """The steadiest name of the item: ids have been seen to change."""
        return self.item_id if self.output_index is None else self.output_index

    def filled_from(self, other: Aliases) -> Aliases:
        """These, and those of `other` where one is missing."""
        return Aliases(
            self.call_id or other.call_id,
            self.item_id or other.item_id,
            other.output_index if self.output_index is None else self.output_index,
        )


def _id(told: str | None) -> str | None:
    return told if told and len(told) <= LONGEST_ID else None


def _may_equal(one: object, other: object) -> bool:
    return one is None or other is None or one == other


@attrs.define(eq=False)
class Call:
    """A function call, as far as its events have told it. `number` counts the calls of the answer from 0."""

    number: int
    aliases: Aliases
    name: str | None = None
    told: bool = False
    id_told: bool = False
    name_told: bool = False
    has_arguments: bool = False
    complete: bool = False

    def may_be(self, aliases: Aliases) -> bool:
        """Whether the aliases can be this call's: one of them may have changed, or be several items' in common."""
        call_id, item_id, output_index = self.aliases
        same_place = _may_equal(item_id, aliases.item_id) or _may_equal(output_index, aliases.output_index)
        return _may_equal(call_id, aliases.call_id) and same_place


class CallDirectory:
    """The function calls of an answer, in order of arrival."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._by_id: dict[str, Call] = {}
        self._by_index: dict[int, Call] = {}

    def opened(self, aliases: Aliases) -> Call:
        """The call that an event announces: a new one, unless it has a known id, or the place of a nameless call."""
        call = self._with_id(aliases)
        if call is None:
            nameless = self._at_index(aliases)
            call = nameless if nameless is not None and nameless.name is None else None
        return self._noted(call, aliases)

    def found(self, aliases: Aliases) -> Call:
        """The call an event goes on with: by id, by index, else the latest unfinished one; if none fits, a new one."""
        call = self._with_id(aliases) or self._at_index(aliases) or self._latest_open(aliases)
        return self._noted(call, aliases)

    def _with_id(self, aliases: Aliases) -> Call | None:
        for alias in (aliases.call_id, aliases.item_id):
            if alias is not None and (call := self._by_id.get(alias)) and call.may_be(aliases):
                return call
        return None

    def _at_index(self, aliases: Aliases) -> Call | None:
        if aliases.output_index is None:
            return None
        call = self._by_index.get(aliases.output_index)
        return call if call is not None and call.may_be(aliases) else None

    def _latest_open(self, aliases: Aliases) -> Call | None:
        for call in reversed(self.calls):
            fits = call.may_be(aliases) and _may_equal(call.aliases.output_index, aliases.output_index)
            if fits and not call.complete:
                return call
        return None

    def _noted(self, call: Call | None, aliases: Aliases) -> Call:
        if call is None:
            call = Call(len(self.calls), aliases)
            self.calls.append(call)
        call.aliases = call.aliases.filled_from(aliases)
        for alias in (call.aliases.call_id, call.aliases.item_id):
            if alias is not None:
                self._by_id[alias] = call
        if call.aliases.output_index is not None:
            self._by_index[call.aliases.output_index] = call
        return call


_ANY: Final = object()
_UNNAMED: Final = object()


class ToldParts:
    """The parts of messages and of reasoning that were told, so that a whole that repeats one is passed over.

    A part is found under every alias of its item. An event that names no item speaks of any; an event that names one
    may speak of a part that was told without a name.
    """

    def __init__(self) -> None:
        self._latest: object = None
        self._parts: dict[tuple[object, str, int | None], None] = {}

    def add(self, aliases: Aliases, kind: str, index: int | None) -> None:
        """Note a part: of which kind, and which of that kind in its item, as far as the event says."""
        part = (aliases, kind, index)
        if part == self._latest:
            return
        self._latest = part
        for alias in (*(_named(aliases) or [_UNNAMED]), _ANY):
            self._parts[alias, kind, index] = None
        while len(self._parts) > MOST_PARTS:
            del self._parts[next(iter(self._parts))]

    def has(self, aliases: Aliases, kind: str, index: int | None) -> bool:
        """Whether the part was told. One told without an index may be any of its kind."""
        named = _named(aliases)
        keys = [*named, _UNNAMED] if named else [_ANY]
        return any((key, kind, which) in self._parts for key in keys for which in (index or 0, None))


def _named(aliases: Aliases) -> list[object]:
    return [alias for alias in (aliases.output_index, aliases.item_id) if alias is not None]
