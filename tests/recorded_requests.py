"""Recorded requests, read back: from the body that was sent to the `Request` that it says, and to ours again.

Each wire format has a module of its own, `recorded_requests_*.py`, with its importer: the reverse of what its provider
does, as far as recordings need it. What `Request` has no field for goes into `extra`, and nothing else may: a module
lists such fields. Two bodies are compared in a normal form, which the module documents rule by rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from gestura.config import ProviderSettings
from gestura.conversation import Request
from gestura.providers import BUILTIN_PROVIDERS

Body = dict[str, Any]


@attrs.frozen
class Recorded:
    """What a recorded body says: the request, and the settings under which it was made."""

    request: Request
    settings: ProviderSettings


@attrs.frozen(kw_only=True)
class RecordedWire:
    """How the requests of one wire format are read back.

    Args:
        read: the importer.
        normal: the form of a body in which two are compared.
        no_field: the fields that `Request` has none for, each with what it is.
        odd: by the recording, a reason, and what makes the body one that could be ours: for what a server happened to
            forgive a client.
    """

    read: Callable[[Body], Recorded]
    normal: Callable[[Body], Body]
    no_field: Mapping[str, str]
    odd: Mapping[str, tuple[str, Callable[[Body], Body]]] = {}

    def rebuilt(self, name: str, body: Body) -> Rebuilt:
        """Read what was recorded under a name, and say it again."""
        if name in self.odd:
            body = self.odd[name][1](copied(body))
        recorded = self.read(copied(body))
        ours = self.normal(sent(recorded))
        return Rebuilt(self.normal(copied(body)), ours, frozenset(recorded.request.extra))


@attrs.frozen
class Rebuilt:
    """A recorded body and ours, in normal form, and the names of the fields that went into `extra`."""

    recorded: Body
    ours: Body
    extra: frozenset[str]


def sent(recorded: Recorded) -> Body:
    """The body that our provider makes of it."""
    return json.loads(BUILTIN_PROVIDERS[recorded.settings.kind](recorded.settings).ask(recorded.request).body)


def copied(body: Body) -> Body:
    return json.loads(json.dumps(body))


def without_nulls(value: Any) -> Any:
    """A field that is null is one that is missing."""
    match value:
        case dict():
            return {name: without_nulls(each) for name, each in value.items() if each is not None}
        case list():
            return [without_nulls(each) for each in value]
        case _:
            return value
