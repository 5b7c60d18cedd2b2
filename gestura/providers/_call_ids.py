"""The ids under which calls and their results are sent, where a provider is particular about them.

A conversation may hold the calls of several providers: with ids that are too long for the next one, have letters that
it refuses, or come again in a later turn, since ids that had to be made up are numbered anew in every answer. An id
that fits and was not used before goes as it is. In the place of any other goes one made of its digest, for the call and
for its result. It depends on nothing that comes later in the conversation, so what was cached of it stays valid.
"""

from __future__ import annotations

import hashlib
import re

from gestura.parts import ToolCall, ToolResult

__all__ = ["CallIds"]


class CallIds:
    """The ids of one request. Calls and results are to be asked for in their order.

    Args:
        admitted: what an id has to match as a whole.
        form: of an id that is made, around 32 hexadecimal digits, or the first of them.

    >>> ids = CallIds(re.compile("[a-z0-9_]{1,40}"))
    >>> ids.of_call(ToolCall("call_1", "add", "{}")), ids.of_call(ToolCall("call:1", "add", "{}"))
    ('call_1', 'call_dc9fb16f703596ff424d4b09553527b5')
    >>> ids.of_result(ToolResult("call:1", ()))
    'call_dc9fb16f703596ff424d4b09553527b5'
    """

    def __init__(self, admitted: re.Pattern[str], *, form: str = "call_{:.32}") -> None:
        self._admitted = admitted
        self._form = form
        self._sent: dict[str, str] = {}
        self._used: set[str] = set()

    def of_call(self, call: ToolCall) -> str:
        """The id for a call."""
        chosen, tries = call.id, 0
        while chosen in self._used or not self._admitted.fullmatch(chosen):
            digest = hashlib.sha256(f"{call.id}\0{tries}".encode()).hexdigest()
            chosen, tries = self._form.format(digest), tries + 1
        self._used.add(chosen)
        self._sent[call.id] = chosen
        return chosen

    def of_result(self, result: ToolResult) -> str:
        """The id for a result: that of the latest call which it can be of."""
        return self._sent[result.call_id]
