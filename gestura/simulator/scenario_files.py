"""Scenarios as TOML files, and the ones gestura brings along.

A step and a fault are a table with one key, which names its kind; a step of one text may be that text:

    steps = [
      { thinking = "They greet me." },
      { text = "Hello!" },
      { tool_call = { id = "call_1", name = "wave", arguments = '{"hands": 2}' } },
    ]
    finish = "tool_calls"
    usage = { input_tokens = 9, output_tokens = 12 }
    sending = { interval = 0.05 }
    faults = [{ reset = { after_events = 2 } }]
    then = [{ steps = [{ text = "To the next request." }] }]

The other keys are the fields of the classes in `scenario.py` and `faults.py`. `model` is the file's name unless told.
Bytes are a string (sent as UTF-8) or an array of numbers. Types are strict and unknown keys are refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.errors import ForbiddenExtraKeysError

from gestura.chunks import Refusal, Text, Thinking
from gestura.errors import ConfigError
from gestura.simulator.faults import BreakHttp, Fault, Garbage, HttpError, Reset, Stall, Truncate
from gestura.simulator.scenario import Comment, Scenario, Step, StreamError, ToolCall

__all__ = ["built_in_scenarios", "load_scenario", "parse_scenario"]

STEPS: Mapping[str, type[Step]] = {
    "thinking": Thinking,
    "text": Text,
    "refusal": Refusal,
    "tool_call": ToolCall,
    "error": StreamError,
    "comment": Comment,
}
FAULTS: Mapping[str, type[Fault]] = {
    "http_error": HttpError,
    "stall": Stall,
    "reset": Reset,
    "break_http": BreakHttp,
    "truncate": Truncate,
    "garbage": Garbage,
}

T = TypeVar("T")


def load_scenario(path: Path | Traversable) -> Scenario:
    """The scenario in a file.

    Raises:
        ConfigError: it is not TOML, or not a scenario; the message names the file and each wrong field.
        OSError: it can't be read.
    """
    return parse_scenario(path.read_text("utf-8"), name=path.name)


def built_in_scenarios() -> list[Scenario]:
    """The scenarios gestura brings along: one model for each thing a provider may do to a client."""
    folder = resources.files("gestura.simulator") / "scenarios"
    return [load_scenario(file) for file in sorted(folder.iterdir(), key=lambda file: file.name)]


def parse_scenario(toml: str, *, name: str) -> Scenario:
    """The scenario in the text of a file called `name`; the name without `.toml` is its model unless it tells one.

    Raises:
        ConfigError: it is not TOML, or not a scenario.
    """
    try:
        table = {"model": name.removesuffix(".toml"), **tomllib.loads(toml)}
        if isinstance(later := table.get("then"), list):
            table["then"] = [{"model": "", **each} if isinstance(each, dict) else each for each in later]
        return _converter.structure(table, Scenario)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from error
    except cattrs.BaseValidationError as error:
        problems = cattrs.transform_error(error, path="scenario", format_exception=_describe)
        raise ConfigError(f"{name}: {'; '.join(problems)}") from error


def _describe(error: BaseException, wanted: type[Any] | None) -> str:
    match error:
        case ForbiddenExtraKeysError():
            return f"unknown key {', '.join(sorted(error.extra_fields))}"
        case ValueError() | TypeError():
            return str(error)
        case _:
            return str(cattrs.v.format_exception(error, wanted))


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def strictly(wanted: type[T], *accepted: type) -> None:
        def structure(value: object, _: type[T]) -> T:
            if type(value) in accepted:
                return wanted(value)  # type: ignore[call-arg]  # the four below are all made from a value
            raise TypeError(f"expected {wanted.__name__}, not {type(value).__name__}")

        converter.register_structure_hook(wanted, structure)

    strictly(str, str)
    strictly(int, int)
    strictly(bool, bool)
    strictly(float, float, int)

    def structure_bytes(value: object, _: type[bytes]) -> bytes:
        match value:
            case str():
                return value.encode()
            case list():
                return bytes(value)
            case _:
                raise TypeError(f"expected a string or an array of numbers, not {type(value).__name__}")

    def structure_kind(kinds: Mapping[str, type[T]], value: object) -> T:
        if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= kinds.keys():
            raise ValueError(f"expected a table with one key of {', '.join(kinds)}")
        ((kind, content),) = value.items()
        wanted = kinds[kind]
        if isinstance(content, str) and wanted is not ToolCall:
            return wanted(content)  # type: ignore[call-arg]  # every other step starts with its text
        if not isinstance(content, dict):
            raise TypeError(f"{kind}: expected a table, not {type(content).__name__}")
        return converter.structure(content, wanted)

    converter.register_structure_hook(bytes, structure_bytes)
    converter.register_structure_hook(Step, lambda value, _: structure_kind(STEPS, value))
    converter.register_structure_hook(Fault, lambda value, _: structure_kind(FAULTS, value))
    return converter


_converter = _make_converter()
