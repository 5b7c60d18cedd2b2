"""`schema_of`: a Python type as the JSON Schema that a model is given, for the arguments of tools and for answers.

Classes are written out where they stand, since small models and some servers read no `$ref`; only one that contains
itself goes to `$defs`. Objects admit no other keys than theirs, which is also what `structuring` holds a value to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gestura.docstrings import read_docstring
from gestura.errors import ConfigError
from gestura.type_shapes import UNTOLD, Array, Choice, Field, Noted, Object, OneOf, Scalar, Table, shape_of, type_name

__all__ = ["schema_of"]

JSON_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def schema_of(type_: Any) -> dict[str, Any]:
    """The JSON Schema of the values of a type.

    Descriptions come from the docstrings of classes, their `Args:` or `Attributes:` included, from
    `Annotated[int, "words"]` and from `metadata={"description": "words"}` of a field. Limits are set by
    `Annotated[int, msgspec.Meta(ge=1)]`.

    Args:
        type_: a scalar, a `Literal`, an enum, a list, tuple, set or mapping, a union, an attrs class, a dataclass or a
            `TypedDict`.

    Raises:
        ConfigError: JSON knows nothing like it; the message says where, and what would do instead.

    >>> schema_of(list[int | None])
    {'type': 'array', 'items': {'anyOf': [{'type': 'integer'}, {'type': 'null'}]}}
    """
    writer = _Writer()
    schema = writer.schema(type_, "")
    if not writer.definitions:
        return schema
    root = writer.definitions.get(schema.get("$ref", "").removeprefix("#/$defs/"), schema)  # itself an object
    return {**root, "$defs": writer.definitions}


class _Writer:
    """Writes one schema. `definitions` are the classes that contain themselves, by name."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._names: dict[Any, str] = {}
        self._open: list[Any] = []

    def schema(self, type_: Any, path: str) -> dict[str, Any]:
        try:
            shape = shape_of(type_)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}" if path else str(error)) from error
        match shape:
            case Scalar(scalar):
                return msgspec.json.schema(scalar)
            case Choice(values):
                return _enumerated(values)
            case Array(items=tuple() as items):
                prefix = [self.schema(item, f"{path}[{position}]") for position, item in enumerate(items)]
                return {"type": "array", "prefixItems": prefix, "minItems": len(items), "maxItems": len(items)}
            case Array(items=item, make=make):
                unique = {"uniqueItems": True} if make in (set, frozenset) else {}
                return {"type": "array", "items": self.schema(item, f"{path}[]")} | unique
            case Table(value):
                return {"type": "object", "additionalProperties": self.schema(value, f"{path}{{}}")}
            case OneOf(members):
                return {"anyOf": [self.schema(member, path) for member in members]}
            case Noted():
                return self._noted(shape, path)
            case Object():
                return self._class(type_, shape, path)

    def _class(self, type_: Any, shape: Object, path: str) -> dict[str, Any]:
        if type_ in self._open and type_ not in self._names:
            self._names[type_] = self._free_name(shape.cls.__name__)
        if type_ in self._names:
            return {"$ref": f"#/$defs/{self._names[type_]}"}
        self._open.append(type_)
        written = self._object(shape, path)
        self._open.pop()
        if type_ not in self._names:
            return written
        self.definitions[self._names[type_]] = written
        return {"$ref": f"#/$defs/{self._names[type_]}"}

    def _object(self, shape: Object, path: str) -> dict[str, Any]:
        description = read_docstring(shape.cls).description
        return {
            "type": "object",
            **({"description": description} if description else {}),
            "properties": {field.name: self._property(field, path) for field in shape.fields},
            "required": [field.name for field in shape.fields if field.required],
            "additionalProperties": False,
        }

    def _property(self, field: Field, path: str) -> dict[str, Any]:
        place = f"{path}.{field.name}" if path else field.name
        written = self.schema(field.type, place)
        if field.description:  # it stands nearer than the words of the type
            written = written | {"description": field.description}
        if field.default is not UNTOLD:
            written = written | {"default": _plain(field.default, place)}
        return written

    def _noted(self, noted: Noted, path: str) -> dict[str, Any]:
        written = self.schema(noted.base, path)
        if noted.metas:
            try:
                written = msgspec.json.schema(noted.checked) | written
            except TypeError as error:
                raise ConfigError(f"{path or type_name(noted.base)}: {error}") from error
        return written | {"description": noted.description} if noted.description else written

    def _free_name(self, name: str) -> str:
        taken = set(self._names.values())
        return next(each for each in (name, *(f"{name}{n}" for n in range(2, len(taken) + 3))) if each not in taken)


def _enumerated(values: tuple[Any, ...]) -> dict[str, Any]:
    """The values in the order in which they were written, with their type where all are of one."""
    kinds = {JSON_TYPES.get(type(value)) for value in values}
    if None in kinds:
        raise ConfigError(f"{json.dumps(list(map(repr, values)))}: not all of these are values of JSON")
    return {"enum": list(values)} | ({"type": kinds.pop()} if len(kinds) == 1 else {})


def _plain(default: Any, place: str) -> Any:
    try:
        return msgspec.json.decode(msgspec.json.encode(default))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{place}: its default can't be written as JSON: {error}") from error
