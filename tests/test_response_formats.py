"""The shape that an answer shall have: from a class or a JSON Schema, such that providers can hold a model to it."""

from __future__ import annotations

import copy
import dataclasses
import decimal
import json
from typing import Annotated, Any, Literal, TypedDict

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.chunk_json import from_json, to_json
from gestura.chunks import Paused
from gestura.conversation import Request
from gestura.errors import ConfigError, ErrorKind
from gestura.messages import user
from gestura.request_options import ResponseFormat
from gestura.response_formats import response_format


@attrs.frozen
class Ingredient:
    """Something to buy.

    Args:
        amount: with its unit.
    """

    name: str
    amount: str | None = None
    default: int = 1


@attrs.frozen
class Recipe:
    """How to cook a dish."""

    title: str
    ingredients: list[Ingredient] = attrs.field(factory=list)
    difficulty: Literal["easy", "hard"] = "easy"


@attrs.frozen
class Step:
    text: str
    then: list[Step] = attrs.field(factory=list)
    note: Annotated[Step | None, "said beside it"] = None


class Point(TypedDict, total=False):
    x: float


@dataclasses.dataclass
class Measured:
    share: Annotated[float, msgspec.Meta(ge=0, le=1)]


INGREDIENT = {
    "type": "object",
    "description": "Something to buy.",
    "properties": {
        "name": {"type": "string"},
        "amount": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "with its unit."},
        "default": {"type": "integer"},
    },
    "required": ["name", "amount", "default"],
    "additionalProperties": False,
}


def test_a_class_is_asked_for_in_strict_form() -> None:
    """Every field is required, in its order, at each depth; no defaults; the class gives name and description."""
    expected = ResponseFormat(
        name="Recipe",
        description="How to cook a dish.",
        schema={
            "type": "object",
            "description": "How to cook a dish.",
            "properties": {
                "title": {"type": "string"},
                "ingredients": {"type": "array", "items": INGREDIENT},
                "difficulty": {"enum": ["easy", "hard"], "type": "string"},
            },
            "required": ["title", "ingredients", "difficulty"],
            "additionalProperties": False,
        },
        strict=True,
    )

    assert expected == response_format(Recipe)


def test_nothing_stands_beside_a_reference() -> None:
    """As strict mode wants it."""
    made = response_format(Step)
    step = {"$ref": "#/$defs/Step"}

    assert made.strict
    assert {"anyOf": [step, {"type": "null"}], "description": "said beside it"} == made.schema["properties"]["note"]
    assert {"type": "array", "items": step} == made.schema["$defs"]["Step"]["properties"]["then"]
    assert ["text", "then", "note"] == made.schema["$defs"]["Step"]["required"]


@attrs.frozen
class WithTable:
    table: dict[str, int]


@attrs.frozen
class WithPair:
    pair: tuple[int, str]


@attrs.frozen
class WithAnything:
    things: list[Any]


@attrs.frozen
class WithBytes:
    data: bytes


@attrs.frozen
class WithDecimal:
    price: decimal.Decimal


@attrs.frozen
class WithShort:
    word: Annotated[str, msgspec.Meta(max_length=3)]


@pytest.mark.parametrize(
    ("shape", "strict"),
    [
        (Recipe, True),
        (Step, True),
        (Point, True),
        (Measured, True),
        (WithTable, False),
        (WithPair, False),
        (WithAnything, False),
        (WithBytes, False),
        (WithDecimal, False),
        (WithShort, False),
        (dict[str, Any], False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}, "required": [], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, False),
        ({"type": "object", "properties": 3, "required": [], "additionalProperties": False}, False),
        ({"type": "object", "properties": {}, "required": [], "additionalProperties": False, "$defs": []}, False),
        ({"type": "object", "oneOf": []}, False),
    ],
)
def test_strict_where_strict_mode_can_say_it(shape: Any, strict: bool) -> None:
    """What it can't express is asked for without it, for it would be refused."""
    assert strict is response_format(shape).strict


def test_a_schema_of_ones_own_is_sent_as_it_is() -> None:
    """It is not changed, and may name and describe itself."""
    schema = {"title": "Shopping list", "description": "What to buy.", "type": "object", "default": {}}
    before = copy.deepcopy(schema)
    made = response_format(schema)

    assert ResponseFormat(name="Shopping_list", description="What to buy.", schema=before, strict=False) == made
    assert "x" * 64 == response_format({"title": "x" * 65, "type": "object"}).name


def test_all_of_it_can_be_told() -> None:
    """A name, a description and strictness of one's own win."""
    made = response_format(Recipe, name="dish", description="Short.", strict=False)

    assert ("dish", "Short.", False) == (made.name, made.description, made.strict)


@pytest.mark.parametrize("shape", [Recipe, {"type": "object"}, response_format(Recipe, name="dish")])
def test_a_request_takes_each(shape: Any) -> None:
    """A class, a schema, or a format; it keeps a format."""
    request = Request(messages=[user("Hi")], response_format=shape)

    assert request.response_format == (shape if isinstance(shape, ResponseFormat) else response_format(shape))
    assert request == Request.of("Hi", response_format=shape)
    assert request == Request.of(Request.of("Hi", response_format=Step), response_format=shape)
    assert request == Request.of(request)


@pytest.mark.parametrize("shape", [Recipe, Step, WithTable, {"type": "object"}])
def test_a_paused_request_keeps_its_format(shape: Any) -> None:
    """Written as JSON and read again, in a process that may not have the class."""
    paused = Paused(request=Request(messages=[user("Hi")], response_format=shape))

    assert paused == from_json(json.loads(json.dumps(to_json(paused))))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (list[Recipe], r"response_format: list\[.*Recipe\] is no object in JSON"),
        (str, "response_format: str is no object in JSON"),
        (complex, "response_format: complex: no type of JSON"),
        (5, "response_format: "),
        ({"type": "array"}, r'response_format.schema: a JSON Schema with "type": "object"'),
        (ResponseFormat(name="a b", schema={"type": "object"}), "response_format.name"),
    ],
)
def test_what_can_be_no_format_is_refused(shape: Any, words: str) -> None:
    """When the request is made, with what would do instead."""
    with pytest.raises(ConfigError, match=words) as caught:
        Request(messages=[user("Hi")], response_format=shape)

    assert ErrorKind.BAD_REQUEST is caught.value.kind


@given(
    st.recursive(
        st.none() | st.just({}) | st.integers(),
        lambda inner: st.dictionaries(
            st.sampled_from(["type", "properties", "required", "items", "anyOf", "$defs", "format", "a"]),
            inner | st.lists(inner) | st.sampled_from(["object", "string", ["object"], False]),
        ),
    ).filter(lambda schema: isinstance(schema, dict))
)
def test_any_schema_is_passed_on(schema: dict[str, Any]) -> None:
    """What is wrong with it is for the provider to say."""
    assert schema == response_format(schema).schema
