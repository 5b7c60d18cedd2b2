"""`@tool`: a typed function becomes what a model is told, and what the model writes becomes its arguments."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from typing import Any

import attrs
import pytest

import gestura
from gestura.chunk_json import from_json, to_json
from gestura.chunks import Paused
from gestura.errors import ConfigError, InvalidValue
from gestura.parts import ImagePart, ResultPart, TextPart
from gestura.tools import FunctionTool, as_tools, result_parts, tool


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


@attrs.frozen
class Place:
    """Somewhere.

    Args:
        country: as in ISO 3166.
    """

    city: str
    country: str = "NO"


@tool
async def get_weather(place: Place, unit: Unit = Unit.CELSIUS, *, days: int | None = None) -> str:
    """The weather forecast.

    For any place on earth.

    Args:
        place: where.
        days: how far into
            the future.

    Returns:
        What nobody needs to be told.
    """
    return f"{place.city} {place.country} {unit.value} {days}"


PARAMETERS = {
    "type": "object",
    "properties": {
        "place": {
            "type": "object",
            "description": "where.",
            "properties": {
                "city": {"type": "string"},
                "country": {"type": "string", "description": "as in ISO 3166.", "default": "NO"},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
        "unit": {"enum": ["c", "f"], "type": "string", "default": "c"},
        "days": {
            "anyOf": [{"type": "integer"}, {"type": "null"}],
            "description": "how far into the future.",
            "default": None,
        },
    },
    "required": ["place"],
    "additionalProperties": False,
}


def test_a_function_tells_all_there_is_to_tell() -> None:
    """Its name, its docstring without the sections, and its parameters as a schema."""
    assert "get_weather" == get_weather.name
    assert "The weather forecast.\n\nFor any place on earth." == get_weather.description
    assert PARAMETERS == get_weather.parameters


async def test_a_tool_is_still_the_function() -> None:
    """It can be called as before."""
    assert "Oslo NO c None" == await get_weather(Place("Oslo"))


async def test_arguments_come_as_the_function_takes_them() -> None:
    """Classes and enums are made, defaults filled in."""
    arguments = get_weather.read_arguments('{"place": {"city": "Rome", "country": "IT"}, "unit": "f"}')

    assert {"place": Place("Rome", "IT"), "unit": Unit.FAHRENHEIT, "days": None} == arguments


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "not valid JSON: Expecting value at line 1, column 1"),
        ('{"place": {"city": "Oslo"}', "not valid JSON: Expecting ',' delimiter at line 1, column 27"),
        ("[]", "the arguments of a tool are a JSON object"),
        ("{}", "place: missing"),
        ('{"place": {"town": "Oslo"}}', "place.city: missing; place: unknown: town"),
        ('{"place": {"city": "Oslo"}, "hours": 3}', "unknown: hours"),
        ('{"place": {"city": "Oslo"}, "unit": "k"}', 'unit: expected one of "c", "f", got "k"'),
        ('{"place": {"city": "Oslo"}, "days": "3"}', "days: expected `int`, got `str`"),
    ],
)
def test_wrong_arguments_are_told(written: str, words: str) -> None:
    """What is wrong and where, in words that a model can mend it by."""
    with pytest.raises(InvalidValue) as caught:
        get_weather.read_arguments(written)

    assert str(caught.value).startswith(words)


def test_a_tool_has_options() -> None:
    """They come with the decorator's parentheses."""

    @tool(name="rm", description="Delete it.", timeout=3, confirm=True, risk_level="high", category="files")
    def delete(path: str) -> None:
        """Not told."""

    assert ("rm", "Delete it.", 3, True) == (delete.name, delete.description, delete.timeout, delete.confirm)
    assert ("high", "files") == (delete.risk_level, delete.category)


def undocumented(x: int) -> int:
    return x


class Shop:
    def buy(self, item: str, amount: int = 1) -> None:
        """Buy it."""

    def __call__(self, item: str) -> None:
        """Sell it."""


@pytest.mark.parametrize(
    ("function", "name", "description", "parameters"),
    [
        (undocumented, "undocumented", "", ["x"]),
        (Shop().buy, "buy", "Buy it.", ["item", "amount"]),
        (Shop(), "Shop", "Sell it.", ["item"]),
        (functools.partial(Shop().buy, amount=2), "buy", "Buy it.", ["item"]),
        (functools.partial(Shop.buy, Shop(), "bread"), "buy", "Buy it.", ["amount"]),
    ],
)
def test_anything_that_is_called_can_be_a_tool(
    function: Callable[..., Any], name: str, description: str, parameters: list[str]
) -> None:
    """Plain functions, methods of objects, objects, and functions that were given a part of their arguments."""
    made = tool(function)

    assert made.parameters is not None
    assert (name, description, parameters) == (made.name, made.description, list(made.parameters["properties"]))


def untyped(x) -> None: ...  # type: ignore[no-untyped-def]
def of_complex(x: complex) -> None: ...
def nested(x: list[dict[int, str]]) -> None: ...
def positional(x: int, /) -> None: ...
def many(*x: int) -> None: ...
def named(**x: int) -> None: ...
def lost(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def strange_default(x: int = object()) -> None: ...  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (untyped, "tool untyped: parameter x: it needs a type"),
        (of_complex, "tool of_complex: x: complex: no type of JSON"),
        (nested, "tool nested: x[]: dict[int, str]: the keys of a JSON object are strings"),
        (positional, "tool positional: parameter x: a model gives every argument by its name"),
        (many, "tool many: parameter x: a model gives every argument by its name"),
        (named, "tool named: parameter x: a model gives every argument by its name"),
        (lost, "tool lost: an annotation names 'Nowhere', which is not found"),
        (max, "tool max: no signature found"),
        (Place, "tool Place: a class is no function"),
        (strange_default, "tool strange_default: x: its default can't be written as JSON"),
    ],
)
def test_a_function_that_can_not_be_a_tool_is_refused(function: Callable[..., Any], words: str) -> None:
    """When it is made one, and not when a model calls it."""
    with pytest.raises(ConfigError) as caught:
        tool(function)

    assert str(caught.value).startswith(words)


PICTURE = ImagePart(data=b"GIF8", media_type="image/gif")


@pytest.mark.parametrize(
    ("returned", "parts"),
    [
        ("as it is", (TextPart("as it is"),)),
        ("", (TextPart(""),)),
        (None, (TextPart("null"),)),
        ({"a": [1, Unit.CELSIUS]}, (TextPart('{"a":[1,"c"]}'),)),
        (Place("Oslo"), (TextPart('{"city":"Oslo","country":"NO"}'),)),
        (["a", "b"], (TextPart('["a","b"]'),)),
        ([], (TextPart("[]"),)),
        (PICTURE, (PICTURE,)),
        (["see:", PICTURE, 3], (TextPart("see:"), PICTURE, TextPart("3"))),
    ],
)
def test_what_a_function_returns_becomes_parts(returned: Any, parts: tuple[ResultPart, ...]) -> None:
    """Strings and parts as they are, all else as JSON."""
    assert parts == result_parts(returned)


def test_what_is_no_json_is_no_result() -> None:
    """The function has to make something of it."""
    with pytest.raises(TypeError, match="object"):
        result_parts(object())


def test_a_request_takes_tools_in_any_form() -> None:
    """Tools, functions, and dicts as a provider writes them."""
    plain = gestura.Tool(name="plain")
    written = {"name": "written", "input_schema": {"type": "object"}}
    request = gestura.Request(messages=(gestura.user("Hi"),), tools=[plain, get_weather, undocumented, written])

    assert ["plain", "get_weather", "undocumented", "written"] == [each.name for each in request.tools]
    assert request.tools[0] is plain
    assert isinstance(request.tools[2], FunctionTool)


def test_what_is_no_tool_is_refused_with_its_place() -> None:
    """As everything else in a request."""
    with pytest.raises(ConfigError, match=r"tools\[1\]: a gestura.Tool, not int"):
        gestura.Request(messages=(gestura.user("Hi"),), tools=[get_weather, 5])


def test_functions_stay_at_home() -> None:
    """A paused stream goes to JSON with what is told of its tools; the functions come back with the next run."""
    request = gestura.Request(messages=(gestura.user("Hi"),), tools=as_tools([get_weather]))
    back = from_json(to_json(Paused(request=request)))

    assert isinstance(back, Paused)
    assert back.request is not None
    assert not isinstance(back.request.tools[0], FunctionTool)
    assert ("get_weather", PARAMETERS) == (back.request.tools[0].name, back.request.tools[0].parameters)


def test_wrapped_functions_keep_their_signature() -> None:
    """A decorator that uses `functools.wraps` does no harm."""

    @functools.wraps(undocumented)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return undocumented(*args, **kwargs)

    assert {"x": 1} == tool(wrapper).read_arguments('{"x": 1}')
