"""What a model is told of a Python type, and how what it writes is read: strictly, with every mistake named."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import uuid
from contextlib import suppress
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from attrs.validators import min_len
from hypothesis import given
from hypothesis import strategies as st

from gestura.errors import ConfigError, InvalidValue
from gestura.json_schema import schema_of
from gestura.structuring import parse_json, structure

T = TypeVar("T")
UserId = NewType("UserId", int)
Percent = Annotated[float, msgspec.Meta(ge=0, le=100, description="a share")]


class Unit(enum.Enum):
    METRE = "m"
    FOOT = "ft"


class Rank(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Place:
    """Where something is.

    Args:
        name: what it is called,
            over two lines.
        tags: words.
    """

    name: str = attrs.field(validator=min_len(1))
    height: Annotated[float, "above the sea"] = 0.0
    unit: Unit = Unit.METRE
    tags: list[str] = attrs.field(factory=list)
    _seen: int = attrs.field(default=0, init=False)


@attrs.frozen
class Tree:
    label: str
    children: tuple[Tree, ...] = ()
    parent: Optional[Tree] = None  # noqa: UP045  # both spellings are read


@dataclasses.dataclass(frozen=True)
class Circle:
    radius: int = dataclasses.field(metadata={"description": "in metres"})


@dataclasses.dataclass(frozen=True)
class Square:
    side: int
    name: str | None = None


class Options(TypedDict):
    depth: int
    follow: NotRequired[bool]


@attrs.frozen
class Page(Generic[T]):
    items: list[T]
    more: T | None = None


class Pair(NamedTuple):
    left: int
    right: int


NAME = {"type": "string", "description": "what it is called, over two lines."}
PLACE = {
    "type": "object",
    "description": "Where something is.",
    "properties": {
        "name": NAME,
        "height": {"type": "number", "description": "above the sea", "default": 0.0},
        "unit": {"enum": ["m", "ft"], "type": "string", "default": "m"},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "words."},
    },
    "required": ["name"],
    "additionalProperties": False,
}
TREE = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "default": []},
        "parent": {"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}], "default": None},
    },
    "required": ["label"],
    "additionalProperties": False,
}
CIRCLE = {
    "type": "object",
    "properties": {"radius": {"type": "integer", "description": "in metres"}},
    "required": ["radius"],
    "additionalProperties": False,
}
OPTIONS = {
    "type": "object",
    "properties": {"depth": {"type": "integer"}, "follow": {"type": "boolean"}},
    "required": ["depth"],
    "additionalProperties": False,
}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        (str, {"type": "string"}),
        (int, {"type": "integer"}),
        (bool, {"type": "boolean"}),
        (None, NULL),
        (Any, {}),
        (UserId, {"type": "integer"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (Literal["b", "a"], {"enum": ["b", "a"], "type": "string"}),
        (Literal["b", 1, True], {"enum": ["b", 1, True]}),
        (Unit, {"enum": ["m", "ft"], "type": "string"}),
        (Rank, {"enum": [1, 2], "type": "integer"}),
        (int | None, {"anyOf": [{"type": "integer"}, NULL]}),
        (list, {"type": "array", "items": {}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        ),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Percent, {"type": "number", "minimum": 0, "maximum": 100, "description": "a share"}),
        (
            Annotated[list[int], msgspec.Meta(max_length=2)],
            {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
        ),
        (Place, PLACE),
        (Circle, CIRCLE),
        (Options, OPTIONS),
        (list[Circle], {"type": "array", "items": CIRCLE}),
        (Annotated[Circle, "round"], CIRCLE | {"description": "round"}),
        (Tree, TREE | {"$defs": {"Tree": TREE}}),
        (list[Tree], {"type": "array", "items": {"$ref": "#/$defs/Tree"}, "$defs": {"Tree": TREE}}),
        (
            Page[int],
            {
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": {"type": "integer"}},
                    "more": {"anyOf": [{"type": "integer"}, NULL], "default": None},
                },
                "required": ["items"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_a_type_has_a_schema(type_: Any, schema: dict[str, Any]) -> None:
    """Written out in place, in the order of the source, with descriptions and defaults; it is JSON."""
    made = schema_of(type_)

    assert schema == made
    assert schema == json.loads(json.dumps(made))
    assert list(schema.get("properties", ())) == list(made.get("properties", ()))


def test_what_names_a_class_that_is_not_there_is_refused() -> None:
    """As with classes that exist only for type checkers."""

    @attrs.frozen
    class Lost:
        place: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match=r"Lost.*'Nowhere'"):
        schema_of(Lost)


@attrs.frozen
class Bad:
    inner: list[dict[str, complex]]


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (object, "object: no type of JSON"),
        (Pair, "Pair: no type of JSON"),
        (dict[int, str], "keys"),
        (Bad, r"inner\[\]\{\}: complex: no type of JSON"),
        (Annotated[Circle, msgspec.Meta(ge=1)], "Circle: Can only set `ge` on a numeric type"),
        (Literal[b"x"], "not all of these are values of JSON"),
    ],
)
def test_what_json_does_not_know_is_refused(type_: Any, words: str) -> None:
    """When the schema is made, with the place in front."""
    with pytest.raises(ConfigError, match=words):
        schema_of(type_)


@pytest.mark.parametrize(
    ("type_", "value", "result"),
    [
        (int, 3.0, 3),
        (float, 3, 3.0),
        (Any, [1, {}], [1, {}]),
        (Unit, "ft", Unit.FOOT),
        (Literal[1], 1, 1),
        (set[int], [1, 1], {1}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Place, {"name": "x", "unit": "ft", "tags": ["y"]}, Place("x", unit=Unit.FOOT, tags=["y"])),
        (Tree, {"label": "a", "children": [{"label": "b"}]}, Tree("a", (Tree("b"),))),
        (Options, {"depth": 1}, {"depth": 1}),
        (Circle | Square, {"side": 1}, Square(1)),
        (Circle | Square | None, None, None),
        (Page[Circle], {"items": [{"radius": 1}]}, Page([Circle(1)])),
        (str | int, 5, 5),
        (bytes, "YQ==", b"a"),
    ],
)
def test_a_value_that_fits_is_read(type_: Any, value: Any, result: Any) -> None:
    """As what the type says."""
    assert result == structure(value, type_)


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        (int, True, "expected `int`, got `bool`"),
        (int, 3.5, "expected `int`, got `float`"),
        (str, 3, "expected `str`, got `int`"),
        (Literal[1], True, "expected one of 1, got true"),
        (Unit, "yard", 'expected one of "m", "ft", got "yard"'),
        (list[str], "abc", 'expected an array, got "abc"'),
        (Percent, 101, "expected `float` <= 100.0"),
        (list[int], [1, "x"], "[1]: expected `int`, got `str`"),
        (dict[str, int], {"a": "x"}, "['a']: expected `int`, got `str`"),
        (tuple[int, str], [1], "expected 2 items, got 1"),
        (Place, {}, "name: missing"),
        (Place, {"name": "x", "size": 1, "age": 2}, "unknown: age, size"),
        (Place, {"name": 1, "tags": [1]}, "name: expected `str`, got `int`; tags[0]: expected `str`, got `int`"),
        (Place, "x", 'expected an object, got "x"'),
        (Tree, {"label": "a", "children": [{"label": "b", "parent": {}}]}, "children[0].parent.label: missing"),
        (Options, {"follow": 1}, "depth: missing; follow: expected `bool`, got `int`"),
        (int | None, "x", "expected `int`, got `str`"),
        (
            Circle | Square,
            {"side": "x"},
            "fits none of: Circle (radius: missing; unknown: side), Square (side: expected `int`, got `str`)",
        ),
        (Any, {"name": ""}, None),
    ],
)
def test_a_value_that_does_not_fit_is_refused(type_: Any, value: Any, words: str | None) -> None:
    """All that is wrong, each with its place, and nothing is converted or passed over."""
    if words is None:
        assert value == structure(value, type_)
        return
    with pytest.raises(InvalidValue) as caught:
        structure(value, type_)

    assert words == str(caught.value)


def test_what_the_class_itself_refuses_is_told() -> None:
    """Validators of a class speak in their own words."""
    with pytest.raises(InvalidValue, match=r"Length of 'name' must be >= 1"):
        structure({"name": ""}, Place)


TREES = st.recursive(
    st.builds(Tree, st.text()),
    lambda inner: st.builds(Tree, st.text(), st.lists(inner, max_size=2).map(tuple), st.none() | inner),
    max_leaves=5,
)
VALUES = st.one_of(
    st.tuples(st.just(Tree), TREES),
    st.tuples(st.just(dict[str, Unit | int]), st.dictionaries(st.text(), st.sampled_from(Unit) | st.integers())),
    st.tuples(st.just(Circle | Square), st.builds(Circle, st.integers()) | st.builds(Square, st.integers())),
    st.tuples(st.just(Page[uuid.UUID]), st.builds(Page, st.lists(st.uuids()), st.none() | st.uuids())),
)


@given(VALUES)
def test_what_is_written_can_be_read(typed: tuple[Any, Any]) -> None:
    """An instance, written as JSON and read again, is equal to itself."""
    type_, value = typed

    assert value == structure(parse_json(msgspec.json.encode(value).decode()), type_)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["name", "tags", "label"]), inner),
)


@given(st.sampled_from([Place, Tree, Options, Circle | Square, Page[Place], dict[str, Percent]]), JSON)
def test_any_json_is_read_or_refused(type_: Any, value: Any) -> None:
    """With no other exception than the one that is told to the model."""
    with suppress(InvalidValue):
        structure(value, type_)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"city": "Oslo"', r"line 1, column 16, near '\{\"city\": \"Oslo\"'"),
        ("{'city': 1}", "property name enclosed in double quotes at line 1, column 2"),
        ('{"a": 1}\n{"b": 2}', "Extra data at line 2, column 1"),
        ('{"a": NaN}', "NaN is no JSON value"),
        ("", "line 1, column 1"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "digits"),
    ],
)
def test_what_is_no_json_is_refused(text: str, words: str) -> None:
    """With the place, and a little of what stands there."""
    with pytest.raises(InvalidValue, match="not valid JSON: .*" + words):
        parse_json(text)
