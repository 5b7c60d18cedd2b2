"""What is wrong with the values of a configuration, in words: the field, what was expected, what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import attrs
import cattrs
from cattrs import AttributeValidationNote, IterableValidationNote

from gestura.errors import ConfigError
from gestura.nearest_names import did_you_mean

__all__ = ["first_problem"]


def first_problem(error: cattrs.BaseValidationError, types: Mapping[str, Any], values: Any) -> tuple[str, str]:
    """The dotted name of the first field that is wrong, and why.

    Args:
        error: that cattrs raised.
        types: of the fields, by their names.
        values: that were to become them.
    """
    for inner in error.exceptions:
        note = next((note for note in getattr(inner, "__notes__", ()) if isinstance(note, _NOTES)), None)
        name = "" if note is None else str(note.name if isinstance(note, AttributeValidationNote) else note.index)
        if isinstance(inner, cattrs.BaseValidationError):
            kind = types.get(name, object)
            hints = get_type_hints(kind) if attrs.has(kind) else {}
            deeper, problem = first_problem(inner, hints, _item(values, name))
            return ".".join(filter(None, (name, deeper))), problem
        if isinstance(inner, ConfigError) and (broken := _SETTING.fullmatch(str(inner))):
            return broken[1], broken[2]
        if broken := _BOUND.fullmatch(str(inner)):
            bound = "at least" if broken[2] == ">=" else "at most"
            return broken[1], f"expected {bound} {broken[3]}, found {broken[4]}"
        return name, _in_words(inner, types.get(name), _item(values, name))
    return "", str(error)


def _item(values: Any, name: str) -> Any:
    return values.get(name) if isinstance(values, Mapping) else None


def _in_words(error: Exception, kind: Any, found: Any) -> str:
    """What is wrong with a value. Only where there is a choice, which no secret is, what was found is shown."""
    literal = next((each for each in (kind, *get_args(kind)) if get_origin(each) is Literal), None)
    choices: tuple[Any, ...] = get_args(literal)
    if isinstance(kind, type) and issubclass(kind, Enum):
        choices = tuple(member.value for member in kind)
    if not choices:
        return str(error)
    meant = did_you_mean(str(found), map(str, choices))
    return f"expected one of {', '.join(map(str, choices))}, found {found!r}{meant}"


_BOUND: Final = re.compile(r"'(\w+)' must be (>=|<=) (\S+): (\S+)")
"""The words of the validators of attrs."""

_SETTING: Final = re.compile(r"(\w+): (.*)")
"""The words of our own validators: the name of the setting comes first."""

_NOTES: Final = (AttributeValidationNote, IterableValidationNote)
