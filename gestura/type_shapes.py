"""What a type looks like as JSON: the one place that knows which types gestura can describe to a model and read back.

`shape_of` tells of one type, not of those inside it. `json_schema` writes shapes down, `structuring` reads values by
them; that both match on the same shapes is why a value that fits the schema is one that can be read.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs
import msgspec

from gestura.docstrings import read_docstring
from gestura.errors import ConfigError

__all__ = [
    "SCALARS",
    "Array",
    "Choice",
    "Field",
    "Noted",
    "Object",
    "OneOf",
    "Scalar",
    "Shape",
    "Table",
    "shape_of",
    "type_name",
]

SCALARS: Final = (
    *(str, bool, int, float, type(None), bytes, uuid.UUID, decimal.Decimal),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
)
"""Types of one JSON value each; msgspec says how each is written."""

ARRAYS: Final[Mapping[object, Callable[..., Any]]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: tuple,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: tuple,
    collections.abc.Collection: tuple,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}
"""What is a JSON array, and what is made of one."""

TABLES: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


UNTOLD: Final = object()
"""No default, for `None` may be one."""


@attrs.frozen
class Scalar:
    """One JSON value, as msgspec writes the type; `Any` is every JSON value."""

    type: Any


@attrs.frozen
class Choice:
    """One of these values: a `Literal` or an enum. `results` are what each one stands for."""

    values: tuple[Any, ...]
    results: tuple[Any, ...]


@attrs.frozen
class Array:
    """A JSON array. `items` is the type of all of them, or a tuple with the type of each."""

    make: Callable[..., Any]
    items: Any


@attrs.frozen
class Table:
    """A JSON object whose keys are free."""

    values: Any


@attrs.frozen
class OneOf:
    """A union."""

    members: tuple[Any, ...]


@attrs.frozen
class Noted:
    """An `Annotated` type: its description, and what msgspec is to check."""

    base: Any
    description: str | None
    metas: tuple[msgspec.Meta, ...]

    @property
    def checked(self) -> Any:
        """A type for msgspec with the same notes, without what is inside `base`."""
        match shape_of(self.base):
            case Scalar(carrier):
                pass
            case Array():
                carrier = list
            case Table():
                carrier = dict
            case _:
                carrier = Any
        for meta in self.metas:
            carrier = Annotated[carrier, meta]
        return carrier


@attrs.frozen
class Field:
    """A property of an object. `default` is `UNTOLD` where there is none, or one that a factory makes."""

    name: str
    type: Any
    required: bool
    default: Any = UNTOLD
    description: str | None = None


@attrs.frozen
class Object:
    """An attrs class, a dataclass or a `TypedDict`: exactly these properties."""

    cls: type
    fields: tuple[Field, ...]


Shape = Scalar | Choice | Array | Table | OneOf | Noted | Object


def shape_of(type_: Any) -> Shape:
    """What values of a type look like as JSON.

    Args:
        type_: a scalar, `Any`, a `Literal`, an enum, a list, tuple, set or mapping, a union, an attrs class, a
            dataclass or a `TypedDict`; generic or plain, and `Annotated` with a description or `msgspec.Meta`.

    Raises:
        ConfigError: it is another one, or it names types that can't be found.
    """
    if isinstance(type_, NewType):
        return shape_of(type_.__supertype__)
    origin, arguments = get_origin(type_), get_args(type_)
    plain = origin or type_
    if type_ is Any or type_ in SCALARS or type_ is None:
        return Scalar(type_)
    if origin is Annotated:
        return _noted(arguments[0], arguments[1:])
    if origin is Literal:
        return Choice(arguments, arguments)
    if origin in (Union, types.UnionType):
        return OneOf(arguments)
    if plain in ARRAYS:
        return Array(ARRAYS[plain], _items(plain, arguments))
    if plain in TABLES:
        key, value = arguments or (str, Any)
        if key not in (str, Any):
            raise ConfigError(f"{type_name(type_)}: the keys of a JSON object are strings")
        return Table(value)
    if isinstance(plain, type):
        if issubclass(plain, enum.Enum):
            return Choice(tuple(member.value for member in plain), tuple(plain))
        if attrs.has(plain) or dataclasses.is_dataclass(plain) or typing.is_typeddict(plain):
            return Object(plain, tuple(_fields(plain, arguments)))
    raise ConfigError(
        f"{type_name(type_)}: no type of JSON; use str, int, float, bool, None, a Literal, an enum, a list, a dict, "
        "an attrs class, a dataclass or a TypedDict"
    )


def _items(array: object, arguments: tuple[Any, ...]) -> Any:
    match arguments:
        case ():
            return Any
        case (item,) if array is not tuple:
            return item
        case (item, more) if more is Ellipsis:
            return item
        case _:
            return arguments


def _noted(base: Any, notes: tuple[Any, ...]) -> Noted:
    description = next((note for note in notes if isinstance(note, str)), None)
    return Noted(base, description, tuple(note for note in notes if isinstance(note, msgspec.Meta)))


def _fields(cls: type, arguments: tuple[Any, ...]) -> Iterator[Field]:
    meanings = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False))
    notes = read_docstring(cls).arguments
    for field in _plain_fields(cls):
        description = field.description or notes.get(field.name)
        yield attrs.evolve(field, type=_with_meanings(field.type, meanings), description=description)


def _plain_fields(cls: type) -> Iterator[Field]:
    try:
        if attrs.has(cls):
            attrs.resolve_types(cls)
            yield from map(_attrs_field, filter(lambda attribute: attribute.init, attrs.fields(cls)))
            return
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ConfigError(f"{cls.__qualname__}: an annotation names {error.name!r}, which is not found") from error
    if dataclasses.is_dataclass(cls):
        yield from (_dataclass_field(each, hints[each.name]) for each in dataclasses.fields(cls) if each.init)
    else:
        yield from (_key(cls, name, hint) for name, hint in hints.items())


def _attrs_field(attribute: attrs.Attribute[Any]) -> Field:
    is_value = not isinstance(attribute.default, attrs.Factory | type(attrs.NOTHING))
    return Field(
        attribute.name,
        Any if attribute.type is None else attribute.type,
        required=attribute.default is attrs.NOTHING,
        default=attribute.default if is_value else UNTOLD,
        description=attribute.metadata.get("description"),
    )


def _dataclass_field(field: dataclasses.Field[Any], hint: Any) -> Field:
    return Field(
        field.name,
        hint,
        required=field.default is field.default_factory is dataclasses.MISSING,
        default=UNTOLD if field.default is dataclasses.MISSING else field.default,
        description=field.metadata.get("description"),
    )


def _key(cls: type, name: str, hint: Any) -> Field:
    """A key of a `TypedDict`. `__required_keys__` knows nothing of `Required` in annotations that are strings."""
    if get_origin(hint) in (Required, NotRequired):
        return Field(name, get_args(hint)[0], required=get_origin(hint) is Required)
    return Field(name, hint, required=name in cls.__required_keys__)  # type: ignore[attr-defined]  # all of them have it


def _with_meanings(hint: Any, meanings: Mapping[Any, Any]) -> Any:
    """`hint` with the type variables of a generic class replaced by what they stand for."""
    if isinstance(hint, TypeVar):
        return meanings.get(hint, Any)
    if parameters := getattr(hint, "__parameters__", ()) if get_origin(hint) else ():
        return hint[tuple(meanings.get(parameter, Any) for parameter in parameters)]
    return hint


def type_name(type_: Any) -> str:
    """A type in words for a person."""
    return type_.__name__ if isinstance(type_, type) and not get_args(type_) else str(type_).replace("typing.", "")
