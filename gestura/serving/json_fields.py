"""Reading a JSON object field by field, so that each mistake is told with its path, and no field is passed over.

What nobody asks for, by `take`, is refused at the end, by `close`: a caller who misspells a setting shall hear of it.
`null` is as good as nothing, which is how OpenAI's own packages write what is not set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar, overload

from gestura.nearest_names import did_you_mean
from gestura.serving.refused import Refused

__all__ = ["Fields", "spot", "take_stop", "wrong"]

T = TypeVar("T")

KINDS: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "an array",
    dict: "an object",
}

SHOWN: Final = 60
"""Characters that an error repeats of a value."""


def wrong(path: str, problem: str) -> Refused:
    """What the caller is told of a body that is wrong there."""
    return Refused(f"{path}: {problem}" if path else problem, path=path or None)


def spot(path: str, name: str | int) -> str:
    """The path of a field or an element.

    >>> spot(spot("", "messages"), 2)
    'messages[2]'
    """
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name


class Fields:
    """The fields of one object.

    Args:
        path: where it is in the body; `""` is the body itself.
        value: what is there.

    Raises:
        Refused: it is no object.
    """

    def __init__(self, path: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise wrong(path, f"expected an object, found {_found(value)}")
        self.path = path
        self._left: dict[str, Any] = {name: held for name, held in value.items() if held is not None}
        self._asked: set[str] = set()

    @overload
    def take(self, name: str, kind: type[T]) -> T | None: ...

    @overload
    def take(self, name: str, kind: type[T], default: T) -> T: ...

    def take(self, name: str, kind: type[T], default: T | None = None) -> T | None:
        """The value of a field.

        Args:
            name: the field.
            kind: `str`, `bool`, `int`, `float` (which an integer is, too), `list` or `dict`.
            default: what it is where it is not there.

        Raises:
            Refused: it is something else.
        """
        value = self.take_any(name)
        if value is None:
            return default
        right = type(value) in (int, float) if kind is float else type(value) is kind
        if not right:
            raise wrong(self.at(name), f"expected {KINDS[kind]}, found {_found(value)}")
        return value  # type: ignore[no-any-return]

    def take_any(self, name: str) -> Any:
        """The value of a field, whatever it is; `None` where it is not there."""
        self._asked.add(name)
        return self._left.pop(name, None)

    def need(self, name: str, kind: type[T]) -> T:
        """The value of a field that has to be there.

        Raises:
            Refused: it is not, or is something else.
        """
        value = self.take(name, kind)
        if value is None:
            raise wrong(self.at(name), f"is missing; expected {KINDS[kind]}")
        return value

    def only(self, name: str, admitted: Collection[Any]) -> None:
        """See to it that a field that can't be obeyed asks for nothing.

        Raises:
            Refused: its value is none of those that do.
        """
        value = self.take_any(name)
        if value is not None and value not in admitted:
            asked = "this" if isinstance(value, dict | list) else _found(value)
            raise wrong(self.at(name), f"{asked} can't be asked for here; leave it out")

    def close(self) -> None:
        """Nothing may be left.

        Raises:
            Refused: a field is not known.
        """
        for name in self._left:
            raise wrong(self.at(name[:SHOWN]), f"there is no such field{did_you_mean(name, self._asked)}")

    def at(self, name: str) -> str:
        """The path of a field of this object."""
        return spot(self.path, name)


def take_stop(fields: Fields) -> tuple[str, ...]:
    """The field `stop`: what ends an answer, one string or several.

    Raises:
        Refused: it is neither.
    """
    stop = fields.take_any("stop")
    each = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(each, list) or not all(isinstance(word, str) for word in each):
        raise wrong(fields.at("stop"), "expected a string or an array of strings")
    return tuple(each)


def _found(value: Any) -> str:
    """A value in a few words: scalars as they are, others by their kind."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str() if len(value) <= SHOWN:
            return repr(value)
        case int() | float() if len(text := str(value)) <= SHOWN:
            return text
        case _:
            return KINDS.get(type(value), type(value).__name__)
