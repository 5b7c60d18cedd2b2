"""`structure`: what a model wrote as JSON, read as a Python type. Strict, for models make mistakes and can mend them.

cattrs builds the objects. Each value must be of the type that `schema_of` asks for: nothing is converted, nothing
unknown passed over. Everything that is wrong is told at once, each with its path, in words for a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn, TypeVar, is_typeddict

import cattrs
import msgspec
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from gestura.errors import InvalidValue
from gestura.type_shapes import SCALARS, Array, Choice, Noted, Object, OneOf, Scalar, Table, shape_of, type_name

__all__ = ["parse_json", "structure"]

T = TypeVar("T")

LONGEST_SHOWN: Final = 40
"""Characters of a wrong value that are told back."""

NEARBY: Final = 20
"""Characters told on either side of the place where a text stops being JSON."""


def structure(value: Any, type_: type[T]) -> T:
    """A value of JSON as an instance of a type.

    Args:
        value: what `json.loads` gives.
        type_: one that `schema_of` takes.

    Raises:
        InvalidValue: the value is not of that type; the message names each place.
        ConfigError: the type is none of JSON's.

    >>> structure({"a": [1, 2]}, dict[str, list[int]])
    {'a': [1, 2]}
    >>> structure({"a": [1, "2"]}, dict[str, list[int]])
    Traceback (most recent call last):
    gestura.errors.InvalidValue: ['a'][1]: expected `int`, got `str`
    """
    try:
        return _converter.structure(value, type_)
    except (BaseValidationError, _Misfit) as error:
        raise InvalidValue("; ".join(_problems(error))) from error
    except RecursionError as error:
        raise InvalidValue("nested too deeply") from error


def parse_json(text: str) -> Any:
    """What a JSON text means, by the letter of RFC 8259.

    Raises:
        InvalidValue: it is no JSON; the message says what is wrong, and where.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        near = text[max(error.pos - NEARBY, 0) : error.pos + NEARBY]
        raise InvalidValue(f"not valid JSON: {error.msg} at {place}, near {near!r}") from error
    except RecursionError as error:
        raise InvalidValue("not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise InvalidValue(f"not valid JSON: {error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


class _Misfit(ValueError):
    """A value that is not of its type, in words for a model."""


Hook = Callable[[Any, Any], Any]


def _hook_for(type_: Any, converter: cattrs.Converter) -> Hook:
    shape = shape_of(type_)
    match shape:
        case Scalar():
            return _scalar
        case Choice():
            return lambda value, _: _chosen(value, shape)
        case Array():
            return lambda value, _: shape.make(_items(value, type_, shape, converter))
        case Table(inner):
            return lambda value, _: _table(value, type_, inner, converter)
        case OneOf(members):
            return lambda value, _: _one_of(value, members, converter)
        case Noted(base):
            return lambda value, _: _noted(value, shape, converter.structure(value, base))
        case Object(cls) if is_typeddict(cls):
            return lambda value, _: _typed_dict(_expect(value, dict, "an object"), shape, converter)
        case Object():
            build: Hook = make_dict_structure_fn(type_, converter, _cattrs_forbid_extra_keys=True)
            return lambda value, _: build(_expect(value, dict, "an object"), type_)


def _expect(value: Any, kind: type[T], words: str) -> T:
    if not isinstance(value, kind):
        raise _Misfit(f"expected {words}, got {_shown(value)}")
    return value


def _scalar(value: Any, type_: Any) -> Any:
    if type_ is int and isinstance(value, float) and value.is_integer():
        return int(value)  # some providers have only one kind of number
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        words = str(error)
        raise _Misfit(words[0].lower() + words[1:]) from error


def _chosen(value: Any, choice: Choice) -> Any:
    for each, result in zip(choice.values, choice.results, strict=True):
        if each == value and type(each) is type(value):  # True is no 1
            return result
    raise _Misfit(f"expected one of {', '.join(map(json.dumps, choice.values))}, got {_shown(value)}")


def _items(values: Any, type_: Any, array: Array, converter: cattrs.Converter) -> list[Any]:
    values = _expect(values, list, "an array")
    if isinstance(array.items, tuple) and len(values) != len(array.items):
        raise _Misfit(f"expected {len(array.items)} items, got {len(values)}")
    types = array.items if isinstance(array.items, tuple) else [array.items] * len(values)
    return _each(zip(range(len(values)), values, types, strict=True), type_, converter)


def _table(values: Any, type_: Any, inner: Any, converter: cattrs.Converter) -> dict[str, Any]:
    values = _expect(values, dict, "an object")
    entries = ((key, value, inner) for key, value in values.items())
    return dict(zip(values, _each(entries, type_, converter), strict=True))


def _typed_dict(values: dict[str, Any], shape: Object, converter: cattrs.Converter) -> dict[str, Any]:
    """By hand, for cattrs finds no `NotRequired` in annotations that are strings."""
    made: dict[str, Any] = {}
    errors: list[Exception] = []
    for field in shape.fields:
        try:
            if field.required or field.name in values:
                made[field.name] = converter.structure(values[field.name], field.type)
        except (BaseValidationError, _Misfit, KeyError) as error:
            error.add_note(AttributeValidationNote(f"in {field.name}", field.name, field.type))
            errors.append(error)
    if unknown := set(values) - {field.name for field in shape.fields}:
        errors.append(ForbiddenExtraKeysError(None, shape.cls, unknown))
    if errors:
        raise ClassValidationError("some keys do not fit", errors, shape.cls)
    return made


def _each(entries: Iterable[tuple[int | str, Any, Any]], type_: Any, converter: cattrs.Converter) -> list[Any]:
    """Entries of (index or key, value, type), structured; everything that is wrong with them in one exception."""
    made, errors = [], []
    for index, value, inner in entries:
        try:
            made.append(converter.structure(value, inner))
        except (BaseValidationError, _Misfit) as error:
            error.add_note(IterableValidationNote(f"in {index}", index, inner))
            errors.append(error)
    if errors:
        raise IterableValidationError("some items do not fit", errors, type_)
    return made


def _one_of(value: Any, members: tuple[Any, ...], converter: cattrs.Converter) -> Any:
    """The first member of a union that fits, but one of the value's own type before all others."""
    if type(value) in members:
        return converter.structure(value, type(value))
    failures = {}
    for member in members:
        try:
            return converter.structure(value, member)
        except (BaseValidationError, _Misfit) as error:
            failures[member] = error
    told = {member: error for member, error in failures.items() if member is not type(None)}
    if len(told) == 1:
        raise next(iter(told.values()))
    raise _Misfit(
        "fits none of: " + ", ".join(f"{type_name(each)} ({'; '.join(_problems(told[each]))})" for each in told)
    )


def _noted(value: Any, noted: Noted, made: Any) -> Any:
    if noted.metas:
        _scalar(value, noted.checked)
    return made


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook_factory(lambda _type: True)(_hook_for)
    for scalar in SCALARS:  # cattrs knows some of them by name, which comes before all factories
        converter.register_structure_hook(scalar, _scalar)
    return converter


_converter: Final = _make_converter()


def _problems(error: BaseException) -> Iterator[str]:
    """Everything that is wrong, each with its path in front."""
    for problem in cattrs.transform_error(error, format_exception=_words):
        words, _, path = problem.rpartition(" @ $")
        path = path.removeprefix(".")
        yield f"{path}: {words}" if path else words


def _words(error: BaseException, _type: Any) -> str:
    match error:
        case KeyError():
            return "missing"
        case ForbiddenExtraKeysError(extra_fields=names):
            return f"unknown: {', '.join(sorted(names))}"
        case _:
            return str(error)  # of this module, or of the class itself, which has refused the value


def _shown(value: Any) -> str:
    words = json.dumps(value, ensure_ascii=False)
    return words if len(words) <= LONGEST_SHOWN else f"{words[:LONGEST_SHOWN]}…"
