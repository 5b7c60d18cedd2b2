"""`@gestura.tool`: a typed Python function as a tool that a model can call, in `Client.run`.

Its signature is the schema and its docstring the description, so there is one place where a tool is told. What a model
writes is held to the signature before the function runs. How it is run is `gestura._agent`'s.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, get_args, get_type_hints, overload

import attrs
import msgspec

from gestura.docstrings import read_docstring
from gestura.errors import ConfigError, ErrorKind, InvalidValue
from gestura.json_schema import schema_of
from gestura.parts import ResultPart, TextPart
from gestura.request_options import Tool
from gestura.structuring import parse_json, structure
from gestura.tool_schemas import ProviderToolSchemas, read_tool

__all__ = ["FunctionTool", "ToolSource", "as_tools", "result_parts", "tool"]


@attrs.frozen(kw_only=True)
class FunctionTool(Tool):
    """A tool with the function that does it. Made by `tool`; calling it calls the function.

    Args:
        function: sync or async.
        timeout: seconds it may take; `None` leaves that to the run.
        confirm: somebody has to allow each call.
        risk_level: how much there is to lose, in words of your own, for whoever is asked.
        category: what sort of tool it is, likewise.
    """

    function: Callable[..., Any] = attrs.field(eq=False)
    timeout: float | None = None
    confirm: bool = False
    risk_level: str = ""
    category: str = ""
    _arguments: type = attrs.field(eq=False, repr=False, alias="arguments")
    """An attrs class with a field for each parameter."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def read_arguments(self, text: str) -> dict[str, Any]:
        """The arguments that the model wrote, as the function takes them.

        Raises:
            InvalidValue: they are no JSON, or do not fit the signature; the message tells the model why.
        """
        written = parse_json(text)
        if not isinstance(written, dict):
            raise InvalidValue("the arguments of a tool are a JSON object")
        arguments: Any = structure(written, self._arguments)
        return {field.name: getattr(arguments, field.name) for field in attrs.fields(self._arguments)}


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    confirm: bool = False,
    risk_level: str = "",
    category: str = "",
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float | None = None,
    confirm: bool = False,
    risk_level: str = "",
    category: str = "",
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a typed function, sync or async. Can be used bare, `@tool`, or with options, `@tool(timeout=5)`.

    The parameters become a JSON Schema (see `gestura.schema_of` for the types there are), and those with defaults are
    optional; the docstring becomes the description, and its `Args:` section that of the parameters.

    What the function returns goes to the model: a string as it is, a part (`gestura.image(…)`) or a list of strings and
    parts likewise, anything else as JSON. What it raises goes to the model as an error. A sync function runs in a
    thread. When its time is up, or the run is cancelled, an async function is cancelled; a thread can't be, and is left
    to itself: one that works for long asks `trio.from_thread.check_cancelled()` now and then.

    Args:
        function: what the model shall be able to call.
        name: what the model calls it; the function's name unless told.
        description: what it does and when to call it; the docstring unless told.
        timeout: seconds a call may take; the run's `tool_timeout` unless told.
        confirm: ask before each call, with the `confirm` hook of `Client.run`.
        risk_level: told to that hook.
        category: told to that hook.

    Raises:
        ConfigError: a parameter has no type, or one that JSON has nothing like; or it can't be given by name.

    >>> @tool
    ... async def get_weather(city: str, days: int = 1) -> str:
    ...     '''The weather forecast.
    ...
    ...     Args:
    ...         city: the city's English name.
    ...     '''
    ...     return "sunny"
    >>> get_weather.description
    'The weather forecast.'
    >>> get_weather.parameters["properties"]["city"]
    {'type': 'string', 'description': "the city's English name."}
    """

    def make(function: Callable[..., Any]) -> FunctionTool:
        documented = _documented(function)
        called = getattr(_undecorated(function), "__name__", type(function).__name__)
        try:
            arguments = _arguments_class(function, called)
            parameters = schema_of(arguments)
        except ConfigError as error:
            raise ConfigError(f"tool {called}: {error}", kind=ErrorKind.BAD_REQUEST) from error
        return FunctionTool(
            name=name or called,
            description=read_docstring(documented).description if description is None else description,
            parameters=parameters,
            function=function,
            timeout=timeout,
            confirm=confirm,
            risk_level=risk_level,
            category=category,
            arguments=arguments,
        )

    return make if function is None else make(function)


def _undecorated(function: Callable[..., Any]) -> Callable[..., Any]:
    return _undecorated(function.func) if isinstance(function, functools.partial) else function


def _documented(function: Callable[..., Any]) -> Callable[..., Any]:
    """What has the annotations and the docstring: the function, or the `__call__` of an object."""
    inner = _undecorated(function)
    return inner if inspect.isroutine(inner) else type(inner).__call__.__get__(inner)


def _arguments_class(function: Callable[..., Any], name: str) -> type:
    """An attrs class whose fields are the parameters of `function`."""
    if isinstance(function, type):
        raise ConfigError("a class is no function; write one that makes the instance")
    documented = _documented(function)
    try:
        hints = get_type_hints(documented, include_extras=True)
        parameters = inspect.signature(function).parameters
    except NameError as error:
        raise ConfigError(f"an annotation names {error.name!r}, which is not found") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    notes = read_docstring(documented).arguments
    given = function.keywords if isinstance(function, functools.partial) else {}
    fields = {}
    for parameter in parameters.values():
        if parameter.name in given:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"parameter {parameter.name}: a model gives every argument by its name")
        if parameter.name not in hints:
            raise ConfigError(f"parameter {parameter.name}: it needs a type")
        fields[parameter.name] = attrs.field(
            type=hints[parameter.name],
            default=attrs.NOTHING if parameter.default is parameter.empty else parameter.default,
            metadata={"description": notes.get(parameter.name)},
            alias=parameter.name,
        )
    return attrs.make_class(name, fields, kw_only=True)


ToolSource = Iterable[Tool | Callable[..., Any] | Mapping[str, Any]] | ProviderToolSchemas
"""What tools can be given as: each a `Tool`, a typed function, or a dict in the shape of a provider."""


def as_tools(source: ToolSource) -> tuple[Tool, ...]:
    """Tools in whatever form they are given.

    Raises:
        ConfigError: a function or a dict can't be made a tool.
    """
    return tuple(_as_tool(each) for each in source)


def _as_tool(source: Any) -> Tool:
    match source:
        case Tool():
            return source
        case Mapping():
            return read_tool(source)
        case Callable():
            return tool(source)
        case _:
            return source  # type: ignore[no-any-return]  # the check of the request refuses it, and says where


def result_parts(result: Any) -> tuple[ResultPart, ...]:
    """What a tool's function returned, as the model is told it.

    Raises:
        TypeError: it can't be written as JSON.
    """
    pieces = result if isinstance(result, list | tuple) else (result,)
    if isinstance(result, str) or any(isinstance(piece, _PARTS) for piece in pieces):
        return tuple(piece if isinstance(piece, _PARTS) else TextPart(_text(piece)) for piece in pieces)
    return (TextPart(_text(result)),)


_PARTS: Final = get_args(ResultPart)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
